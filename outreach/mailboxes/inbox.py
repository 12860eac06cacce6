"""The port through which received mails are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

SENT, DRAFT = "SENT", "DRAFT"


class Listed(NamedTuple):
    """A mail as a list has it."""

    id: str
    thread_id: str | None
    labels: frozenset[str]
    """Empty where the list does not say."""

    @property
    def is_own(self) -> bool:
        return not self.labels.isdisjoint({SENT, DRAFT})


class Page(NamedTuple):
    mails: list[Listed]
    history_id: str | None
    """The cursor past these mails; None where the list has none."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header of a received mail, as far as it tells whether the mail concerns us."""

    labels: frozenset[str]
    received: datetime
    headers: dict[str, str]
    """By lower-case name; the first of each."""


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    thread_id: str | None
    labels: frozenset[str]
    received: datetime
    raw: bytes


class HistoryExpiredError(Exception):
    """Gmail has forgotten the changes since this id."""


class Inbox(Protocol):
    """Reads for many accounts, from several threads.

    Every method may raise TemporarilyUnavailable, QuotaReached, AccountUnusable or
    ConfigurationError.
    """

    def scopes(self, account_id: UUID) -> frozenset[str]:
        """The scopes that the account granted."""
        ...

    def position(self, account_id: UUID) -> str:
        """The cursor past all that is there now."""
        ...

    def added(self, account_id: UUID, history_id: str) -> Iterator[Page]:
        """Mails that came since the cursor, the oldest first.

        Raises HistoryExpiredError, before the first page.
        """
        ...

    def all_mails(self, account_id: UUID) -> Iterator[Page]:
        """All mails, spam and trash too, the newest first."""
        ...

    def envelope(self, account_id: UUID, mail_id: str) -> Envelope | None:
        """None when the mail is gone, as a draft that was sent."""
        ...

    def mail(self, account_id: UUID, mail_id: str) -> ReceivedMail | None:
        """The whole mail; None when it is gone."""
        ...

    def named(self, account_id: UUID, message_id: str) -> Listed | None:
        """The mail in this mailbox that has this Message-ID (without angle brackets)."""
        ...
