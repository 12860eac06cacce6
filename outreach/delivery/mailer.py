"""The port through which a mail leaves: two steps, and a search for its outcome."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from uuid import UUID

from outreach.campaign.models import Finding, Sent
from outreach.mail.mime import Mail


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mail that is ready to leave: a draft in the account (`draft_id`), or all of it (`raw`).

    In a search for the outcome, `raw` is no longer known.
    """

    account_id: UUID
    search_token: str
    draft_id: str | None = None
    thread_id: str | None = None
    joins: bool = False
    """Whether the thread was there before: what else was sent in it is another mail."""
    raw: Mail | None = field(default=None, repr=False)


class OurDraft(NamedTuple):
    """A draft that carries our header; no other drafts are ever shown or touched."""

    id: str
    age_seconds: float
    search_token: str


class ThreadMail(NamedTuple):
    """A mail in a thread of the account, by its header."""

    id: str
    is_sent: bool
    """Sent by the account, else received; drafts are left out."""
    subject: str
    message_id: str
    """With its angle brackets; empty where it has none."""
    references: list[str]
    search_token: str | None
    """Ours; None for a mail that was written by hand."""


class Mailer(Protocol):
    """Sends for many accounts and from many threads at once.

    Every method may raise TemporarilyUnavailable, QuotaReached, AccountUnusable or
    ConfigurationError; in each of these cases nothing has left.
    """

    def prepare(
        self, account_id: UUID, mail: Mail, search_token: str, thread_id: str | None = None
    ) -> Prepared:
        """Do everything possible before the mail leaves; invisible to the recipient.

        With `thread_id` it joins that thread. Raises RecipientRefused when Gmail already refuses
        the message.
        """
        ...

    def commit(self, prepared: Prepared) -> Sent:
        """Post it exactly once: no lower layer may post again.

        Raises SendUnclear when the response was lost after the request may have reached Gmail, and
        when a draft no longer exists; RecipientRefused when Gmail refuses it.
        """
        ...

    def thread(self, account_id: UUID, thread_id: str) -> list[ThreadMail] | None:
        """The mails of a thread, the oldest first; None where the thread is gone.

        Raises AccountUnusable also when the account does not let us read.
        """
        ...

    def find(self, prepared: Prepared) -> Finding:
        """Look for a mail whose outcome is unknown, by its draft, its thread and its token."""
        ...

    def discard(self, prepared: Prepared) -> bool:
        """Delete the draft; False when it no longer existed. A direct mail: True."""
        ...

    def drafts(self, account_id: UUID) -> Iterator[OurDraft]:
        """Our drafts in the account."""
        ...
