"""What the database knows of a campaign before it starts. Frozen; no I/O."""

from datetime import time
from typing import Literal
from uuid import UUID

from pydantic import Field

from outreach.campaign.models import (
    Account,
    Called,
    Company,
    Lead,
    LeadCounts,
    Model,
    Seconds,
    Sender,
)

COOLDOWN_DAYS = 30
"""Whom another campaign mailed more recently is told of, unless somebody asks for other days."""


class CampaignAccount(Account):
    leads: int = 0
    """Pending leads that are to be mailed from it."""
    sent_by_hour: list[int] = Field(default_factory=list)
    """Mails that left or may have, by their age in whole hours: 24 numbers, the youngest first."""


class CampaignSnapshot(Model):
    id: UUID
    name: Called
    status: str
    paused: bool
    wait_seconds: Seconds
    """Until its scheduled time; 0 when that has come, or there is none."""
    attachment: str | None = None
    subject_variables: bool = False
    """Whether its subjects are filled for each lead; else they are sent as they stand."""
    time_zone: str | None = None
    send_days: list[int] | None = None
    send_from: time | None = None
    send_until: time | None = None
    opens: bool = True
    """False when its sending window never opens, as the database reckons."""
    leads: LeadCounts
    misassigned: int
    """Pending leads whose account is none of the campaign's."""
    accounts: list[CampaignAccount]
    accounts_of_others: str | None = None
    """What is wrong when some belong to another user than the campaign."""


class PlannedMail(Model):
    """What one lead of a campaign is to be mailed: a claim's contents, without the claim."""

    id: UUID
    """campaign_leads.id"""
    status: str
    missing: Literal["lead", "company"] | None = None
    """Whose row was deleted."""
    sender: Sender | None = None
    lead: Lead
    company_id: UUID | None = None
    company: Company
    subject_variables: bool = False
    """Whether the subject is filled for the lead; else it is sent as it stands."""
    mailed_here: bool = False
    """Another lead of the campaign with this address was mailed, or may have been."""
    mailed_seconds_ago: float | None = None
    """By another campaign, within the cooldown that was asked for."""
