"""Models of mailboxes and of what came back. Frozen; no I/O."""

from datetime import date, datetime
from uuid import UUID

from outreach.campaign.models import Model, Told


class MailboxState(Model):
    """How far an account's mailbox was read, and what came back to it in the last 30 days."""

    can_read: bool | None = None
    """Whether the account lets us read it; None: nobody asked yet."""
    scopes: str | None = None
    """What the account granted, by Gmail's short names."""
    read_at: datetime | None = None
    """All that arrived before was read; None: never read."""
    problem: Told | None = None
    """Why the last reading failed; None when it did not."""
    gap_from: datetime | None = None
    """From then until `gap_until` Gmail had forgotten what changed; all mails were looked at."""
    gap_until: datetime | None = None
    replied: int = 0
    """Mails that were answered."""
    bounced: int = 0
    """Mails that came back, blocked ones aside."""
    blocked: int = 0
    """Mails that the recipient's server refused for the sender or the content."""


class ListedMailbox(MailboxState):
    """A row of `outreach mailboxes list --json`: a contract with scripts."""

    email: str
    status: str
    """The account's: active or unusable."""
    connected: bool


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
