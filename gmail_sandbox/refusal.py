"""Gmail's refusals: each with the code, reason and words of the real response."""

from dataclasses import dataclass, field
from typing import Any

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(eq=False)
class Refusal(Exception):
    """An error response of Google's API; nothing was accepted."""

    code: int
    reason: str
    message: str
    domain: str = "global"
    status: str | None = None
    short: str | None = None
    """The message inside `errors`, where it differs."""
    details: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The error in Google's format."""
        item = {
            "message": self.short or self.message,
            "domain": self.domain,
            "reason": self.reason,
        }
        if self.code == 401:  # noqa: PLR2004 - it reads best as it is
            item |= {"location": "Authorization", "locationType": "header"}
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "errors": [item],
            "status": self.status or STATUS[self.code],
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def not_found() -> Refusal:
    return Refusal(404, "notFound", "Requested entity was not found.")


def invalid(message: str) -> Refusal:
    return Refusal(400, "invalidArgument", message)


def unauthorized() -> Refusal:
    return Refusal(
        401,
        "authError",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        short="Invalid Credentials",
        headers={"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
    )


def insufficient_scope(method: str) -> Refusal:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": "gmail.googleapis.com", "method": f"gmail.users.{method}"},
    }
    return Refusal(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
        short="Insufficient Permission",
        details=[detail],
    )


def metadata_scope(message: str) -> Refusal:
    return Refusal(403, "forbidden", message)


def delegation_denied(user: str) -> Refusal:
    return Refusal(403, "forbidden", f"Delegation denied for {user}")


def too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "uploadTooLarge",
        f"Request payload size exceeds the limit: {limit} bytes.",
    )
