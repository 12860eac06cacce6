"""Pure: the bars of a chart by day, by week or by month, as many as a page has room for."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from outreach.campaign.numbers import DayCounts

MOST_BARS = 62
_MOST_DAYS, _MOST_WEEKS = MOST_BARS, 7 * MOST_BARS


class Bar(NamedTuple):
    begin: date
    label: str
    sent: int
    people: int
    """Mails that people opened."""
    unclassified: int


def bars(days: Iterable[DayCounts]) -> list[Bar]:
    """From the first day to the last, also those without a mail; of many years the last ones."""
    counted = {one.day: one for one in days}
    if not counted:
        return []
    first, last = min(counted), max(counted)
    span = (last - first).days + 1
    made: dict[date, Bar] = {}
    for begin, label in _periods(first, last, span):
        made[begin] = Bar(begin, label, 0, 0, 0)
    for day, counts in counted.items():
        begin = _begin(day, span)
        if (bar := made.get(begin)) is not None:
            made[begin] = bar._replace(
                sent=bar.sent + counts.sent,
                people=bar.people + counts.opened.people,
                unclassified=bar.unclassified + counts.opened.unclassified,
            )
    return list(made.values())


def unit(days: Iterable[DayCounts]) -> str:
    """What a bar stands for: day, week or month."""
    found = [one.day for one in days]
    span = (max(found) - min(found)).days + 1 if found else 1
    return "day" if span <= _MOST_DAYS else "week" if span <= _MOST_WEEKS else "month"


def _begin(day: date, span: int) -> date:
    if span <= _MOST_DAYS:
        return day
    if span <= _MOST_WEEKS:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def _periods(first: date, last: date, span: int) -> Iterator[tuple[date, str]]:
    begins: dict[date, str] = {}
    day = max(first, last - timedelta(days=31 * MOST_BARS))
    while day <= last:
        begin = _begin(day, span)
        begins[begin] = f"{begin:%Y-%m}" if span > _MOST_WEEKS else begin.isoformat()
        day += timedelta(days=1)
    yield from list(begins.items())[-MOST_BARS:]


def blocks(value: int, largest: int, width: int) -> str:
    """A bar of characters, in eighths of one; anything above 0 shows."""
    eighths = round(8 * width * value / largest) if largest else 0
    eighths = max(eighths, 1) if value else 0
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
