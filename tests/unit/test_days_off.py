"""Days off as people write them and as calendars have them."""

from datetime import date

import pytest

from outreach.campaign.days_off import parse, public_holidays, told
from outreach.errors import Rejected


def test_one_date_a_line_with_comments() -> None:
    """In order, each once."""
    text = "# Christmas\n2026-12-25\n2026-12-24  # half a day\n\n2026-12-25\r\n"
    assert parse(text) == [date(2026, 12, 24), date(2026, 12, 25)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no date"),
        ("# nothing\n", "has no date"),
        ("2026-12-24\n24.12.2026\n", "Line 2 of the days off is no date"),
        ("2026-02-30", "Line 1"),
        ("\n".join(f"{date.fromordinal(740_000 + n)}" for n in range(1001)), "at most 1,000"),
    ],
)
def test_what_are_no_dates_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        parse(text)


def test_public_holidays_are_those_of_the_place_for_three_years() -> None:
    """Epiphany is one in Bavaria, not in Berlin; letters in any case."""
    bavaria, berlin = (public_holidays(place, 2026) for place in ("de-by", "DE-BE"))
    epiphany = [date(year, 1, 6) for year in (2026, 2027, 2028)]
    assert [day for day in bavaria if (day.month, day.day) == (1, 6)] == epiphany
    assert set(epiphany).isdisjoint(berlin)
    assert {day.year for day in berlin} == {2026, 2027, 2028}


@pytest.mark.parametrize("place", ["XX", "DE-XX", "", "Bavaria", "DE-BY-M", "MAY", "NYSE"])
def test_a_place_without_a_calendar_is_refused(place: str) -> None:
    with pytest.raises(Rejected, match="No public holidays are known of"):
        public_holidays(place, 2026)


def test_the_next_ones_are_told() -> None:
    """Past ones are not; of many the first three."""
    dates = [date(2026, 12, day) for day in (1, 24, 25, 26, 31)]
    today = date(2026, 12, 24)
    assert told(dates, today) == "Thu 2026-12-24, Fri 2026-12-25, Sat 2026-12-26 and 1 more"
    assert told(dates[:2], today) == "Thu 2026-12-24"
    assert (told(dates[:1], today), told(None, today)) == (None, None)
