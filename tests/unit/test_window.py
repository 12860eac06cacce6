"""When a campaign may send, as people write it."""

from datetime import time

import pytest

from outreach.campaign.window import Window, parse
from outreach.errors import Rejected


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon-Fri", [1, 2, 3, 4, 5]),
        ("Mon,Wed, Fri", [1, 3, 5]),
        ("Sat-Mon", [1, 6, 7]),
        ("sunday", [7]),
        ("Tue-Tue", [2]),
        ("Mon-Wed,Tue-Thu", [1, 2, 3, 4]),
    ],
)
def test_days_are_names_lists_and_ranges_also_over_the_end_of_the_week(
    text: str, days: list[int]
) -> None:
    """ISO numbers, Monday is 1, each once, in order."""
    assert parse(f"{text} 09:00-17:00 UTC").days == days


def test_a_window_may_last_until_midnight() -> None:
    """Which no clock time says."""
    assert parse("Sat-Sun 00:00-24:00 UTC") == Window([6, 7], time(0), None, "UTC")


def test_hours_and_zone_are_read_as_written() -> None:
    """Wall-clock times and the name of their zone; an hour needs no leading zero."""
    assert parse("Mon 9:00-17:30 Europe/Berlin") == Window(
        [1], time(9), time(17, 30), "Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "days, hours and a time zone"),
        ("Mon-Fri 09:00-17:00", "days, hours and a time zone"),
        ("Mo 09:00-17:00 UTC", "'Mo' is no day"),
        ("Mon- 09:00-17:00 UTC", "'' is no day"),
        ("Mon 9-17 UTC", "'9-17' are no hours"),
        ("Mon 09:00-25:00 UTC", "'25:00' is no time of day"),
        ("Mon 17:00-09:00 UTC", "ends before it begins"),
        ("Mon 09:00-09:00 UTC", "ends before it begins"),
    ],
)
def test_what_is_no_window_is_refused_with_what_is_wrong(text: str, why: str) -> None:
    """One sentence that names the part."""
    with pytest.raises(Rejected, match=why):
        parse(text)
