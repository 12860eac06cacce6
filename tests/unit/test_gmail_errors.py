"""Google's answers and what each of them means for us: the table of FACTS.md, row by row."""

import json
from typing import Any

import pytest

from outreach.delivery.modes import COMPOSE, FULL, METADATA, MODIFY, READONLY, SEND, choose_delivery
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    QuotaReached,
    RateLimited,
    RecipientRefused,
    SendUnclear,
    TemporarilyUnavailable,
)
from outreach.gmail import errors
from outreach.loopback import is_loopback

CALLS: tuple[errors.Call, ...] = ("look", "create", "send")


def google(reason: str, message: str = "", **more: Any) -> bytes:
    """An error as the Gmail API words it."""
    entries = [{"domain": "global", "reason": reason, "message": message}]
    return json.dumps({"error": {"message": message, "errors": entries, **more}}).encode()


REFUSED_WHATEVER_THE_CALL = [
    (429, google("rateLimitExceeded", "Too many concurrent requests"), RateLimited),
    (429, b"", RateLimited),
    (403, google("rateLimitExceeded", "Rate Limit Exceeded"), RateLimited),
    (403, google("userRateLimitExceeded", "User Rate Limit Exceeded"), RateLimited),
    (429, google("rateLimitExceeded", "User-rate limit exceeded (Mail sending)"), QuotaReached),
    (403, google("dailyLimitExceeded", "Daily Limit Exceeded"), QuotaReached),
    (403, google("quotaExceeded", "Quota exceeded"), QuotaReached),
    (403, google("domainPolicy", "The domain administrators have disabled"), AccountUnusable),
    (403, google("insufficientPermissions", "Insufficient Permission"), AccountUnusable),
    (403, google("forbidden", "Delegation denied for anna@acme.com"), AccountUnusable),
    (403, google("accessNotConfigured", "Gmail API has not been used"), ConfigurationError),
    (403, google("forbidden", details=[{"reason": "CONSUMER_SUSPENDED"}]), ConfigurationError),
    (403, google("forbidden", details=[{"reason": "CONSUMER_INVALID"}]), ConfigurationError),
    (403, google("forbidden", details=[{"reason": "GCP_SUSPENDED"}]), ConfigurationError),
    (403, google("forbidden", details=[{"reason": "BILLING_DISABLED"}]), ConfigurationError),
    (403, google("forbidden", details=[{"reason": "IAM_PERMISSION_DENIED"}]), AccountUnusable),
    (400, google("failedPrecondition", "Mail service not enabled"), AccountUnusable),
    (401, google("authError", "Invalid Credentials"), AccountUnusable),
    (401, b"", AccountUnusable),
]


@pytest.mark.parametrize(("status", "body", "expected"), REFUSED_WHATEVER_THE_CALL)
def test_a_refusal_means_the_same_for_every_call(
    status: int, body: bytes, expected: type[Exception]
) -> None:
    """Nothing was sent, so a send is no different from a look."""
    assert [type(errors.of_api(status, body, call)) for call in CALLS] == [expected] * 3


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, google("invalidArgument", "Invalid To header")),
        (400, google("invalidArgument", "Recipient address required")),
        (400, google("badRequest", "Bad Request")),
        (413, google("uploadTooLarge", "Request payload size exceeds the limit")),
        (413, b"<html>413. That is an error.</html>"),
    ],
)
def test_a_mail_that_gmail_does_not_take_stops_its_lead_alone(status: int, body: bytes) -> None:
    """Only a call that carries the mail can be refused for it."""
    assert [type(errors.of_api(status, body, call)) for call in CALLS] == [
        TemporarilyUnavailable,
        RecipientRefused,
        RecipientRefused,
    ]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, google("backendError")),
        (502, b"<html>Bad Gateway</html>"),
        (503, b""),
        (504, b""),
        (302, b""),
        (304, b""),
        (400, b"<html>a proxy's words</html>"),
        (403, b"<html>a proxy's words</html>"),
        (403, b'["not", "Google"]'),
        (408, b""),
        (418, google("teapot")),
        (400, b'{"error": null}'),
        (400, b"\xff\xfe"),
    ],
)
def test_whatever_else_comes_back_is_unclear_for_a_send_alone(status: int, body: bytes) -> None:
    """A look or a draft may be repeated; a mail that may have left may not."""
    assert [type(errors.of_api(status, body, call)) for call in CALLS] == [
        TemporarilyUnavailable,
        TemporarilyUnavailable,
        SendUnclear,
    ]


def test_what_is_not_found_depends_on_who_asks() -> None:
    """A draft that is no longer there may have been sent."""
    answers = [errors.of_api(404, google("notFound", "Not found."), call) for call in CALLS]
    assert [type(answer) for answer in answers] == [
        errors.NotThere,
        TemporarilyUnavailable,
        SendUnclear,
    ]


