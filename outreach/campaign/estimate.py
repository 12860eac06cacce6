"""Pure: estimates when the last mail of a campaign leaves, by the database's rules.

Each account sends on its own: at its pace, below its daily limit over the last 24 hours, and within
the campaign's send window. Other campaigns' use of the same accounts is not estimated.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from math import inf
from typing import NamedTuple, Protocol

from outreach.campaign.window import Window, opening

DAY = 24 * 60 * 60.0
TOO_LONG = 10 * 365 * DAY
"""Seconds. Longer durations are not computed."""


class Load(NamedTuple):
    """The leads of a campaign that one account has to send, and the limits of that account."""

    leads: int
    step: float
    """Seconds between two mails."""
    daily_limit: int
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


def window_of(hours: Hours) -> Window | None:
    """The campaign's send window; None when no column restricts."""
    if hours.send_days is None and hours.send_from is None and hours.send_until is None:
        return None
    return Window(
        days=[1, 2, 3, 4, 5, 6, 7] if hours.send_days is None else hours.send_days,
        start=hours.send_from or time(),
        until=hours.send_until,
        zone=hours.time_zone or "UTC",
    )


def seconds_to_send(
    loads: Iterable[Load], window: Window | None, begins: float, now: datetime
) -> float:
    """Seconds from `now` (aware) to the last mail of all; inf for more than ten years.

    `begins`: seconds until the first mail may leave. Raises Rejected for a time zone that this
    machine does not know.
    """
    return max((_account(load, window, begins, now) for load in loads if load.leads), default=0.0)


def _account(load: Load, window: Window | None, begins: float, now: datetime) -> float:
    leaves = deque(_a_day_old(load))
    at = last = max(begins, load.rests or 0.0)
    open_until = inf if window is None else -inf
    for _ in range(load.leads):
        while len(leaves) >= load.daily_limit:
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
        last = at
        at += load.step
    return last


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
