"""Progress of a campaign as the database counts it; its speed and the time left follow from it.

Pure. All times are durations in seconds from the database's clock.
"""

from datetime import date, datetime, time
from math import isfinite
from uuid import UUID

from pydantic import Field

from outreach.campaign.estimate import Load, of_domains, seconds_to_send, window_of
from outreach.campaign.models import (
    Called,
    CappedDomain,
    LeadCounts,
    Model,
    Pace,
    Ramp,
    Seconds,
    Told,
)
from outreach.errors import Rejected

MINUTE = 60.0


class Recent(Model):
    """Mails of the campaign that left, or may have left, in the last five minutes."""

    mails: int = 0
    first_seconds: Seconds | None = None
    """Since the first of them; None without one."""
    last_seconds: Seconds | None = None

    @property
    def per_second(self) -> float | None:
        """Mails per second; None with fewer than two mails, which have no interval."""
        if self.mails > 1 and self.first_seconds:
            return (self.mails - 1) / self.first_seconds
        return None


class AccountProgress(Model):
    """One account's part of a campaign, and whether it may send."""

    email: str | None
    """None: leads without an account."""
    leads: LeadCounts
    status: str
    status_reason: Told | None = None
    connected: bool
    """Whether a refresh token is stored."""
    assigned: bool
    """Whether it is one of the campaign's accounts."""
    paused_seconds: Seconds | None = None
    """Seconds left of its rest."""
    rest_reason: Told | None = None
    """Why it rests; None: Gmail's quota, or it does not rest."""
    pace_seconds: Pace
    sent_today: int
    daily_limit: int
    """In force now: a ramp may hold it below `full_limit`."""
    full_limit: int | None = None
    ramp: Ramp | None = None
    limit_seconds: Seconds | None = None
    """Seconds until its daily limit has room; None while it has room."""
    sent_by_hour: list[int] = Field(default_factory=list)
    """Mails that left or may have left, by age in whole hours: 24 numbers, the youngest first."""
    recent: Recent = Field(default_factory=Recent)


class Progress(Model):
    """The result of campaign_progress."""

    id: UUID
    name: Called
    status: str
    error: Told | None = None
    paused: bool
    suspended: bool = False
    """Whether it is paused because its run was suspended in Prefect."""
    places: int | None = None
    """CAMPAIGNS_AT_ONCE, the dispatcher's limit."""
    places_taken: int = 0
    """Campaigns, with this one, that have a run or for which one was asked just now."""
    waiting_for: Told | None = None
    cut_over: bool = False
    """Paused by the first migration: another sender may have been at it. `waiting_for` says so."""
    paused_for: Told | None = None
    """Why the guard paused it; None when a person did."""
    parent_id: UUID | None = None
    """Of a follow-up: the first campaign of its chain."""
    awaits: bool = False
    """Whether it is a follow-up without a planned lead."""
    held: str | None = None
    """What its first campaign does to it: `paused` or `cancelled`."""
    follows_seconds: Seconds | None = None
    """Until the next of its leads is due that is not planned yet; negative when that is past."""
    owned: bool
    """Whether a live run has it."""
    silent_seconds: Seconds | None = None
    """Since a run's lease lapsed without being given back."""
    scheduled_seconds: Seconds | None = None
    """Until its scheduled time; negative when that is past."""
    resume_seconds: Seconds | None = None
    """Until its leads can go on; negative when that is past."""
    windowed: bool = False
    """Whether it has a send window."""
    opens_seconds: Seconds | None = None
    """Until its send window opens; 0 while it is open, None when it never opens."""
    time_zone: str | None = None
    send_days: list[int] | None = None
    send_from: time | None = None
    send_until: time | None = None
    skip_dates: list[date] | None = None
    """Dates in its time zone on which its window does not open."""
    dispatched_seconds: Seconds | None = None
    """Since Prefect was asked for a run that has not begun."""
    dispatch_misses: int = 0
    next_seconds: Seconds | None = None
    """Until the earliest time that a lead has; negative when that is past."""
    in_doubt: int = 0
    """Mails that may have left."""
    accounts: list[AccountProgress] = Field(default_factory=list)
    capped_domains: list[CappedDomain] = Field(default_factory=list)

    @property
    def leads(self) -> LeadCounts:
        counts = [account.leads for account in self.accounts]
        return LeadCounts(
            pending=sum(x.pending for x in counts),
            sent=sum(x.sent for x in counts),
            failed=sum(x.failed for x in counts),
            cancelled=sum(x.cancelled for x in counts),
        )

    @property
    def recent(self) -> Recent:
        """All its accounts together."""
        some = [account.recent for account in self.accounts if account.recent.mails]
        if not some:
            return Recent()
        return Recent(
            mails=sum(one.mails for one in some),
            first_seconds=max(one.first_seconds or 0 for one in some),
            last_seconds=min(one.last_seconds or 0 for one in some),
        )


# --- speed and time left --------------------------------------------------------------------------


def mails_a_minute(progress: Progress) -> float | None:
    """Over the last five minutes; None before the second mail and without a run."""
    speed = progress.recent.per_second
    return None if speed is None or not progress.owned else MINUTE * speed


def seconds_left(progress: Progress, now: datetime) -> float | None:
    """Seconds until its last mail leaves, computed as in `check`; None when it cannot be estimated.

    Uses each account's recent speed, or else its pace. `now` is aware.
    """
    if progress.status != "running" or progress.paused or not progress.leads.pending:
        return None
    if progress.follows_seconds is not None:
        return None  # a follow-up: most of its leads are planned only when they are due
    begins = ahead(progress.resume_seconds)
    if not progress.owned and not begins:
        return None
    # The leads of an account that cannot send fail at once.
    able = [one for one in progress.accounts if one.leads.pending and one.status == "active"]
    loads = [_load(one) for one in able]
    if not all(load.step for load in loads):
        return None
    loads += of_domains(progress.capped_domains if loads else [])
    try:
        seconds = max(begins, seconds_to_send(loads, window_of(progress), begins, now))
    except Rejected:
        return None
    return seconds if isfinite(seconds) else None


def _load(account: AccountProgress) -> Load:
    speed = account.recent.per_second
    return Load(
        leads=account.leads.pending,
        step=1 / speed if speed else account.pace_seconds,
        daily_limit=account.daily_limit,
        full_limit=account.full_limit,
        ramp=account.ramp,
        rests=account.paused_seconds,
        sent_by_hour=account.sent_by_hour,
        below_limit_in=account.limit_seconds,
    )


def ahead(seconds: float | None) -> float:
    """`seconds`, but 0 for a time that is past or None."""
    return max(seconds or 0, 0)
