"""Models of the reports: counts of mails and of openings, with ranges. Days are in UTC."""

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from outreach.campaign.models import Called, LeadCounts, Model, Opened, Told


class Counts(Model):
    """Mails by outcome, and leads who opened one, counted with their mail."""

    sent: int = 0
    refused: int = 0
    put_off: int = 0
    """Attempts that did not leave and were made again later."""
    unclear: int = 0
    """It may have left."""
    opened: Opened = Field(default_factory=Opened)
    opened_low: float | None = None
    """By people, of those sent; None when nothing was sent."""
    opened_high: float | None = None
    """By people or what may be people, of those sent."""
    interval_low: float | None = None
    """The range that holds with 95 % (Wilson), from below `opened_low` …"""
    interval_high: float | None = None
    """… to above `opened_high`."""
    too_few: bool = True
    """Fewer than 50 were sent: a rate says little."""


def titled(name: str, step: int | None) -> str:
    """`Spring (step 2)`."""
    return name if step is None else f"{name} (step {step})"


class DayCounts(Counts):
    day: date


class _OfChain(Model):
    id: UUID
    name: Called
    parent_id: UUID | None = None
    """Of a follow-up: the first campaign of its chain."""
    step: int | None = None

    @property
    def title(self) -> str:
        """A follow-up is often named as the campaign that it follows."""
        return titled(self.name, self.step)


class CampaignCounts(Counts, _OfChain):
    status: str
    started_at: datetime | None
    finished_at: datetime | None
    leads: LeadCounts
    """All its leads now, whatever the days of the report."""


class AccountCounts(Counts):
    id: UUID
    email: str | None
    """None: the account was deleted."""
    status: str


class TemplateCounts(Counts):
    template: str
    """The version's hash; `own`: texts of single leads; empty: unknown."""
    subject: str | None
    """Before a lead's values are filled in."""


class FailureCount(Model):
    reason: Told
    failures: int
    """Also those of leads that were tried again."""


class Numbers(Model):
    """The shape of `outreach report --json`: a contract with scripts."""

    made_at: datetime
    since: date | None
    """The first day in it; None when there is no mail."""
    until: date | None
    totals: Counts
    days: list[DayCounts] = Field(default_factory=list)
    """Days with a mail, by the day of the mail."""
    campaigns: list[CampaignCounts] = Field(default_factory=list)
    """The last 100."""
    accounts: list[AccountCounts] = Field(default_factory=list)
    """The 100 with the most mails, as `templates` and `failures`."""
    templates: list[TemplateCounts] = Field(default_factory=list)
    failures: list[FailureCount] = Field(default_factory=list)


class Upcoming(_OfChain):
    """A campaign that will send, or sends now."""

    status: str
    what: str
    """starts, goes on, follows, sending or paused."""
    starts_at: datetime | None
    """None: now, or when a person resumes it; of a follow-up once somebody got the mail before."""
    waiting_for: Told | None
    pending: int


class Cohort(Model):
    """Leads by the week of their first mail."""

    week: date
    """Its Monday."""
    campaigns: int
    sent: int
    opened_people: int
    opened_unclassified: int
    opened_machines: int
    opened_low: float | None
    opened_high: float | None


class Report(Numbers):
    """Numbers, and what comes next."""

    campaign: UUID | None = None
    """The campaign that it is of; None: all."""
    upcoming: list[Upcoming] = Field(default_factory=list)
    """Of a report over all campaigns."""
    cohorts: list[Cohort] = Field(default_factory=list)
