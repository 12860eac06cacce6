"""Models of mailboxes and of what came back. Frozen; no I/O."""

from datetime import date, datetime
from uuid import UUID

from outreach.campaign.models import MailboxState, Model, Told


class ListedMailbox(MailboxState):
    """A row of `outreach mailboxes list --json`: a contract with scripts."""

    email: str
    status: str
    """The account's: active or unusable."""
    connected: bool


class ReadMailbox(Model):
    """A row of `outreach mailboxes read --json`: a contract with scripts."""

    email: str
    recorded: int = 0
    """Mails that were recorded; those that do not concern us are not."""
    problem: Told | None = None
    """Why it could not be read to its end."""
    busy: bool = False
    """Whether another process reads it at this moment."""


class Returned(Model):
    """A row of `outreach campaigns replies --json`: a contract with scripts."""

    id: UUID
    """Of the received mail; one that is about several leads has a row for each."""
    lead: UUID
    """campaign_leads.id."""
    email: str | None
    kind: str
    """reply, bounce, delay, complaint, auto, away, unsubscribe, other or unreadable."""
    at: datetime
    verdict: str
    """Of a bounce or a delay: dead, block, soft or delay; held: a person has to look; else none."""
    status: str
    """RFC 3463's code of a bounce, such as 5.1.1; else empty."""
    account: str | None
    back_on: date | None
    """Of an away notice: the first day on which the person is back."""
    via: str
    """mail, link (the unsubscribe page) or person (`outreach leads answered`)."""
    thread_id: str | None
