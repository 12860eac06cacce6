"""When a chain ends: delays, pace, windows and caps of all its mails together."""

from datetime import UTC, datetime, timedelta
from math import inf

from outreach.campaign.estimate import DAY, Ahead, Leg, Load, ends_of_chain
from outreach.campaign.window import parse

TUESDAY = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
NOW = Leg(None, 0)


def load(leads: int, **more: object) -> Load:
    return Load(**{"leads": leads, "step": 60, "daily_limit": 500, **more})  # type: ignore[arg-type]


def test_each_mail_is_followed_after_its_delay() -> None:
    legs = [NOW, Leg(None, 3 * DAY), Leg(None, 4 * DAY)]
    assert ends_of_chain([load(11)], legs, TUESDAY) == [600, 3 * DAY + 600, 7 * DAY + 600]


def test_first_mails_and_follow_ups_share_the_pace_of_an_account() -> None:
    """Ten of each, a minute apart: the second half waits for the first."""
    assert ends_of_chain([load(10)], [NOW, Leg(None, 60)], TUESDAY)[1] == 19 * 60


def test_they_share_its_daily_limit() -> None:
    """Four mails a day: six first ones and six follow-ups are three days' work."""
    first, second = ends_of_chain([load(6, daily_limit=4)], [NOW, Leg(None, 3_600)], TUESDAY)
    assert DAY <= first < second
    assert 2 * DAY <= second < 2 * DAY + 3_600


def test_each_campaign_of_the_chain_keeps_its_own_window() -> None:
    """A follow-up that is due on Saturday leaves on Monday morning."""
    office = parse("Mon-Fri 09:00-17:00 UTC")
    friday = TUESDAY + timedelta(days=3)
    ends = ends_of_chain([load(1)], [NOW, Leg(office, DAY)], friday)
    assert ends == [0, 3 * DAY]
    assert ends_of_chain([load(1)], [NOW, Leg(None, DAY)], friday) == [0, DAY]


def test_a_window_that_is_closed_holds_up_no_other_step() -> None:
    nights = parse("Mon-Sun 20:00-22:00 UTC")
    further = (Ahead(1, 1, 60.0),)
    assert ends_of_chain([load(1, further=further)], [Leg(nights, 0), NOW], TUESDAY) == [
        11 * 3_600,
        11 * 3_600 + 60,
    ]


def test_leads_that_wait_already_count_from_when_they_are_due() -> None:
    """Those of a campaign that has ended; and of one that has nothing left, its end is now."""
    further = (Ahead(1, 3, DAY),)
    ends = ends_of_chain([load(0, further=further)], [NOW, Leg(None, 0), Leg(None, DAY)], TUESDAY)
    assert ends == [0, DAY + 120, 2 * DAY + 120]


def test_a_step_that_ends_in_more_than_ten_years_has_no_end() -> None:
    """The campaign before it has one."""
    assert ends_of_chain([load(1)], [NOW, Leg(None, 5_000 * DAY)], TUESDAY) == [0, inf]
