"""The sending window of a campaign: when it opens, and that nothing leaves while it is closed."""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from outreach.campaign import window
from outreach.campaign.estimate import window_of
from outreach.campaign.progress import Progress

WEEKDAYS = [1, 2, 3, 4, 5]
HOUR = 60 * 60
OFFICE = {
    "send_days": WEEKDAYS,
    "send_from": time(9),
    "send_until": time(17),
    "time_zone": "Europe/Berlin",
}


def opening(build: Any, at: str, **window: Any) -> str | None:
    """When a campaign with this window opens next, in UTC."""
    campaign = build.campaign(**window)
    (found,) = build.db.execute(
        "select public.next_opening(c, %s) from campaigns c where id = %s",
        (datetime.fromisoformat(f"{at}+00:00"), campaign),
    ).fetchone()
    return found and f"{found.astimezone(UTC):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-11-24T09:00", "2026-11-24T09:00"),
        ("2026-11-24T08:00", "2026-11-24T08:00"),
        ("2026-11-24T07:59", "2026-11-24T08:00"),
        ("2026-11-24T15:59", "2026-11-24T15:59"),
        ("2026-11-24T16:00", "2026-11-25T08:00"),
        ("2026-11-27T16:00", "2026-11-30T08:00"),
        ("2026-11-29T12:00", "2026-11-30T08:00"),
    ],
    ids=["open", "just open", "early", "last minute", "just closed", "Friday", "Sunday"],
)
def test_office_hours_open_on_weekdays_in_their_zone(build: Any, at: str, opens: str) -> None:
    """In Berlin 9 to 17 h is 8 to 16 h UTC in winter; a Friday evening waits for Monday."""
    assert opening(build, at, **OFFICE) == opens


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-03-27T20:00", "2026-03-30T07:00"),
        ("2026-10-23T20:00", "2026-10-26T08:00"),
    ],
    ids=["spring", "autumn"],
)
def test_the_wall_clock_counts_over_a_change_of_the_clocks(build: Any, at: str, opens: str) -> None:
    """Nine o'clock stays nine o'clock: an hour earlier in UTC after spring's change."""
    assert opening(build, at, **OFFICE) == opens


@pytest.mark.parametrize(
    ("at", "hours", "opens"),
    [
        ("2026-03-29T00:30", (time(2, 30), time(5)), "2026-03-29T01:30"),
        ("2026-03-29T02:59", (time(2, 30), time(5)), "2026-03-29T02:59"),
        ("2026-03-29T03:00", (time(2, 30), time(5)), "2026-03-30T00:30"),
        ("2026-10-25T03:59", (time(0), time(5)), "2026-10-25T03:59"),
        ("2026-10-25T04:00", (time(0), time(5)), "2026-10-25T23:00"),
    ],
    ids=["in the gap", "short night", "closed after it", "long night", "closed after that"],
)
def test_hours_around_the_change_itself(
    build: Any, at: str, hours: tuple[time, time], opens: str
) -> None:
    """Half past two does not exist that night: the window opens when it would have been."""
    window = {"time_zone": "Europe/Berlin", "send_from": hours[0], "send_until": hours[1]}
    assert opening(build, at, **window) == opens


@pytest.mark.parametrize(
    ("window", "opens"),
    [
        ({}, "2026-11-24T09:30"),
        ({"time_zone": "nowhere"}, "2026-11-24T09:30"),
        ({"send_days": [3]}, "2026-11-25T00:00"),
        ({"send_days": [2], "send_until": time(9)}, "2026-12-01T00:00"),
        ({"send_from": time(10)}, "2026-11-24T10:00"),
        ({"send_until": time(9)}, "2026-11-25T00:00"),
        ({"send_days": [2], "send_from": time(9)}, "2026-11-24T09:30"),
    ],
)
def test_what_is_not_given_does_not_limit(build: Any, window: dict[str, Any], opens: str) -> None:
    """No window: always open. Else every day, from midnight, until midnight, UTC."""
    assert opening(build, "2026-11-24T09:30", **window) == opens


