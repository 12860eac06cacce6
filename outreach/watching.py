"""What is told of a campaign while it is sent: how fast, until when, and why nothing moves. Pure.

All times are durations from the database's clock. This machine's own is for one thing only: to
tell a person at what o'clock something in so many seconds will be.
"""

import math
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field

from outreach.models import LeadCounts, Model

QUIET_SECONDS = 15.0
"""Without a mail for so long, a person asks why."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


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
    wait = _ahead(progress.resume_seconds)
    if not progress.owned and not wait:
        return None
    left = [_account_seconds(one, wait) for one in progress.accounts if one.leads.pending]
    return None if None in left else max(one for one in left if one is not None)


def end(progress: Progress, now: datetime) -> str | None:
    """When it ends, in words. None where nobody can say."""
    left = seconds_left(progress)
    if left is None:
        return None
    if progress.windowed:
        sending = left - _ahead(progress.resume_seconds)
        return f"after {words(sending)} more of its sending window"
    return when(left, now)


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


# --- why nothing moves ----------------------------------------------------------------------------


def why_nothing_is_sent(progress: Progress, now: datetime) -> str | None:
    """One sentence, with what to do about it; None while mails leave. `now` is for o'clocks."""
    if progress.status in {"draft", "completed", "error", "cancelled"}:
        return _not_running(progress)
    if progress.paused:
        return _paused(progress)
    return _with_its_run(progress, now) if progress.owned else _without_a_run(progress, now)


def is_due(progress: Progress) -> bool:
    """Whether it could be sent now and nobody has begun to."""
    return not (
        progress.status not in {"running", "scheduled"}
        or progress.paused
        or progress.owned
        or progress.dispatched_seconds is not None
        or progress.silent_seconds is not None
        or (progress.status == "scheduled" and _ahead(progress.scheduled_seconds))
        or _ahead(progress.resume_seconds)
    )


def _not_running(progress: Progress) -> str:
    leads, its = progress.leads, f"`outreach campaigns %s {progress.id}`"
    match progress.status:
        case "draft":
            return f"It is a draft; {its % 'start'} sends it."
        case "completed" if leads.failed:
            return f"It is completed; {leads.failed} lead(s) failed, {its % 'leads'} shows why."
        case "completed":
            return "It is completed."
        case "error" if leads.pending:
            return (
                f"It ended in error and {leads.pending} lead(s) are pending; mend the cause, then "
                f"{its % 'start'} goes on."
            )
        case "error":
            return (
                f"It ended in error; {its % 'leads'} shows why its leads failed, and "
                f"{its % 'retry-failed'} takes them up again."
            )
        case _ if progress.in_doubt:
            return f"It was cancelled; {_in_doubt(progress)}"
        case _:
            return "It was cancelled."


def _paused(progress: Progress) -> str:
    """The cut-over from another sender pauses with words of its own about what to look at."""
    why = progress.waiting_for or ""
    told = (
        f"It is paused: {why}" if why.endswith("resume.") else "It is paused until a person acts."
    )
    return f"{told} `outreach campaigns resume {progress.id}` goes on."


def _without_a_run(progress: Progress, now: datetime) -> str:
    if progress.dispatched_seconds is not None:
        return (
            f"Prefect was asked for a run {words(progress.dispatched_seconds)} ago, for the "
            f"{_nth(progress.dispatch_misses)} time, and no worker has begun it; see whether one "
            "is up."
        )
    if progress.silent_seconds is not None:
        return (
            "Its run died or was cut off from the database: its lease lapsed "
            f"{words(progress.silent_seconds)} ago. The dispatcher starts another one within a "
            f"minute; where none is served, `outreach campaigns start {progress.id}` does."
        )
    if progress.status == "scheduled" and (left := _ahead(progress.scheduled_seconds)):
        return f"It is scheduled and begins {when(left, now)}."
    if left := _ahead(progress.resume_seconds):
        what = progress.waiting_for or "leads that can only go later"
        return f"It waits for {what}, and goes on {when(left, now)}."
    return (
        "It is due and no run was asked for yet: the dispatcher looks every minute; where none is "
        f"served, `outreach campaigns start {progress.id}` sends it."
    )


def _with_its_run(progress: Progress, now: datetime) -> str | None:
    last = progress.recent.last_seconds
    if last is not None and last <= QUIET_SECONDS:
        return None
    waits = (
        progress.scheduled_seconds if progress.status == "scheduled" else progress.resume_seconds
    )
    if (waits or 0) > 0:
        return f"Its run waits for its time and begins {when(waits or 0, now)}."
    if left := _ahead(progress.opens_seconds):
        return f"Its sending window opens {when(left, now)}."
    if not progress.leads.pending:
        return "Every lead is done; its run is counting the end."
    if resting := _all_resting(progress, now):
        return resting
    if progress.in_doubt:
        return _in_doubt(progress)
    if left := _ahead(progress.next_seconds):
        return f"Its next mail leaves {when(left, now)}, as its account's pace or a retry has it."
    return "Its run has begun and is about to send."


def _all_resting(progress: Progress, now: datetime) -> str | None:
    """None unless every account that has leads left rests."""
    pending = [account for account in progress.accounts if account.leads.pending]
    rests = [(rest, account) for account in pending if (rest := _rest(account)) is not None]
    if len(rests) < len(pending):
        return None
    (seconds, why), account = min(rests, key=lambda one: one[0])
    others = (
        "" if len(rests) == 1 else f"All {len(rests)} accounts with leads left rest, and first "
    )
    return f"{others}{account.email} may send again {when(seconds, now)}: it waits for {why}."


def _rest(account: AccountProgress) -> tuple[float, str] | None:
    """For how long, and what for."""
    if account.paused_seconds is not None:
        return account.paused_seconds, "Gmail's quota"
    if account.limit_seconds is not None:
        return account.limit_seconds, f"its daily limit of {account.daily_limit}"
    return None


def _in_doubt(progress: Progress) -> str:
    return (
        f"{progress.in_doubt} mail(s) may have left: Gmail's answer is awaited, or what became of "
        "them is looked for once their sender is certainly done."
    )


# --- an account -----------------------------------------------------------------------------------


def account_state(account: AccountProgress) -> str:
    """In a few words, what is up with it."""
    rest = _rest(account)
    match account:
        case AccountProgress(email=None):
            return "no account is to send these"
        case AccountProgress(status="removed"):
            return "was removed"
        case AccountProgress(status="unusable"):
            return f"cannot send: {account.status_reason or 'reconnect the account'}"
        case AccountProgress(connected=False):
            return "has no refresh token"
        case AccountProgress(assigned=False):
            return "is none of the campaign's accounts"
        case _ if not account.leads.pending:
            return "done"
        case _ if rest is not None:
            return f"rests for {words(rest[0])}: {rest[1]}"
        case _:
            last = account.recent.last_seconds
            return "sending" if last is not None and last <= QUIET_SECONDS else "ready"


# --- words ----------------------------------------------------------------------------------------


def words(seconds: float) -> str:
    """`40 s`, `12 minutes`, `3 hours`, `2 days`: the smaller unit only while it says more."""
    for length, unit in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def when(seconds: float, now: datetime) -> str:
    """`in 12 minutes (14:32)`, with the day where that is another one."""
    then = now + timedelta(seconds=seconds)
    clock = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a %Y-%m-%d %H:%M}"
    return f"in {words(seconds)} ({clock})"


def _ahead(seconds: float | None) -> float:
    """0 for what is past or has no time."""
    return max(seconds or 0, 0)


def _nth(number: int) -> str:
    return {1: "first", 2: "second"}.get(number, "third")
