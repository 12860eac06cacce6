"""The day on which an away notice says that the person is back.

Only a date after a phrase of return or of an end is read, as `back on`, `bis zum`, `jusqu'au`; and
only one that is near the notice's own day.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import zip_longest
from typing import NamedTuple

from outreach.inbound.date_words import MONTHS, TOMORROW, WEEKDAYS

EARLIEST = timedelta(days=1)
LATEST = timedelta(days=400)
"""How far a date may be before and after the notice."""
TEXT = 8_000
_REACH = 60
"""Characters between the phrase and its date."""

_MONTH = {name: number for number, names in MONTHS.items() for name in names.split()}
_WEEKDAY = {name: day for day, names in enumerate(WEEKDAYS) for name in names.split()}


def _any_of(words: dict[str, int] | frozenset[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_DATE = re.compile(
    rf"""(?<![\w./:-])(?:
      (?P<y1>20\d\d)[-/.](?P<m1>\d\d?)[-/.](?P<d1>\d\d?)
    | (?:(?P<y2>20\d\d)\s?年\s?)?(?P<m2>\d\d?)\s?月\s?(?P<d2>\d\d?)\s?日
    | (?P<r3>\d\d?(?:\.|st|nd|rd|th|er|º|ª)?\s?(?:-|–|—|to|bis|au|al|a|tot|till|do)\s?)?
      (?P<d3>\d\d?)(?:\.|st|nd|rd|th|er|º|ª|:e)?\s{{0,2}}(?:of\s|de\s|do\s)?(?P<m3>{_any_of(_MONTH)})\b\.?
      (?:,?\s{{0,2}}(?:de\s|del\s)?(?P<y3>20\d\d))?
    | (?P<m4>{_any_of(_MONTH)})\b\.?\s{{0,2}}(?P<r4>\d\d?(?:st|nd|rd|th)?\s?(?:-|–|—|to)\s?)?
      (?P<d4>\d\d?)(?:st|nd|rd|th)?\b(?!\s?(?:-|–|—)\s?\d)(?:,?\s{{0,2}}(?P<y4>20\d\d))?
    | (?P<r5>\d\d?\.(?:\d\d?\.)?\s?[-–—]\s?)?(?P<d5>\d\d?)\.\s?(?P<m5>\d\d?)
      (?:\.\s?(?P<y5>20\d\d|\d\d)?)?(?![\d:])
    | (?P<a6>\d\d?)/(?P<b6>\d\d?)(?:/(?P<y6>20\d\d|\d\d))?(?![\d/])
    | (?P<a7>\d\d?)-(?P<b7>\d\d?)-(?P<y7>20\d\d)
    | (?P<weekday>{_any_of(_WEEKDAY)})\b
    | (?P<tomorrow>{_any_of(frozenset(TOMORROW.split()))})\b
    )""",
    re.VERBOSE,
)
_BACK = re.compile(
    r"\b(?:back|return\w*|available again|reachable again|resume|wieder|zurück|zurueck|retour"
    r"|reviens|reviendrai|rentre\w*|vuelvo|vuelta|volveré|regres\w*|reincorpor\w*|rientr\w*|ritorno|torno"
    r"|tornerò|volto|voltarei|volta|retorno\w*|terug|weer|åter|tillbaka|tilbage|tilbake|wracam|wrócę"
    r"|powrót|powrotu|dostępn\w*|вернусь|возвращаюсь|выйду|возвращения)\b"
)
_END = re.compile(
    r"\b(?:until|till|til|through|thru|up to|ends? on|bis|bis zum|jusqu|jusqu'au|jusqu’au|hasta"
    r"|fino|sino|até|tot|t/m|t\.o\.m|till och med|do|по|до|to|au|al)\b"
)
_AGAIN = re.compile(
    r"[^.!?\n]{0,40}?\b(?:again|back|wieder|zurück|weer|terug|åter|tillbaka|tilbake|tilbage)\b"
)
"""Behind a date: `from 9 May on I am back`."""
_WEEKDAY_OF = 8
"""Characters between a weekday and its date."""
_AFTER = re.compile(
    r"\s?(?:\([^)\n]{1,6}\)\s?)?(?:まで|に戻|から|より|返回|回来|回來|复工|回到|之前)"
)
_ENGLISH = re.compile(r"\b(?:the|will|back|return|until|office|i'm|am)\b")


class _Dated(NamedTuple):
    day: date
    begin: int
    end: int
    is_weekday: bool
    ends_range: bool
    """Whether it is the second day of `4 to 9 May`."""


def back_on(text: str, sent: date) -> date | None:
    """The first day back, or the last day away where that is all that the notice says."""
    text = text[:TEXT].lower()
    dated = _without_weekdays_of_dates(list(_dates(text, sent)))
    ends = [0, *(one.end for one in dated)]
    begins = [max(one.begin - _REACH, end) for one, end in zip(dated, ends, strict=False)]
    placed = list(zip(dated, begins, strict=True))
    told = (
        *(one for one, begin in placed if _BACK.search(text, begin, one.begin)),
        *(one for one in dated if _AGAIN.match(text, one.end)),
        *(one for one, begin in placed if one.ends_range or _END.search(text, begin, one.begin)),
        *(one for one in dated if _AFTER.match(text, one.end)),
    )
    return told[0].day if told else None


def _without_weekdays_of_dates(dated: list[_Dated]) -> list[_Dated]:
    """Of `Monday, 9 May` the date alone."""
    return [
        one
        for one, following in zip_longest(dated, dated[1:])
        if not (one.is_weekday and following and following.begin - one.end <= _WEEKDAY_OF)
    ]


def _dates(text: str, sent: date) -> Iterator[_Dated]:
    for found in _DATE.finditer(text):
        day = _day(found, text, sent)
        if day and sent - EARLIEST <= day <= sent + LATEST:
            part = found.groupdict()
            yield _Dated(
                day,
                found.start(),
                found.end(),
                is_weekday=part["weekday"] is not None,
                ends_range=any(part[name] for name in ("r3", "r4", "r5")),
            )


def _day(found: re.Match[str], text: str, sent: date) -> date | None:
    part = found.groupdict()
    if name := part["weekday"]:
        return sent + timedelta(days=(_WEEKDAY[name] - sent.weekday() - 1) % 7 + 1)
    if part["tomorrow"]:
        return sent + timedelta(days=1)
    for number in "12345":
        if part[f"d{number}"]:
            month = part[f"m{number}"]
            return _of(
                part[f"y{number}"], _MONTH.get(month) or int(month), int(part[f"d{number}"]), sent
            )
    number = "6" if part["a6"] else "7"
    first, second, year = int(part[f"a{number}"]), int(part[f"b{number}"]), part[f"y{number}"]
    return _slashed(first, second, year, sent, english=bool(_ENGLISH.search(text)))


def _slashed(
    first: int, second: int, year: str | None, sent: date, *, english: bool
) -> date | None:
    """Day first; in English, where both are written, the nearest that is to come."""
    day_first = _of(year, second, first, sent)
    month_first = _of(year, first, second, sent)
    if not english or not month_first:
        return day_first
    near = [one for one in (day_first, month_first) if one and sent - EARLIEST <= one]
    return min(near, default=None)


def _of(year: str | None, month: int, day: int, sent: date) -> date | None:
    """The date; without a year, the first that is not before the notice."""
    years = [2000 + int(year) % 100] if year else [sent.year, sent.year + 1]
    for one in years:
        try:
            made = date(one, month, day)
        except ValueError:
            continue
        if year or made >= sent - EARLIEST:
            return made
    return None