@pytest.mark.parametrize(
    "window",
    [
        {"send_days": []},
        {"send_from": time(17), "send_until": time(9)},
        {"send_from": time(9), "time_zone": "Mars/Base"},
    ],
    ids=["no day", "backwards", "no such zone"],
)
def test_a_window_that_never_opens_is_found_before_the_first_mail(
    build: Any, window: dict[str, Any]
) -> None:
    """What a web app writes may be anything."""
    campaign = build.campaign(build.account(), leads=1, **window)
    checked = build.sql.check_campaign(campaign=campaign)["opens"]
    claimed = build.claim(campaign, build.begin(campaign))
    assert (checked, claimed) == (
        False,
        {
            "answer": "later",
            "wait_seconds": 24 * HOUR,
            "waiting_for": "its sending window, which never opens",
        },
    )


def test_nothing_is_claimed_before_the_window_opens(build: Any) -> None:
    """All wait for it, and the time is told in the window's own zone."""
    campaign = build.campaign(build.account(), leads=2, **OFFICE | {"send_from": time(12)})
    run = build.begin(campaign)
    closed, open_again = build.claim(campaign, run), build.claim(campaign, run, at=2 * HOUR)
    assert closed == {
        "answer": "later",
        "wait_seconds": 2 * HOUR,
        "waiting_for": "its sending window, which opens Tue 12:00 Europe/Berlin",
    }
    assert len(open_again["claims"]) == 2


def test_leads_to_try_again_do_not_wake_a_run_before_the_window_opens(build: Any) -> None:
    """Their own time is the earlier one; they could not leave then."""
    campaign = build.campaign(build.account(), leads=1, **OFFICE)
    run = build.begin(campaign)
    build.mail(campaign, run, "not_sent", again_after=8 * HOUR)
    assert build.claim(campaign, run, at=7 * HOUR + 1)["wait_seconds"] == 16 * HOUR - 1


def test_an_empty_campaign_is_done_whatever_the_hour(build: Any) -> None:
    """Nothing pending: nobody waits for the window to say so."""
    campaign = build.campaign(build.account(), **OFFICE)
    assert build.claim(campaign, build.begin(campaign), at=9 * HOUR) == {"answer": "done"}


def test_a_mail_whose_window_has_closed_meanwhile_waits_for_the_next_one(build: Any) -> None:
    """Claimed at its last second, begun too late: deferred to the next day, not sent."""
    campaign = build.campaign(build.account(), leads=1, **OFFICE)
    run = build.begin(campaign)
    claim = build.claim(campaign, run, at=7 * HOUR - 1)["claims"][0]
    answer = build.attempt(claim, run, at=7 * HOUR)
    state = build.fields("campaign_leads", UUID(claim["id"]), "status", "next_attempt_at")
    assert (answer, state) == (
        {
            "answer": "deferred",
            "reason": "its sending window, which opens Wed 09:00 Europe/Berlin",
            "wait_seconds": 16 * HOUR,
        },
        ("pending", "2026-11-25T08:00:00+00:00"),
    )


def test_a_mail_that_may_have_left_is_looked_for_at_any_hour(build: Any) -> None:
    """Settling sends nothing: the run waits for that time, not for the window."""
    campaign = build.campaign(build.account(), leads=2, **OFFICE)
    run = build.begin(campaign)
    build.open(campaign, run, at=7 * HOUR - 1)
    answer = build.claim(campaign, run, at=7 * HOUR, settle_seconds=120)
    assert (answer["wait_seconds"], answer["waiting_for"]) == (
        119,
        "mails whose delivery is in doubt",
    )


# --- days off -------------------------------------------------------------------------------------


def test_the_window_does_not_open_on_days_off(build: Any) -> None:
    """From Wednesday's end over Christmas to Monday; in the middle of a day off to the next day."""
    cases = [
        ("2026-12-23T16:00", [24, 25], "2026-12-28T08:00"),
        ("2026-12-24T12:00", [24], "2026-12-25T08:00"),
        ("2026-12-24T12:00", [25], "2026-12-24T12:00"),
        ("2026-12-24T12:00", [], "2026-12-24T12:00"),
    ]
    for at, skip, opens in cases:
        dates = [date(2026, 12, day) for day in skip]
        assert opening(build, at, **OFFICE, skip_dates=dates) == opens


