"""How far a campaign is, as the database counts it, and from that how fast it goes and how long.

Pure. All times are durations from the database's clock.
"""

import math
from uuid import UUID

from pydantic import Field

from outreach.models import LeadCounts, Model

MINUTE, DAY = 60.0, 86400.0


class Recent(Model):
    """Mails of the campaign that left, or may have, in the last five minutes."""

    mails: int = 0
    first_seconds: float | None = None
    """Since the first of them; None where there is none."""
    last_seconds: float | None = None

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
    status_reason: str | None = None
    connected: bool
    """Whether a refresh token is stored."""
    assigned: bool
    """Whether it is one of the campaign's accounts."""
    paused_seconds: float | None = None
    """How long it still rests for Gmail's quota."""
    pace_seconds: float
    sent_today: int
    daily_limit: int
    limit_seconds: float | None = None
    """How long until its daily limit lets it send again; None while there is room."""
    recent: Recent = Field(default_factory=Recent)


class Progress(Model):
    """The answer of campaign_progress."""

    id: UUID
    name: str
    status: str
    error: str | None = None
    paused: bool
    waiting_for: str | None = None
    owned: bool
    """Whether a live run has it."""
    silent_seconds: float | None = None
    """Since the lease of a run lapsed that did not give it back."""
    scheduled_seconds: float | None = None
    """Until its time; negative when that is past."""
    resume_seconds: float | None = None
    """Until its leads can go on; negative when that is past."""
    windowed: bool = False
    """Whether it mails at certain hours or on certain days only."""
    opens_seconds: float | None = None
    """Until its sending window opens; 0 while it is open, None when it never does."""
    dispatched_seconds: float | None = None
    """Since Prefect was asked for a run that has not begun."""
    dispatch_misses: int = 0
    next_seconds: float | None = None
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


def seconds_left(progress: Progress) -> float | None:
    """Until its last lead is done: when its slowest account is. None where nobody can say.

    It counts on each account's speed of late, or else on its pace, and on its daily limit; not on
    the hours at which a sending window is closed.
    """
    if progress.status != "running" or progress.paused or not progress.leads.pending:
        return None
    wait = ahead(progress.resume_seconds)
    if not progress.owned and not wait:
        return None
    left = [_account_seconds(one, wait) for one in progress.accounts if one.leads.pending]
    return None if None in left else max(one for one in left if one is not None)


def _account_seconds(account: AccountProgress, wait: float) -> float | None:
    if account.status != "active":
        return wait  # its leads fail at once
    speed = account.recent.per_second
    each = 1 / speed if speed else account.pace_seconds
    if not each:
        return None
    room = max(account.daily_limit - account.sent_today, 0)
    over = account.leads.pending - room
    if over <= 0:
        return max(wait, account.paused_seconds or 0) + account.leads.pending * each
    # What is beyond the limit goes as soon as the mails of a day ago stop counting, day by day.
    days = math.ceil(over / account.daily_limit) - 1
    first = DAY if account.limit_seconds is None else account.limit_seconds
    return max(wait, first) + days * DAY + (over - days * account.daily_limit) * each


def ahead(seconds: float | None) -> float:
    """0 for what is past or has no time."""
    return max(seconds or 0, 0)
