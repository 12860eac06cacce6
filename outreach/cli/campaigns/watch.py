"""Live display of a campaign: a progress bar, the rate, the end, its accounts.

Used by `status --watch`, `start --local` and the demo.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from outreach.campaign import days_off
from outreach.campaign.explain import account_state, end, is_due, why_nothing_is_sent
from outreach.campaign.progress import AccountProgress, Progress, mails_a_minute
from outreach.cli.output import cell, redraws, show_table, table, terminal
from outreach.errors import StoreUnavailable

if TYPE_CHECKING:
    from outreach.store.store import Store

ENDED = ("completed", "error", "cancelled")
LOOK_SECONDS = 1.0
LOOKING_SHARE = 20
"""Polling takes a twentieth of the time at most: a very large campaign is counted less often."""

AWAY = "The database does not answer at the moment; this is what it said last."
TABLE_WIDTH = 80
COUNTED = ("sent", "failed", "pending", "cancelled")
COLUMNS = ("account", "sent", "failed", "pending", "last 24 h", "state")


class Looked(Protocol):
    @property
    def status(self) -> str: ...


T = TypeVar("T", bound=Looked)
Looks = Iterator[tuple[Progress, bool]]
Why = Callable[[Progress, datetime], str | None]


def follow(
    look: Callable[[UUID], T], campaign: UUID, wait: Callable[[float], object] | None = None
) -> Iterator[tuple[T, bool]]:
    """Its progress, repeatedly until it ends, each with whether the database is away since.

    `wait(seconds)` sleeps; when it returns True, one last poll follows.
    """
    wait, enough = wait or _sleep, False
    now, cost = _timed(look, campaign)
    while True:
        yield now, cost is None
        if enough or now.status in ENDED:
            return
        enough = bool(wait(max(LOOK_SECONDS, LOOKING_SHARE * (cost or 0))))
        try:
            now, cost = _timed(look, campaign)
        except StoreUnavailable:  # a watch of hours survives an outage, too
            cost = None


def watch(store: "Store", campaign: UUID) -> None:
    """Draw it in place on the terminal until it ends."""
    _draw(terminal(), follow(store.campaign_progress, campaign), why_nothing_is_sent)


@contextmanager
def shown_meanwhile(
    store: "Store", campaign: UUID, console: Any, *, advice: bool = True
) -> Iterator[None]:
    """Draw its progress during the block, which runs it, and its last state; on a terminal only."""
    if not redraws(console.file):
        yield
        return
    over = threading.Event()
    looks = follow(store.campaign_progress, campaign, over.wait)
    why = _why_beside(over) if advice else _silence
    beside = threading.Thread(target=_draw_quietly, args=(console, looks, why), daemon=True)
    beside.start()
    try:
        yield
    finally:
        over.set()
        beside.join()


def facts(progress: Progress) -> dict[str, Any]:
    """`status` beside the counts: the rate, the end, and why no mail is sent."""
    now, rate = datetime.now().astimezone(), mails_a_minute(progress)
    days = days_off.told(progress.skip_dates, now.date())
    return {
        "rate": None if rate is None else f"{_rounded(rate)} mails a minute",
        "ends": end(progress, now),
        "now": why_nothing_is_sent(progress, now),
        **({} if days is None else {"days off": days}),
    }


def show_accounts(progress: Progress) -> None:
    """One line per account; through a pipe with tabs."""
    if sys.stdout.isatty():
        console = terminal()
        console.print(_accounts(progress, console.width))
    else:
        show_table(COLUMNS, [_row(account) for account in progress.accounts])


# --- how -----------------------------------------------------------------------------------------


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _timed(look: Callable[[UUID], T], campaign: UUID) -> tuple[T, float | None]:
    asked = time.monotonic()
    return look(campaign), time.monotonic() - asked


def _why_beside(over: threading.Event) -> Why:
    """This process is about to begin the run, and needs a while to get ready."""

    def why(progress: Progress, now: datetime) -> str | None:
        if is_due(progress) and not over.is_set():
            return "Its run is about to begin in this process."
        return why_nothing_is_sent(progress, now)

    return why


def _silence(_progress: Progress, _now: datetime) -> None:
    return None


def _draw_quietly(console: Any, looks: Looks, why: Why) -> None:
    """A drawing error must not hide that a campaign is sent."""
    with suppress(Exception):
        _draw(console, looks, why)


def _draw(console: Any, looks: Looks, why: Why) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        for progress, away in looks:
            now = datetime.now().astimezone()
            news = (progress.error, why(progress, now), AWAY if away else None)
            live.update(_picture(progress, console.width, filter(None, news)), refresh=True)


def _picture(progress: Progress, width: int, news: Iterable[str]) -> Any:
    from rich.console import Group

    shown = facts(progress)
    ends = f"ends {shown['ends']}" if shown["ends"] else None
    counts = ", ".join(f"{n} {name}" for name in COUNTED if (n := getattr(progress.leads, name)))
    return Group(
        f"{cell(progress.name)}: {progress.status}{', paused' if progress.paused else ''}",
        _bar(progress),
        "; ".join(filter(None, (counts or "no leads", shown["rate"], ends))),
        *map(cell, news),
        _accounts(progress, width),
    )


def _bar(progress: Progress) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn
    from rich.progress import Progress as Bars

    bars = Bars(BarColumn(bar_width=None), TaskProgressColumn(), MofNCompleteColumn(), expand=True)
    total = progress.leads.total
    bars.add_task("", total=total or 1, completed=total - progress.leads.pending or not total)
    return bars.get_renderable()


def _rounded(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits are enough


def _accounts(progress: Progress, width: int) -> Any:
    """A table, or lines where its columns do not fit."""
    rows = [_row(account) for account in progress.accounts]
    if width >= TABLE_WIDTH:
        return table(COLUMNS, rows)
    return "\n".join(
        f"{cell(email)}: {sent} sent, {failed} failed, {pending} pending; {cell(state)}"
        for email, sent, failed, pending, _, state in rows
    )


def _row(account: AccountProgress) -> tuple[Any, ...]:
    leads = account.leads
    day = f"{account.sent_today}/{account.daily_limit}" if account.email else None
    email = account.email or "(none)"
    return email, leads.sent, leads.failed, leads.pending, day, account_state(account)