def test_the_mail_sending_limit_rests_the_account_for_a_quarter_of_an_hour() -> None:
    """Whatever "Retry after" says."""
    body = google("rateLimitExceeded", "User-rate limit exceeded.  Retry after 2020 (Mail sending)")
    error = errors.of_api(429, body, "send")
    assert isinstance(error, QuotaReached)
    assert (error.retry_after, error.whole_project) == (900, False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("86400", 3600),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("\u0661", None),
    ],
)
@pytest.mark.parametrize(
    ("status", "body"), [(429, b""), (403, google("userRateLimitExceeded")), (429, google("x"))]
)
def test_a_rate_rests_the_account_as_long_as_gmail_says(
    status: int, body: bytes, header: str | None, seconds: float | None
) -> None:
    error = errors.of_api(status, body, "send", header)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize("reason", ["dailyLimitExceeded", "quotaExceeded"])
@pytest.mark.parametrize("status", [403, 429])
def test_the_projects_quota_rests_every_account(status: int, reason: str) -> None:
    """All of them share it."""
    error = errors.of_api(status, google(reason), "send")
    assert isinstance(error, QuotaReached)
    assert (error.retry_after, error.whole_project) == (900, True)


def test_a_reason_in_the_details_counts_too() -> None:
    """Google's newer errors have it there."""
    details = [{"@type": "ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
    body = google("forbidden", "Request had insufficient scopes.", details=details)
    assert "has not granted" in str(errors.of_api(403, body, "look"))


@pytest.mark.parametrize("reason", ["CONSUMER_SUSPENDED", "BILLING_DISABLED"])
def test_a_project_that_google_has_switched_off_is_no_accounts_fault(reason: str) -> None:
    """To connect each account anew would mend nothing."""
    body = google("forbidden", "The project 4711 is off.", details=[{"reason": reason}])
    assert str(errors.of_api(403, body, "send")) == (
        "Google has switched off the project of GOOGLE_CLIENT_ID"
        " (The project 4711 is off);"
        " restore it, or its billing, in the Google Cloud console, then start again."
    )


def test_a_message_shows_nobodys_whole_address() -> None:
    """Google's words may quote the recipient."""
    body = google("invalidArgument", 'Invalid To header: "Jo" <joanna.smith@acme.com>,\n ü@x.org')
    assert str(errors.of_api(400, body, "send")) == (
        'Gmail refuses the mail (Invalid To header: "Jo" <j…@acme.com>, ü…@x.org).'
    )


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"error": "invalid_grant"}', AccountUnusable),
        (403, b'{"error": "access_denied"}', AccountUnusable),
        (400, b'{"error": "admin_policy_enforced"}', AccountUnusable),
        (401, b'{"error": "invalid_client"}', ConfigurationError),
        (401, b'{"error": "unauthorized_client"}', ConfigurationError),
        (401, b'{"error": "deleted_client"}', ConfigurationError),
        (400, b'{"error": "invalid_request"}', TemporarilyUnavailable),
        (429, b"", TemporarilyUnavailable),
        (500, b"", TemporarilyUnavailable),
        (302, b"", TemporarilyUnavailable),
        (200, b"<html>", TemporarilyUnavailable),
    ],
)
def test_the_token_endpoint_sends_nothing(
    status: int, body: bytes, expected: type[Exception]
) -> None:
    """So its faults pass, unless they name the account or the app."""
    assert type(errors.of_token(status, body)) is expected


def test_an_unknown_app_is_named_by_its_settings() -> None:
    """By their names, never by their values."""
    assert "GOOGLE_CLIENT_ID" in str(errors.of_token(401, b'{"error": "invalid_client"}'))


@pytest.mark.parametrize(
    ("forced", "scopes", "expected"),
    [
        ("auto", {SEND}, "direct"),
        ("auto", {COMPOSE}, "drafts"),
        ("auto", {MODIFY}, "drafts"),
        ("auto", {FULL}, "drafts"),
        ("auto", {SEND, COMPOSE}, "drafts"),
        ("auto", {SEND, READONLY}, "direct"),
        ("direct", {COMPOSE}, "direct"),
        ("drafts", {COMPOSE}, "drafts"),
    ],
)
def test_drafts_are_taken_wherever_they_are_granted(
    forced: Any, scopes: set[str], expected: str
) -> None:
    """Unless GMAIL_DELIVERY says otherwise."""
    assert choose_delivery(forced, frozenset(scopes)) == expected


@pytest.mark.parametrize(
    ("forced", "scopes", "advice"),
    [
        ("auto", {READONLY}, "reconnect the account"),
        ("auto", set[str](), "reconnect the account"),
        ("direct", {METADATA}, "reconnect the account"),
        ("drafts", {SEND}, "GMAIL_DELIVERY=auto"),
    ],
)
def test_an_account_that_may_not_send_so_is_told_what_to_do(
    forced: Any, scopes: set[str], advice: str
) -> None:
    """Before anything is recorded."""
    with pytest.raises(AccountUnusable, match=advice):
        choose_delivery(forced, frozenset(scopes))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8025", True),
        ("http://localhost/token", True),
        ("http://[::1]:80", True),
        ("https://gmail.googleapis.com", False),
        ("https://localhost.example.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_this_machine_is_known_by_its_address(url: str, expected: bool) -> None:
    """A sandbox needs no GOOGLE_CLIENT_ID and no proxy."""
    assert is_loopback(url) is expected
