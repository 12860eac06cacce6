"""Pure: explains to an operator when a campaign ends and why it sends no mail.

This machine's clock only turns durations into times of day.
"""

from datetime import datetime

from outreach import commands
from outreach.campaign.durations import format_duration, when
from outreach.campaign.progress import AccountProgress, Progress, ahead, seconds_left

QUIET_SECONDS = 15.0
"""A campaign without a mail for this long needs an explanation."""


def end(progress: Progress, now: datetime) -> str | None:
    """The expected end in words; None when it cannot be estimated. `now` is aware."""
    left = seconds_left(progress, now)
    return None if left is None else when(left, now)


# --- why nothing moves ----------------------------------------------------------------------------


def why_nothing_is_sent(progress: Progress, now: datetime) -> str | None:
    """One sentence with its remedy; None while mails leave. `now` is for times of day only."""
    if progress.status in {"draft", "completed", "error", "cancelled"}:
        return _not_running(progress, now)
    if progress.paused:
        return _paused(progress)
    if progress.parent_id and progress.held == "paused":
        return f"Its first campaign is paused. {commands.resume(progress.parent_id)} goes on."
    if progress.awaits and not progress.owned:
        return _awaiting(progress, now)
    return _with_its_run(progress, now) if progress.owned else _without_a_run(progress, now)


def is_due(progress: Progress) -> bool:
    """Whether it could be sent now and no run has it or was asked for."""
    return not (
        progress.status not in {"running", "scheduled"}
        or progress.paused
        or progress.held
        or progress.awaits
        or progress.owned
        or progress.dispatched_seconds is not None
        or progress.silent_seconds is not None
        or (progress.status == "scheduled" and ahead(progress.scheduled_seconds))
        or ahead(progress.resume_seconds)
    )


def _not_running(progress: Progress, now: datetime) -> str:
    leads, campaign = progress.leads, progress.id
    match progress.status:
        case "draft" if progress.parent_id:
            return f"It is a draft; {commands.start(progress.parent_id)} sends its first campaign."
        case "draft" if left := ahead(progress.scheduled_seconds):
            return f"It is a draft; {commands.start(campaign)} makes it begin {when(left, now)}."
        case "draft":
            return f"It is a draft; {commands.start(campaign)} sends it."
        case "completed" if leads.failed:
            return (
                f"It is completed; {leads.failed} lead(s) failed, "
                f"{commands.list_leads(campaign)} shows why."
            )
        case "completed":
            return "It is completed."
        case "error" if leads.pending:
            return (
                f"It ended in error and {leads.pending} lead(s) are pending; mend the cause, then "
                f"{commands.start(campaign)} goes on."
            )
        case "error":
            return (
                f"It ended in error; {commands.list_leads(campaign)} shows why its leads failed, "
                f"and {commands.retry_failed(campaign)} takes them up again."
            )
        case _ if progress.in_doubt:
            return f"It was cancelled; {_in_doubt(progress)}"
        case _:
            return "It was cancelled."


def _awaiting(progress: Progress, now: datetime) -> str:
    """Of a follow-up that has no lead to mail yet."""
    if progress.follows_seconds is None:
        return "It follows the mail before it, and nobody is to be followed yet."
    if left := ahead(progress.follows_seconds):
        return f"It follows the mail before it; the next of its mails is due {when(left, now)}."
    return "Its leads are due: they are planned within a minute, or wait for their account."


def _paused(progress: Progress) -> str:
    """The cut-over from another sender pauses with its own reason, which says what to check."""
    if progress.suspended:
        return (
            "It is paused: its run is suspended in Prefect. Resume goes on with it there, and here "
            f"{commands.resume(progress.id)}."
        )
    if progress.cut_over:
        message = f"It is paused: {progress.waiting_for}"
    elif progress.paused_for:
        message = f"It is paused until a person acts, since {progress.paused_for}."
    else:
        message = "It is paused until a person acts."
    return f"{message} {commands.resume(progress.id)} goes on."


def _without_a_run(progress: Progress, now: datetime) -> str:
    if progress.dispatched_seconds is not None and not progress.dispatch_misses:
        return (
            "Its run waits for a place in Prefect, and begins when there is one: its work pool or "
            "queue is paused or full, or its deployment has a limit."
        )
    if progress.dispatched_seconds is not None:
        return (
            f"Prefect was asked for a run {format_duration(progress.dispatched_seconds)} ago, "
            f"for the {_nth(progress.dispatch_misses)} time, and no worker has begun it; see "
            "whether one is up."
        )
    if progress.silent_seconds is not None:
        return (
            "Its run died or was cut off from the database: its lease lapsed "
            f"{format_duration(progress.silent_seconds)} ago. The dispatcher starts another one "
            f"within a minute; where none is served, {commands.start(progress.id)} does."
        )
    if progress.status == "scheduled" and (left := ahead(progress.scheduled_seconds)):
        return f"It is scheduled and begins {when(left, now)}."
    if left := ahead(progress.resume_seconds):
        what = progress.waiting_for or "leads that can only go later"
        return f"It waits for {what}, and goes on {when(left, now)}."
    if progress.places is not None and progress.places_taken >= progress.places:
        return (
            f"It is due, and all {progress.places} places are taken (CAMPAIGNS_AT_ONCE): it begins "
            "when another campaign ends or rests."
        )
    return (
        "It is due and no run was asked for yet: the dispatcher looks every minute; where none is "
        f"served, {commands.start(progress.id)} sends it."
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
    if left := ahead(progress.opens_seconds):
        return f"Its sending window opens {when(left, now)}."
    if not progress.leads.pending:
        return "Every lead is done; its run is counting the end."
    if resting := _all_resting(progress, now):
        return resting
    if progress.in_doubt:
        return _in_doubt(progress)
    if left := ahead(progress.next_seconds):
        return f"Its next mail leaves {when(left, now)}, as its account's pace or a retry has it."
    return "Its run has begun and is about to send."


def _all_resting(progress: Progress, now: datetime) -> str | None:
    """None unless every account with pending leads rests."""
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
    """Seconds of rest and their reason."""
    if account.paused_seconds is not None:
        return account.paused_seconds, _why_it_rests(account)
    if account.limit_seconds is not None:
        ramped = account.full_limit is not None and account.daily_limit < account.full_limit
        by_ramp = ", by its ramp" if ramped else ""
        return account.limit_seconds, f"its daily limit of {account.daily_limit}{by_ramp}"
    return None


def _why_it_rests(account: AccountProgress) -> str:
    if account.rest_reason is None:
        return "Gmail's quota"
    return f"the end of its rest, since {account.rest_reason}"


def _in_doubt(progress: Progress) -> str:
    return (
        f"{progress.in_doubt} mail(s) may have left: Gmail's answer is awaited, or what became of "
        "them is looked for once their sender is certainly done."
    )


# --- an account -----------------------------------------------------------------------------------


def account_state(account: AccountProgress) -> str:
    """The account's state in a few words."""
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
            return f"rests for {format_duration(rest[0])}: {account.rest_reason or rest[1]}"
        case _:
            last = account.recent.last_seconds
            return "sending" if last is not None and last <= QUIET_SECONDS else "ready"


def _nth(number: int) -> str:
    return {1: "first", 2: "second"}.get(number, "third")
