"""Pure: estimates when the last mail of a campaign leaves, by the database's rules.

Each account sends on its own: at its pace, below its daily limit over the last 24 hours, which a
ramp lets grow, and within the campaign's send window. A domain with a cap is one load more, without
a pace. Other campaigns' use of the same accounts is not estimated.

Of a chain every mail is followed, each in its time, as if nobody answered: its end is the latest
one. Delays of days are counted in 24 hours.
"""

from collections import deque
from collections.abc import Iterable, Sequence
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
    further: tuple["Ahead", ...] = ()
    """Leads of the chain beside `leads`, which are those of its first campaign."""


class Ahead(NamedTuple):
    """Leads that a follow-up has to mail, planned or not."""

    leg: int
    leads: int
    due: float
    """Seconds from now; of the last one."""


class Leg(NamedTuple):
    """A campaign of a chain; the first one is leg 0."""

    window: Window | None
    begins: float
    """Seconds from now until its first mail may leave; of a follow-up, after the mail before it."""


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
    return ends_of_chain(loads, [Leg(window, begins)], now)[0]


def ends_of_chain(loads: Iterable[Load], legs: Sequence[Leg], now: datetime) -> list[float]:
    """The same for each campaign of a chain; 0 for one without a mail."""
    ends = [_account(load, legs, now) for load in loads if load.leads or load.further]
    return [max((one[leg] for one in ends), default=0.0) for leg in range(len(legs))]


def _account(load: Load, legs: Sequence[Leg], now: datetime) -> list[float]:
    leaves, limit = deque(_a_day_old(load)), _Limit(load)
    queues, ends = _queues(load, legs), [0.0] * len(legs)
    openings = [_Opening(leg.window, now) for leg in legs]
    at = load.rests or 0.0
    while any(queues):
        ready = [
            openings[leg].at(max(at, queue[0])) if queue else inf
            for leg, queue in enumerate(queues)
        ]
        at = min(ready)
        if at > TOO_LONG:
            return _endless(queues, ends)
        leg = ready.index(at)
        # A campaign goes on until its window closes, or a lead of one before it is due.
        until = min(openings[leg].closes, TOO_LONG + 1, *ready[:leg])
        queue, followed = queues[leg], queues[leg + 1] if leg + 1 < len(legs) else None
        delay = legs[leg + 1].begins if followed is not None else 0.0
        while queue and queue[0] <= at < until:
            if len(leaves) >= limit.at(at):
                at = max(at, leaves.popleft())
                continue
            queue.popleft()
            leaves.append(at + DAY)
            limit.mailed(at)
            ends[leg] = at
            if followed is not None:
                followed.append(at + delay)
            at += load.step
    return ends


def _endless(queues: list[deque[float]], ends: list[float]) -> list[float]:
    """Of the first campaign with leads left, and of those after it, nobody knows the end."""
    first = next(leg for leg, queue in enumerate(queues) if queue)
    return [*ends[:first], *[inf] * (len(ends) - first)]


def _queues(load: Load, legs: Sequence[Leg]) -> list[deque[float]]:
    """When each lead is due, in order; leg by leg."""
    due: list[list[float]] = [[] for _ in legs]
    due[0] = [legs[0].begins] * load.leads
    for ahead in sorted(load.further, key=lambda ahead: ahead.due):
        due[ahead.leg] += [ahead.due] * ahead.leads
    return list(map(deque, due))


class _Opening:
    """The send window of a campaign, asked for times that only grow."""

    def __init__(self, window: Window | None, now: datetime) -> None:
        self._window, self._now, self._opens = window, now, -inf
        self.closes = inf if window is None else -inf
        """When the opening of the last answer ends."""

    def at(self, at: float) -> float:
        """The first moment from then on in which it is open; inf for more than ten years."""
        if self._window is not None and at >= self.closes:
            found = (
                opening(self._window, self._now + timedelta(seconds=at)) if at < TOO_LONG else None
            )
            if found is None:
                return inf
            self._opens, self.closes = ((one - self._now).total_seconds() for one in found)
        return max(at, self._opens)


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
