"""Pure: estimates when the last mail of a campaign leaves, by the database's rules.

Each account sends on its own: at its pace, below its daily limit over the last 24 hours, which a
ramp lets grow, and within the campaign's send window. A domain with a cap is one load more, without
a pace. Other campaigns' use of the same accounts is not estimated.
"""

from collections import deque
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from math import inf
from typing import NamedTuple, Protocol

from outreach.campaign.models import CappedDomain, Ramp
from outreach.campaign.window import Window, opening

DAY = 24 * 60 * 60.0
TOO_LONG = 10 * 365 * DAY
"""Seconds. Longer durations are not computed."""


class Load(NamedTuple):
    """Leads of a campaign that share a limit: an account's, or those of one domain."""

    leads: int
    step: float
    """Seconds between two mails."""
    daily_limit: int
    """Now; a ramp raises it up to `full_limit`."""
    full_limit: int | None = None
    ramp: Ramp | None = None
    rests: float | None = None
    """Seconds left of its pause for Gmail's quota."""
    sent_by_hour: Iterable[int] = ()
    """Mails that left or may have left, by age in whole hours, the youngest first."""
    below_limit_in: float | None = None
    """Seconds until its daily limit has room again, where the database knows it to the second."""


class Hours(Protocol):
    """The send window columns of a campaign; None does not restrict."""

    @property
    def time_zone(self) -> str | None: ...
    @property
    def send_days(self) -> list[int] | None: ...
    @property
    def send_from(self) -> time | None: ...
    @property
    def send_until(self) -> time | None: ...
    @property
    def skip_dates(self) -> list[date] | None: ...


def window_of(hours: Hours) -> Window | None:
    """The campaign's send window; None when no column restricts."""
    limits = (hours.send_days, hours.send_from, hours.send_until, hours.skip_dates)
    if all(limit is None for limit in limits):
        return None
    return Window(
        days=[1, 2, 3, 4, 5, 6, 7] if hours.send_days is None else hours.send_days,
        start=hours.send_from or time(),
        until=hours.send_until,
        zone=hours.time_zone or "UTC",
        skip=frozenset(hours.skip_dates or ()),
    )


def of_domains(capped: Iterable[CappedDomain]) -> list[Load]:
    """Their mails leave as soon as the cap lets them; the accounts' own loads are slower or not."""
    return [Load(one.leads, 0, one.cap, sent_by_hour=one.sent_by_hour) for one in capped]


def seconds_to_send(
    loads: Iterable[Load], window: Window | None, begins: float, now: datetime
) -> float:
    """Seconds from `now` (aware) to the last mail of all; inf for more than ten years.

    `begins`: seconds until the first mail may leave. Raises Rejected for a time zone that this
    machine does not know.
    """
    return max((_account(load, window, begins, now) for load in loads if load.leads), default=0.0)


def _account(load: Load, window: Window | None, begins: float, now: datetime) -> float:
    leaves, limit = deque(_a_day_old(load)), _Limit(load)
    at = last = max(begins, load.rests or 0.0)
    open_until = inf if window is None else -inf
    for _ in range(load.leads):
        while len(leaves) >= limit.at(at):
            at = max(at, leaves.popleft())
        if window is not None and at >= open_until:
            found = opening(window, now + timedelta(seconds=at)) if at < TOO_LONG else None
            if found is None:
                return inf
            opens, closes = ((moment - now).total_seconds() for moment in found)
            at, open_until = max(at, opens), closes
        if at > TOO_LONG:
            return inf
        leaves.append(at + DAY)
        limit.mailed(at)
        last = at
        at += load.step
    return last


class _Limit:
    """A daily limit: with a ramp it grows with each day of 24 hours that sent."""

    def __init__(self, load: Load) -> None:
        self._now, ramp = load.daily_limit, load.ramp
        self._full = self._now if load.full_limit is None else load.full_limit
        self._step = 0 if ramp is None or ramp.frozen else ramp.step
        self._day_ends = None if ramp is None else ramp.day_ends_seconds

    def at(self, at: float) -> int:
        if self._day_ends is not None and at >= self._day_ends:
            self._now = min(self._now + self._step, self._full)
            self._day_ends = None
        return self._now

    def mailed(self, at: float) -> None:
        """The first mail of a day begins it."""
        if self._day_ends is None:
            self._day_ends = at + DAY


def _a_day_old(load: Load) -> list[float]:
    """Seconds until each mail of the last 24 hours stops counting, by the youngest of its hour."""
    leave = [
        DAY - age * 3600.0
        for age, mails in reversed(list(enumerate(load.sent_by_hour)))
        for _ in range(mails)
    ]
    over = len(leave) - load.daily_limit + 1
    if load.below_limit_in is not None and over > 0:
        leave[:over] = [min(load.below_limit_in, leave[over - 1])] * over
    return leave
