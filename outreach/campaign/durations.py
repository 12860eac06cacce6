"""Formats durations and points in time for people."""

from datetime import datetime, timedelta

UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def format_duration(seconds: float) -> str:
    """`40 s`, `12 minutes`, `3 hours`, `2 days`: one unit, the largest that gives at least 2."""
    for length, unit in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_exactly(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 days 4 h`: the two largest units."""
    minutes, hours = round(seconds / 60), int(seconds / 3600)
    if seconds < 90:  # noqa: PLR2004 - minutes are exact enough from here on
        return f"{seconds:.0f} s"
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    if hours < 48:  # noqa: PLR2004
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} days {hours % 24} h"


def when(seconds: float, now: datetime) -> str:
    """`in 12 minutes (14:32)`; with the date when that is not today.

    In this machine's time zone, whose clocks may change until then.
    """
    now = now.astimezone()
    then = (now + timedelta(seconds=seconds)).astimezone()
    clock = f"{then:%H:%M}" if then.date() == now.date() else f"{then:%a %Y-%m-%d %H:%M}"
    return f"in {format_duration(seconds)} ({clock})"
