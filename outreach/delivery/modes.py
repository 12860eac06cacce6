"""Pure: chooses the delivery mode of an account from the scopes that it granted."""

from typing import Literal

from outreach.errors import AccountUnusable

_GOOGLE = "https://www.googleapis.com/auth/gmail."
FULL = "https://mail.google.com/"
COMPOSE, MODIFY, READONLY = _GOOGLE + "compose", _GOOGLE + "modify", _GOOGLE + "readonly"
SEND, METADATA = _GOOGLE + "send", _GOOGLE + "metadata"

DRAFTS = frozenset({FULL, MODIFY, COMPOSE})
"""Each of these allows to create, send, read and delete drafts."""
DIRECT = DRAFTS | {SEND}
READ = frozenset({FULL, MODIFY, READONLY})
UNREAD = (
    "The account lets us send but not read, so replies, bounces and opt-outs by mail stay unseen"
)
"""What an account without one of READ means."""

Delivery = Literal["drafts", "direct"]


def named(scopes: frozenset[str]) -> list[str]:
    """Gmail's scopes by their short names: `modify`, `send`."""
    return sorted(s.removeprefix(_GOOGLE) for s in scopes if s.startswith((_GOOGLE, FULL)))


def delivers(delivery: Delivery, scopes: frozenset[str]) -> str:
    """The delivery guarantee and the scopes behind it, in words."""
    promise = "exactly once" if delivery == "drafts" else "at most once"
    return f"delivers by {delivery}, {promise} ({', '.join(named(scopes))})"


def choose_delivery(
    forced: Literal["auto", "drafts", "direct"], scopes: frozenset[str]
) -> Delivery:
    """Drafts where they are allowed, unless GMAIL_DELIVERY says otherwise.

    Raises AccountUnusable when the scopes do not suffice.
    """
    if not scopes & DIRECT:
        raise AccountUnusable(
            "The account has not granted the permission to send mail",
            "reconnect the account and grant it",
        )
    if forced != "auto":
        if forced == "drafts" and not scopes & DRAFTS:
            raise AccountUnusable(
                "The account has granted sending but not drafts, which GMAIL_DELIVERY=drafts needs",
                "reconnect the account and grant them, or set GMAIL_DELIVERY=auto",
            )
        return forced
    return "drafts" if scopes & DRAFTS else "direct"
