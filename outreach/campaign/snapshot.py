"""Snapshot of a campaign for the checks before its start. Frozen; no I/O."""

from datetime import date, time
from typing import Literal
from uuid import UUID

from pydantic import Field

from outreach.campaign.models import (
    Account,
    Called,
    CappedDomain,
    Company,
    Lead,
    LeadCounts,
    Model,
    Seconds,
    Sender,
    Told,
)

COOLDOWN_DAYS = 30
"""Default cooldown in days."""


class CampaignAccount(Account):
    leads: int = 0
    """Pending leads assigned to it; of a follow-up those that are not planned yet, too."""
    sent_by_hour: list[int] = Field(default_factory=list)
    """Mails that left or may have left, by age in whole hours: 24 numbers, the youngest first."""


class Fault(Model):
    """Both are clauses without a period."""

    problem: Told
    remedy: Told


class Waiting(Model):
    """Leads of one account that a campaign of a chain has to mail, now or later."""

    account: UUID | None
    leads: int
    due_seconds: Seconds
    """Until the last of them is due."""


class ChainLink(Model):
    """A campaign of a chain, as its row has it."""

    id: UUID
    step: int
    """1: the first one."""
    status: str
    subject: str | None = None
    """A follow-up's own subject; None: it answers in the thread."""
    template: str | None = None
    """A follow-up's own template; None: that of the first mail."""
    subject_variables: bool = False
    footer: str | None = None
    footer_required: bool = False
    list_unsubscribe: bool = False
    attachment: str | None = None
    wait_seconds: Seconds = 0
    """Until its scheduled time; 0 when that is past or not set."""
    delay_seconds: float = 0
    """After the mail before it; days have 24 hours here."""
    time_zone: str | None = None
    send_days: list[int] | None = None
    send_from: time | None = None
    send_until: time | None = None
    skip_dates: list[date] | None = None
    opens: bool = True
    """False when its send window never opens."""
    fault_of_accounts: Fault | None = None
    lacks_accounts: int = 0
    """Accounts of the first campaign that it has not, while it has others."""
    ahead: list[Waiting] = Field(default_factory=list)


class CampaignSnapshot(Model):
    id: UUID
    name: Called
    status: str
    paused: bool
    held: str | None = None
    """What the first campaign does to this follow-up: `paused` or `cancelled`."""
    parent_id: UUID | None = None
    """Of a follow-up: the first campaign of its chain."""
    step: int | None = None
    """Its number in the chain; None unless it is a follow-up."""
    chain: list[ChainLink] = Field(default_factory=list)
    """The campaigns of its chain by number, itself among them; empty without follow-ups."""
    to_come: int = 0
    """Of a follow-up: leads of the campaigns before it that it can still follow."""
    wait_seconds: Seconds
    """Until its scheduled time; 0 when that is past or not set."""
    attachment: str | None = None
    subject_variables: bool = False
    """Whether its subjects are templates; else they are sent unchanged."""
    list_unsubscribe: bool = False
    """Whether its mails have the header fields to unsubscribe."""
    footer: str | None = None
    """A template below each of its mails."""
    footer_required: bool = False
    has_steps: bool = False
    """Whether it has follow-ups, or is one."""
    time_zone: str | None = None
    send_days: list[int] | None = None
    send_from: time | None = None
    send_until: time | None = None
    skip_dates: list[date] | None = None
    """Dates in its time zone on which its window does not open."""
    opens: bool = True
    """False when its send window never opens, as the database computes it."""
    leads: LeadCounts
    misassigned: int
    """Pending leads whose account is not one of the campaign's."""
    accounts: list[CampaignAccount]
    capped_domains: list[CappedDomain] = Field(default_factory=list)
    fault_of_accounts: Fault | None = None
    """None unless some accounts belong to another user than the campaign."""

    @property
    def to_mail(self) -> int:
        """Its pending leads, and of a follow-up those that are not planned yet."""
        return self.leads.pending + self.to_come


class PlannedMail(Model):
    """The mail of one lead as a claim would give it, without claiming the lead."""

    id: UUID
    """campaign_leads.id"""
    status: str
    missing: Literal["lead", "company"] | None = None
    """The row that was deleted."""
    sender: Sender | None = None
    lead: Lead
    company_id: UUID | None = None
    company: Company
    subject_variables: bool = False
    """Whether the subject is a template; else it is sent unchanged."""
    answers: bool = False
    """Whether it goes in a thread, under `Re:` and the subject of the mail that opened it."""
    suppressed: Told | None = None
    """Why nobody may mail it, in a few words; None: they may."""
    mailed_here: bool = False
    """Whether another lead of the campaign with this address was mailed, or may have been."""
    mailed_seconds_ago: float | None = None
    """Seconds since another campaign mailed it; None unless within the cooldown."""
