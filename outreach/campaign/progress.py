"""How far a campaign is, as the database counts it, and from that how fast it goes and how long.

Pure. All times are durations from the database's clock.
"""

from datetime import datetime, time
from math import isfinite
from uuid import UUID

from pydantic import Field

from outreach.campaign.estimate import Load, seconds_to_send, window_of
from outreach.campaign.models import Called, LeadCounts, Model, Pace, Seconds, Told
from outreach.errors import Rejected

MINUTE = 60.0


class Recent(Model):
    """Mails of the campaign that left, or may have, in the last five minutes."""

    mails: int = 0
    first_seconds: Seconds | None = None
    """Since the first of them; None where there is none."""
    last_seconds: Seconds | None = None

    @property
    def per_second(self) -> float | None:
        """None where there is no telling: of one mail nobody knows the distance to the next."""
        if self.mails > 1 and self.first_seconds:
            return (self.mails - 1) / self.first_seconds
        return None


class AccountProgress(Model):
    """One account's part of a campaign, and whether it may send."""

    email: str | None
    """None: leads that no account is to send."""
    leads: LeadCounts
    status: str
    status_reason: Told | None = None
    connected: bool
    """Whether a refresh token is stored."""
    assigned: bool
    """Whether it is one of the campaign's accounts."""
    paused_seconds: Seconds | None = None
    """How long it still rests for Gmail's quota."""
    pace_seconds: Pace
    sent_today: int
    daily_limit: int
    limit_seconds: Seconds | None = None
    """How long until its daily limit lets it send again; None while there is room."""
    sent_by_hour: list[int] = Field(default_factory=list)
    """Mails that left or may have, by their age in whole hours: 24 numbers, the youngest first."""
    recent: Recent = Field(default_factory=Recent)


class Progress(Model):
    """The answer of campaign_progress."""

    id: UUID
    name: Called
    status: str
    error: Told | None = None
    paused: bool
    suspended: bool = False
    """Whether it is paused since its run was suspended in Prefect."""
    places: int | None = None
    """CAMPAIGNS_AT_ONCE, which the dispatcher keeps to."""
    places_taken: int = 0
    """Campaigns, this one or others, that a run has or was asked for just now."""
    waiting_for: Told | None = None
    owned: bool
    """Whether a live run has it."""
    silent_seconds: Seconds | None = None
    """Since the lease of a run lapsed that did not give it back."""
    scheduled_seconds: Seconds | None = None
    """Until its time; negative when that is past."""
    resume_seconds: Seconds | None = None
    """Until its leads can go on; negative when that is past."""
    windowed: bool = False
    """Whether it mails at certain hours or on certain days only."""
    opens_seconds: Seconds | None = None
    """Until its sending window opens; 0 while it is open, None when it never does."""
    time_zone: str | None = None
    send_days: list[int] | None = None
    send_from: time | None = None
    send_until: time | None = None
    dispatched_seconds: Seconds | None = None
    """Since Prefect was asked for a run that has not begun."""
    dispatch_misses: int = 0
    next_seconds: Seconds | None = None
    """Until the first of the leads that have a time; negative when that is past."""
    in_doubt: int = 0
    """Mails that may be on their way."""
    accounts: list[AccountProgress] = Field(default_factory=list)

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
        """Of all its accounts together."""
        some = [account.recent for account in self.accounts if account.recent.mails]
        if not some:
            return Recent()
        return Recent(
            mails=sum(one.mails for one in some),
            first_seconds=max(one.first_seconds or 0 for one in some),
            last_seconds=min(one.last_seconds or 0 for one in some),
        )


# --- how fast, and until when ---------------------------------------------------------------------


def mails_a_minute(progress: Progress) -> float | None:
    """As of the last five minutes; None before the second mail, and when none leaves any more."""
    speed = progress.recent.per_second
    return None if speed is None or not progress.owned else MINUTE * speed


def seconds_left(progress: Progress, now: datetime) -> float | None:
    """Until its last mail leaves, as `check` works it out too. None where nobody can say.

    It counts on each account's speed of late, or else on its pace. `now` is aware.
    """
    if progress.status != "running" or progress.paused or not progress.leads.pending:
        return None
    begins = ahead(progress.resume_seconds)
    if not progress.owned and not begins:
        return None
    # The leads of an account that cannot send fail at once.
    able = [one for one in progress.accounts if one.leads.pending and one.status == "active"]
    loads = [_load(one) for one in able]
    if not all(load.step for load in loads):
        return None
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
        rests=account.paused_seconds,
        sent_by_hour=account.sent_by_hour,
        below_limit_in=account.limit_seconds,
    )


def ahead(seconds: float | None) -> float:
    """0 for what is past or has no time."""
    return max(seconds or 0, 0)
