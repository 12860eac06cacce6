"""Maps Google's responses to our errors. Pure: a status and a body in, an error out.

Every line asks one question: is it certain that nothing was sent? Only a refusal in Google's own
words (or a status that is always a refusal) counts as certain; any other response to a post may
belong to a mail that has left.
"""

from dataclasses import dataclass, replace
from typing import Literal

from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    QuotaReached,
    RateLimited,
    RecipientRefused,
    SendUnclear,
    TemporarilyUnavailable,
)
from outreach.excerpts import one_line
from outreach.gmail import answers
from outreach.mail.addresses import masked

Call = Literal["look", "create", "send"]
"""`send` lets the mail leave, `create` only uploads it, `look` does neither."""

_QUOTED = 120
"""Characters of Google's words in a message."""

QUOTA_PAUSE = 900.0
"""Seconds; Gmail's own "Retry after" can be wrong (google-api-ruby-client #20544)."""

_PROJECT_QUOTA = {"dailyLimitExceeded", "quotaExceeded"}
_RATE = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "RATE_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
}
_API_OFF = {"accessNotConfigured", "SERVICE_DISABLED"}
_PROJECT_OFF = {"CONSUMER_SUSPENDED", "CONSUMER_INVALID", "GCP_SUSPENDED", "BILLING_DISABLED"}
_SCOPE = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_PRECONDITION = {"failedPrecondition", "FAILED_PRECONDITION"}
_CLIENT = {"invalid_client", "unauthorized_client", "deleted_client", "disabled_client"}
_GRANT = {"invalid_grant", "access_denied", "admin_policy_enforced", "org_internal"}


class NotThere(TemporarilyUnavailable):
    """The requested object does not exist. Not raised outside this package."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    worded: bool
    """Whether the body is an error in Google's own words, not from a proxy or gateway."""
    reasons: frozenset[str]
    message: str
    retry_after: float | None = None
    """Seconds, where Google says."""


def of_api(status: int, body: bytes, call: Call, retry_after: str | None = None) -> Exception:
    """The error for a response of the Gmail API other than 2xx; `retry_after`: that header."""
    answer = replace(_read(status, body), retry_after=answers.seconds(retry_after))
    return _about_all(answer) or _about_the_mail(answer, call) or _unforeseen(answer, call)


def of_lost_answer(call: Call, cause: str) -> Exception:
    """The error for a response that is missing or unreadable."""
    if call == "send":
        return SendUnclear(f"Gmail's answer was lost ({cause}): the mail may or may not have left.")
    return TemporarilyUnavailable(f"Gmail gave no usable answer ({cause}); nothing was sent.")


def of_token(status: int, body: bytes) -> Exception:
    """The error for a response of the token endpoint without an access token."""
    reasons = _read(status, body).reasons
    if reasons & _CLIENT:
        return ConfigurationError(
            "Google does not know this app",
            "correct GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, "
            "or connect the accounts anew with this app",
        )
    if reasons & _GRANT:
        return AccountUnusable(
            "Google no longer accepts this account's permission", "reconnect the account"
        )
    return TemporarilyUnavailable(f"Google's token service gave no token (HTTP {status}).")


def _about_all(answer: _Answer) -> Exception | None:
    """Refusals that apply to any call: of the quota, the account or the project."""
    if answer.status == 401:  # noqa: PLR2004
        return AccountUnusable(
            "Gmail does not accept this account's permission", "reconnect the account"
        )
    if answer.status == 429 or (answer.status == 403 and answer.worded):  # noqa: PLR2004
        return _about_quota(answer) or _about_account(answer)
    if answer.status == 400 and answer.reasons & _PRECONDITION:  # noqa: PLR2004
        return AccountUnusable(
            f"Gmail cannot be used with this account ({_quoted(answer)})",
            "see that its mailbox is active, then reconnect the account",
        )
    return None


def _about_quota(answer: _Answer) -> Exception | None:
    if "mail sending" in answer.message.lower():
        return QuotaReached(
            "Gmail's limit on mails sent by this account is reached.", retry_after=QUOTA_PAUSE
        )
    if answer.reasons & _PROJECT_QUOTA:
        return QuotaReached(
            "The Google Cloud project's quota for Gmail is used up.",
            retry_after=QUOTA_PAUSE,
            whole_project=True,
        )
    if answer.status == 429 or answer.reasons & _RATE:  # noqa: PLR2004
        return RateLimited(
            "Gmail asks for fewer requests a minute.", retry_after=answer.retry_after
        )
    return None


def _about_account(answer: _Answer) -> Exception:
    if answer.reasons & _API_OFF:
        return ConfigurationError(
            "The Gmail API is not enabled in the Google Cloud project of GOOGLE_CLIENT_ID",
            "enable it, then start again",
        )
    if answer.reasons & _PROJECT_OFF:
        return ConfigurationError(
            f"Google has switched off the project of GOOGLE_CLIENT_ID ({_quoted(answer)})",
            "restore it, or its billing, in the Google Cloud console, then start again",
        )
    if answer.reasons & _SCOPE:
        return AccountUnusable(
            "The account has not granted a permission that this needs",
            "reconnect the account and grant all of them",
        )
    if "domainPolicy" in answer.reasons:
        return AccountUnusable(
            "The account's Workspace administrator does not let apps use Gmail",
            "have this app allowed, then reconnect the account",
        )
    return AccountUnusable(f"Gmail denies access ({_quoted(answer)})", "reconnect the account")


def _about_the_mail(answer: _Answer, call: Call) -> Exception | None:
    if call == "look":
        return NotThere("Gmail does not have it.") if answer.status == 404 else None  # noqa: PLR2004
    if answer.status == 413:  # noqa: PLR2004
        return RecipientRefused("Gmail refuses the mail: it is too large.")
    if answer.status == 400 and answer.worded:  # noqa: PLR2004
        return RecipientRefused(f"Gmail refuses the mail ({_quoted(answer)}).")
    return None


def _unforeseen(answer: _Answer, call: Call) -> Exception:
    if call == "send" and answer.status == 404:  # noqa: PLR2004
        return SendUnclear(
            "The draft is no longer there: it was sent, or somebody deleted it.", draft_missing=True
        )
    if call == "send":
        return SendUnclear(
            f"Gmail answered with HTTP {answer.status}: the mail may or may not have left."
        )
    return TemporarilyUnavailable(f"Gmail is not available (HTTP {answer.status}).")


def _read(status: int, body: bytes) -> _Answer:
    answer = answers.of_json(body)
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, str):
        return _in_oauth(status, error)
    if isinstance(error, dict):
        return _in_api(status, error)
    return _Answer(status, worded=False, reasons=frozenset(), message="")


def _in_oauth(status: int, error: str) -> _Answer:
    return _Answer(status, worded=True, reasons=frozenset({error}), message="")


def _in_api(status: int, error: dict[str, object]) -> _Answer:
    """Reasons are in `errors`, in `details` and, as the last resort, in `status`."""
    entries = [*answers.tables(error, "errors"), *answers.tables(error, "details")]
    reasons = {str(entry.get("reason")) for entry in entries} | {str(error.get("status"))}
    return _Answer(
        status, worded=True, reasons=frozenset(reasons), message=str(error.get("message", ""))
    )


def _quoted(answer: _Answer) -> str:
    """Google's own words, short, on one line and with addresses masked."""
    return one_line(masked(answer.message), _QUOTED).rstrip(".") or f"HTTP {answer.status}"
