"""Pure: the send window of a campaign, written as `Mon-Fri 09:00-17:00 Europe/Berlin`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from outreach.errors import Rejected

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SHORTEST = 3
MIDNIGHT = "24:00"
EXAMPLE = "Mon-Fri 09:00-17:00 Europe/Berlin"

_HOURS = re.compile(r"(\d{1,2}:\d{2})-(\d{1,2}:\d{2})")


@dataclass(frozen=True, slots=True)
class Window:
    """`days` are ISO weekdays, Monday is 1; the times are wall clock in `zone`."""

    days: list[int]
    start: time
    until: time | None
    """None: until midnight."""
    zone: str
    skip: frozenset[date] = frozenset()
    """Dates in `zone` on which it does not open."""


def parse(text: str) -> Window:
    """Parse `DAYS FROM-UNTIL ZONE`: `Mon,Wed,Fri`, `Sat-Mon` (over the week's end), one day.

    The database that stores the window checks the zone. Raises Rejected.
    """
    parts = text.replace("\u2013", "-").replace(", ", ",").split()
    if len(parts) != 3:  # noqa: PLR2004 - days, hours, zone
        raise Rejected(f"A window has days, hours and a time zone, as in {EXAMPLE!r}.")
    start, until = _hours(parts[1])
    return Window(_days(parts[0]), start, until, parts[2])


def opening(window: Window, moment: datetime) -> tuple[datetime, datetime] | None:
    """The next opening from `moment` on: begin and end in UTC; one already begun counts.

    None: it never opens. For estimates only; the database's `next_opening` decides. Raises Rejected
    for a zone that this machine does not know.
    """
    zone = _zone(window.zone)
    today = moment.astimezone(zone).date()
    # A date to skip puts it off by a week at most.
    for ahead in range(len(DAYS) * (1 + len(window.skip)) + 1):
        day = today + timedelta(days=ahead)
        if day.isoweekday() not in window.days or day in window.skip:
            continue
        until = (day + timedelta(days=1), time()) if window.until is None else (day, window.until)
        opens, closes = _moment(day, window.start, zone), _moment(*until, zone)
        if closes > max(moment, opens):
            return opens, closes
    return None


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """In UTC, as Postgres has it: of a time that comes twice the second, of none an hour later."""
    wall = datetime.combine(day, clock)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if second.astimezone(zone).replace(tzinfo=None) == wall:
        return second
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _days(text: str) -> list[int]:
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        begin = _day(first)
        length = (_day(last) - begin) % 7 if dash else 0
        chosen |= {(begin - 1 + n) % 7 + 1 for n in range(length + 1)}
    return sorted(chosen)


def _day(text: str) -> int:
    """`Mon`, `monday`: a day's name, or at least its first three letters."""
    for number, day in enumerate(DAYS, start=1):
        if len(text) >= SHORTEST and day.startswith(text.lower()):
            return number
    raise Rejected(f"{text!r} is no day", "write Mon, Tue, Wed, Thu, Fri, Sat or Sun")


def _hours(text: str) -> tuple[time, time | None]:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise Rejected(f"{text!r} are no hours", "write them like 09:00-17:00")
    start, until = _time(found[1]), None if found[2] == MIDNIGHT else _time(found[2])
    if until is not None and until <= start:
        raise Rejected(f"The window {text} ends before it begins", "it has to lie within one day")
    return start, until


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text.zfill(5))
    except ValueError:
        raise Rejected(f"{text!r} is no time of day", "write one from 00:00 to 24:00") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        # OSError: the name of a folder of the zone database, such as Europe.
        raise Rejected(f"{name!r} is no time zone.") from None
