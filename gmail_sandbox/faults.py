"""Faults on request: before acceptance or after it.

Refusals (`rate_limit_429` ...) and breaks (`close`, `reset`, `stall`, `cut`) come before: nothing
is accepted. `accept_then_...` comes after: the request is done, only the response is lost.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmail_sandbox import refusal
from gmail_sandbox.refusal import Refusal

REFUSALS: dict[str, Refusal] = {
    "rate_limit_429": Refusal(429, "rateLimitExceeded", "Too many concurrent requests for user."),
    "rate_limit_403": Refusal(
        403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits"
    ),
    "user_rate_limit_403": Refusal(
        403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits"
    ),
    "mail_sending_429": Refusal(
        429,
        "rateLimitExceeded",
        "User-rate limit exceeded.  Retry after {retry_after} (Mail sending)",
    ),
    "daily_limit_403": Refusal(
        403, "dailyLimitExceeded", "Daily Limit Exceeded", domain="usageLimits"
    ),
    "quota_exceeded_403": Refusal(
        403,
        "quotaExceeded",
        "The request cannot be completed because you have exceeded your quota.",
        domain="usageLimits",
    ),
    "domain_policy_403": Refusal(
        403, "domainPolicy", "The domain administrators have disabled Gmail apps."
    ),
    "insufficient_permissions_403": refusal.insufficient_scope("any"),
    "delegation_denied_403": refusal.delegation_denied("{account}"),
    "failed_precondition_400": Refusal(
        400, "failedPrecondition", "Precondition check failed.", status="FAILED_PRECONDITION"
    ),
    "invalid_to_400": refusal.invalid("Invalid To header"),
    "bad_request_400": Refusal(400, "badRequest", "Bad Request"),
    "not_found_404": refusal.not_found(),
    "too_large_413": refusal.too_large(36_700_160),
    "unauthorized_401": refusal.unauthorized(),
    "server_error_500": Refusal(500, "backendError", "Internal error encountered."),
    "unavailable_503": Refusal(503, "backendError", "The service is currently unavailable."),
}
TOKEN_ERRORS = {
    "invalid_grant": (400, "Token has been expired or revoked."),
    "invalid_client": (401, "The OAuth client was not found."),
    "unauthorized_client": (401, "Unauthorized"),
}
BREAKS = ("close", "reset", "stall", "cut")
AFTER = "accept_then_"
NAMES = (
    *REFUSALS,
    *TOKEN_ERRORS,
    *BREAKS,
    *(AFTER + how for how in (*BREAKS, "500", "503")),
)
SENDS = ("messages.send", "drafts.send")
READS = (
    "messages.list",
    "messages.get",
    "messages.attachments.get",
    "history.list",
    "threads.get",
    "profile",
)
GROUPS = {"send": SENDS, "read": READS}
"""Names that `on` has for several methods."""
METHODS = (
    *SENDS,
    *READS,
    "drafts.create",
    "drafts.get",
    "drafts.list",
    "drafts.delete",
    "token",
)


class Fault(BaseModel):
    """The kind and time of a fault, as POST /sandbox/faults takes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: str
    on: str = "*"
    account: str | None = None
    to: str | None = None
    times: int | None = Field(default=None, ge=1)
    """Number of strikes; None: until it is cleared."""
    skip: int = Field(default=0, ge=0)
    """Number of first matches that pass."""
    every: int = Field(default=1, ge=1)
    """Strike only at each k-th match after those."""
    seconds: float = Field(default=30, ge=0)
    """Duration of a stall."""
    retry_after: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "Fault":
        if self.fault not in NAMES:
            raise ValueError(f"there is no fault {self.fault!r}; there are: {', '.join(NAMES)}")
        if self.on not in {*METHODS, *GROUPS, "*"}:
            known = ", ".join((*METHODS, *GROUPS))
            raise ValueError(f"nothing is called {self.on!r}; there are: {known}")
        if self.fault in TOKEN_ERRORS and self.on not in {"token", "*"}:
            raise ValueError(f"{self.fault} is an answer of the token endpoint: on must be token")
        return self

    @property
    def after(self) -> str | None:
        """The break that loses the response after acceptance; None for a fault before it."""
        return self.fault.removeprefix(AFTER) if self.fault.startswith(AFTER) else None

    def concerns(self, method: str) -> bool:
        if self.fault in TOKEN_ERRORS:
            return method == "token"
        return self.on in {"*", method} or method in GROUPS.get(self.on, ())

    def refusal(self, account: str) -> Refusal | None:
        """The response of this fault; None when it is not one of Google's refusals."""
        name = {"500": "server_error_500", "503": "unavailable_503"}.get(
            self.after or "", self.fault
        )
        known = REFUSALS.get(name)
        if known is None:
            return None
        message = known.message.format(account=account, retry_after=self.retry_after or _later())
        in_header = self.retry_after and name != "mail_sending_429"
        extra = {"Retry-After": self.retry_after or ""} if in_header else {}
        return replace(known, message=message, headers={**known.headers, **extra})


def _later() -> str:
    """A quarter of an hour from now, in Gmail's format."""
    later = datetime.now(UTC) + timedelta(minutes=15)
    return f"{later:%Y-%m-%dT%H:%M:%S}.{later.microsecond // 1000:03d}Z"


@dataclass
class Armed:
    fault: Fault
    matched: int = 0
    fired: int = 0

    def strikes(self) -> bool:
        """Count a match; returns whether the fault strikes."""
        if self.fault.times is not None and self.fired >= self.fault.times:
            return False
        self.matched += 1
        turn = self.matched - self.fault.skip
        if turn <= 0 or turn % self.fault.every:
            return False
        self.fired += 1
        return True

    def describe(self) -> dict[str, Any]:
        return {**self.fault.model_dump(), "matched": self.matched, "fired": self.fired}


class Faults:
    """The faults in force, in the order of their requests; the first that strikes wins."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._armed: list[Armed] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(Armed(fault))

    def clear(self) -> int:
        with self._lock:
            count = len(self._armed)
            self._armed = []
        return count

    def describe(self) -> list[dict[str, Any]]:
        with self._lock:
            return [armed.describe() for armed in self._armed]

    def take(
        self, method: str, account: str, recipients: Callable[[], Iterable[str]] = tuple
    ) -> Fault | None:
        """The fault that strikes this request. Calls `recipients` only for faults with one."""
        with self._lock:
            for armed in self._armed:
                if _matches(armed.fault, method, account, recipients) and armed.strikes():
                    return armed.fault
        return None


def _matches(
    fault: Fault, method: str, account: str, recipients: Callable[[], Iterable[str]]
) -> bool:
    if not fault.concerns(method):
        return False
    if fault.account and fault.account.lower() != account:
        return False
    return not fault.to or fault.to.lower() in recipients()
