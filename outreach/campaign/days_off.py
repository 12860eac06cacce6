"""Pure: dates on which a campaign's window does not open, from a text or a place's calendar."""

from collections.abc import Iterable
from datetime import date

from outreach.errors import Rejected

MOST = 1_000
"""Dates of a campaign, as its table allows."""
YEARS = 3
"""Calendar years of public holidays: this one and the next two."""
TOLD = 3
EXAMPLE = "DE-BY"


def parse(text: str) -> list[date]:
    """One date a line, as 2026-12-24; what follows a # is a comment. Raises Rejected."""
    found = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if written := line.partition("#")[0].strip():
            found.add(_date(written, number))
        if len(found) > MOST:
            raise Rejected(f"A campaign has at most {MOST:,} days off", "leave past ones out")
    if not found:
        raise Rejected("The file of days off has no date", "write one a line, as 2026-12-24")
    return sorted(found)


def public_holidays(place: str, year: int) -> list[date]:
    """Of a country or a part of it, `DE` or `DE-BY` (ISO 3166), from `year` on. Raises Rejected."""
    import holidays  # noqa: PLC0415 - slow to import

    country, _, part = place.strip().upper().partition("-")
    # Asked for what is no country, such as MAY, the package fails in ways of its own.
    parts = holidays.list_supported_countries().get(country)
    if parts is None or part not in ("", *parts):
        raise Rejected(
            f"No public holidays are known of {place!r}",
            f"write a country and its part like {EXAMPLE}, US-CA or FR, "
            "or the dates into a file for --skip-dates",
        )
    years = range(year, year + YEARS)
    return sorted(holidays.country_holidays(country, subdiv=part or None, years=years))


def told(dates: Iterable[date] | None, today: date) -> str | None:
    """The next of them, for people: `Thu 2026-12-24, Fri 2026-12-25 and 9 more`; None: none."""
    ahead = sorted(day for day in dates or () if day >= today)
    if not ahead:
        return None
    more = len(ahead) - TOLD
    first = ", ".join(f"{day:%a %Y-%m-%d}" for day in ahead[:TOLD])
    return f"{first} and {more} more" if more > 0 else first


def _date(text: str, line: int) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Rejected(
            f"Line {line} of the days off is no date", "write one a line, as 2026-12-24"
        ) from None