def test_a_day_off_begins_and_ends_in_the_windows_zone(build: Any) -> None:
    """Midnight in New York is five o'clock in UTC; the day the clocks change has 25 hours."""
    off = {"skip_dates": [date(2026, 11, 1)], "time_zone": "America/New_York"}
    ends = [opening(build, at, **off) for at in ("2026-11-01T03:59", "2026-11-01T04:00")]
    assert ends == ["2026-11-01T03:59", "2026-11-02T05:00"]


def test_many_weeks_off_in_a_row_still_end(build: Any) -> None:
    """Only Mondays, and the next twenty are off."""
    mondays = [date(2026, 11, 30) + timedelta(weeks=n) for n in range(20)]
    assert opening(build, "2026-11-24T09:00", send_days=[1], skip_dates=mondays) == (
        "2027-04-19T00:00"
    )


def test_a_run_waits_over_days_off_and_tells_the_date(build: Any) -> None:
    """T0 is a Tuesday; the weekday alone would not say which one."""
    off = [date(2026, 11, 24) + timedelta(days=n) for n in range(10)]
    campaign = build.campaign(build.account(), leads=1, **OFFICE, skip_dates=off)
    answer = build.claim(campaign, build.begin(campaign))
    assert answer["waiting_for"] == (
        "its sending window, which opens Fri 2026-12-04 09:00 Europe/Berlin"
    )


def test_what_a_web_app_cannot_have_as_days_off_is_refused(build: Any) -> None:
    """More than a thousand dates, one that is in no calendar, none."""
    campaign = build.campaign()
    for dates in (["2026-12-24"] * 1001, ["infinity"], [None]):
        with pytest.raises(psycopg.errors.CheckViolation):
            build.db.execute(
                "update campaigns set skip_dates = %s::text[]::date[] where id = %s",
                (dates, campaign),
            )


def test_a_program_sees_the_same_openings_as_the_database(build: Any) -> None:
    """Any window, zone, days off and moment, around changes of the clocks above all."""
    dice = random.Random(25)  # noqa: S311 - a test's dice
    cases = [any_case(dice) for _ in range(1500)]
    rows = build.db.execute(
        "select public.next_opening(jsonb_populate_record(null::campaigns, x.row), x.moment)"
        " from rows from (unnest(%s::jsonb[]), unnest(%s::timestamptz[])) with ordinality"
        " x (row, moment, nth) order by x.nth",
        ([Jsonb(row) for row, _ in cases], [moment for _, moment in cases]),
    ).fetchall()
    differing = [
        (row, moment, found)
        for (row, moment), (found,) in zip(cases, rows, strict=True)
        if found != opens_by_python(row, moment)
    ]
    assert differing == []


def any_case(dice: random.Random) -> tuple[dict[str, Any], datetime]:
    """A campaign's columns as JSON, and a moment near its days off or a change of the clocks."""
    near = dice.choice(
        [date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), date(2026, 12, 24)]
    )
    quarters = sorted(dice.sample(range(97), 2))
    start, until = (f"{n // 4:02}:{n % 4 * 15:02}" for n in quarters)
    row = {
        "send_days": dice.choice([None, WEEKDAYS, [7], sorted(dice.sample(range(1, 8), 3))]),
        "send_from": dice.choice([None, start]),
        "send_until": dice.choice([None, until]),
        "time_zone": dice.choice([None, "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
        "skip_dates": dice.choice(
            [None, [], [f"{near + timedelta(days=dice.randrange(-3, 25))}" for _ in range(12)]]
        ),
    }
    moment = datetime.combine(near, time(), UTC) + timedelta(minutes=dice.randrange(-4000, 4000))
    return row, moment


def opens_by_python(row: dict[str, Any], moment: datetime) -> datetime | None:
    until = row["send_until"]
    hours = Progress.model_validate(
        {"id": UUID(int=0), "name": "", "status": "", "paused": False, "owned": False, **row}
        | {"send_until": None if until == "24:00" else until}
    )
    mine = window_of(hours)
    found = mine and window.opening(mine, moment)
    return moment if mine is None else found and max(found[0], moment)
