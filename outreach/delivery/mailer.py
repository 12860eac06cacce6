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
    raw: Mail | None = field(default=None, repr=False)


class OurDraft(NamedTuple):
    """A draft that carries our header; no other drafts are ever shown or touched."""

    id: str
    age_seconds: float
    search_token: str


class Mailer(Protocol):
    """Sends for many accounts and from many threads at once.

    Every method may raise TemporarilyUnavailable, QuotaReached, AccountUnusable or
    ConfigurationError; in each of these cases nothing has left.
    """

    def prepare(self, account_id: UUID, mail: Mail, search_token: str) -> Prepared:
        """Do everything possible before the mail leaves; invisible to the recipient.

        Raises RecipientRefused when Gmail already refuses the message.
        """
        ...

    def commit(self, prepared: Prepared) -> Sent:
        """Post it exactly once: no lower layer may post again.

        Raises SendUnclear when the response was lost after the request may have reached Gmail, and
        when a draft no longer exists; RecipientRefused when Gmail refuses it.
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
