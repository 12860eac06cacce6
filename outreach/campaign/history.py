"""Models of all that ever happened to one person, over all campaigns."""

from datetime import datetime
from uuid import UUID

from pydantic import Field, computed_field

from outreach.campaign.models import Called, Model, Suppression, Told


class InCampaign(Model):
    """How a person stands in one campaign."""

    id: UUID
    """campaign_leads.id."""
    campaign_id: UUID
    campaign: Called | None
    status: str
    account: str | None
    sent_at: datetime | None
    opened_at: datetime | None
    """The first opening that is not a machine's."""
    opened_by: str | None
    """person, unclassified or machine; None: not opened."""
    error: Told | None


class LeadEvent(Model):
    """One event; what its kind does not have is None."""

    at: datetime | None
    """None: unknown; another sender recorded it."""
    kind: str
    """mail, failed, open, suppressed, changed, lifted or erased; or what came back: reply, bounce,
    delay, complaint, auto, away, unsubscribe, other.
    """
    campaign_id: UUID | None = None
    campaign: Called | None = None
    account: str | None = None
    outcome: str | None = None
    """Of a mail open, sent, refused, not_sent or unclear; of an opening its class; of a suppression
    its cause; of what came back its verdict.
    """
    detail: Told | None = None
    by: Called | None = None
    """The person who was named for it."""
    subject: str | None = None
    """As sent."""
    template: str | None = None
    """The version of the template: `outreach leads template HASH` shows its text."""
    placeholders: list[str] | None = None
    """Those that the lead had a value for."""


class LeadHistory(Model):
    """The shape of `outreach leads show --json`: a contract with scripts."""

    address: str
    campaigns: list[InCampaign] = Field(default_factory=list)
    """The last 1,000."""
    suppressions: list[Suppression] = Field(default_factory=list)
    events: list[LeadEvent] = Field(default_factory=list)
    """The last 1,000, the newest first."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def known(self) -> bool:
        return bool(self.campaigns or self.suppressions or self.events)


class TemplateVersion(Model):
    """The shape of `outreach leads template --json`: a contract with scripts."""

    hash: str
    first_used_at: datetime
    own_text: bool
    """Whether it was one lead's own text."""
    subject: str
    body: str
    footer: str | None
