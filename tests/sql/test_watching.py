"""What campaign_progress counts, as the rows have it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest


@pytest.fixture
def looked(call: Any) -> Callable[..., Any]:
    def look(campaign: Any, *, at: float = 0, per_day: int = 500) -> Any:
        return call.campaign_progress(
            campaign=campaign, default_pace=2.0, default_per_day=per_day, at=at
        )

    return look


def by_email(progress: Any) -> dict[str | None, Any]:
    return {account["email"]: account for account in progress["accounts"]}


def test_leads_are_counted_by_account_and_mails_of_late_too(
    build: Any, looked: Callable[..., Any]
) -> None:
    """Two accounts take turns; one mailed twice, the other's lead failed."""
    ann, bob = build.account("ann@us.test"), build.account("bob@us.test", pace_seconds=9)
    campaign = build.campaign(ann, bob, leads=4)
    run = build.begin(campaign)
    for claim in build.claim(campaign, run)["claims"]:
        attempt = uuid4()
        seconds = 10 if claim["sender"]["email"] == "ann@us.test" else 20
        build.attempt(claim, run, at=seconds, attempt=attempt)
        build.record(attempt, "sent" if seconds == 10 else "refused", at=seconds)

    told = by_email(looked(campaign, at=40))

    assert told["ann@us.test"] == {
        "email": "ann@us.test",
        "leads": {"pending": 0, "sent": 2, "failed": 0, "cancelled": 0},
        "status": "active", "status_reason": None, "connected": True, "assigned": True,
        "paused_seconds": None, "rest_reason": None, "pace_seconds": 2, "sent_today": 2, "daily_limit": 500,
        "full_limit": 500, "ramp": None,
        "limit_seconds": None, "sent_by_hour": [2] + [0] * 23,
        "recent": {"mails": 2, "first_seconds": 30, "last_seconds": 30},
    }  # fmt: skip
    assert told["bob@us.test"]["leads"] == {"pending": 0, "sent": 0, "failed": 2, "cancelled": 0}
    assert told["bob@us.test"]["recent"]["mails"] == 0
    assert told["bob@us.test"]["pace_seconds"] == 9


def test_mails_of_another_campaign_and_of_long_ago_are_not_of_late(
    build: Any, looked: Callable[..., Any]
) -> None:
    """They count for the account's day alone."""
    ann = build.account("ann@us.test")
    campaign = build.campaign(ann, leads=2)
    build.mail(campaign, build.begin(campaign, at=-400), at=-400)
    build.past_mails(ann, 10, 20)

    (told,) = looked(campaign)["accounts"]

    assert (told["recent"]["mails"], told["sent_today"]) == (0, 3)


def test_leads_that_no_account_of_the_campaign_has_are_counted_too(
    build: Any, looked: Callable[..., Any]
) -> None:
    """Of one that left the campaign, of one that was removed, of none."""
    ann, eve = build.account("ann@us.test"), build.account("eve@us.test")
    gone = build.account("gone@us.test", status="removed")
    campaign = build.campaign(ann)
    for account in (eve, gone, None, None):
        build.in_campaign(campaign, build.lead(), account)

    told = by_email(looked(campaign))

    assert {
        email: (one["leads"]["pending"], one["assigned"], one["status"])
        for email, one in told.items()
    } == {
        "ann@us.test": (0, True, "active"),
        "eve@us.test": (1, False, "active"),
        "gone@us.test": (1, False, "removed"),
        None: (2, False, "removed"),
    }


def test_what_the_guard_stopped_is_told_with_its_reason(
    build: Any, call: Any, looked: Callable[..., Any], db: psycopg.Connection
) -> None:
    """Of the campaign and of the account; a person's pause has none."""
    campaign = build.campaign(build.account("ann@us.test"), leads=2)
    call.pause_campaign(campaign=campaign)
    by_hand = looked(campaign)["paused_for"]
    why = "3 of its last 60 mails met dead addresses"
    db.execute("update campaigns set waiting_for = %s", [f"a person to resume it: {why}"])
    db.execute("update accounts set paused_until = %s, rest_reason = %s", [build.time(900), why])

    told = looked(campaign, at=100)

    assert (by_hand, told["paused_for"]) == (None, why)
    assert by_email(told)["ann@us.test"]["rest_reason"] == why
    assert by_email(looked(campaign, at=901))["ann@us.test"]["rest_reason"] is None


def test_a_rest_is_told_in_seconds(build: Any, call: Any, looked: Callable[..., Any]) -> None:
    """After Gmail's quota, and until the daily limit has room again."""
    ann, bob = build.account("ann@us.test"), build.account("bob@us.test", daily_limit=2)
    campaign = build.campaign(ann, bob, leads=2)
    call.pause_account(account=ann, seconds=900.0, at=0)
    build.past_mails(bob, 3600, 7200)

    told = by_email(looked(campaign, at=100))

    assert (told["ann@us.test"]["paused_seconds"], told["ann@us.test"]["limit_seconds"]) == (
        800,
        None,
    )
    assert (told["bob@us.test"]["paused_seconds"], told["bob@us.test"]["limit_seconds"]) == (
        None,
        22 * 3600 - 100,
    )


def test_who_has_the_campaign_and_since_when_nobody_is_told(
    build: Any, looked: Callable[..., Any]
) -> None:
    """A live lease, then one that lapsed without a word, then one that was given back."""
    campaign = build.campaign(build.account(), leads=2)
    run = build.begin(campaign, lease=60)
    facts = ("owned", "silent_seconds")

    live, dead = (looked(campaign, at=at) for at in (59, 75))
    build.sql.release_run(campaign=campaign, run=run)
    back = looked(campaign, at=80)

    assert [[one[fact] for fact in facts] for one in (live, dead, back)] == [
        [True, None],
        [False, 15],
        [False, None],
    ]


def test_what_it_waits_for_is_told_in_seconds(
    build: Any, call: Any, looked: Callable[..., Any], t0: Any
) -> None:
    """Its time, its dispatch, the leads that go later."""
    campaign = build.campaign(
        build.account(), leads=1, status="scheduled", scheduled_at=t0 + timedelta(seconds=100)
    )
    call.take_due(at=10)
    scheduled = looked(campaign, at=30)
    run = build.begin(campaign, at=100)
    claim = build.claim(campaign, run, at=100)["claims"][0]
    call.defer_lead(
        attempt=uuid4(), lead=claim["id"], claim=claim["token"], run=run, mail_address="a@b.test",
        why="away", again_after=50.0, at=100,
    )  # fmt: skip
    deferred = looked(campaign, at=110)
    call.finish_run(campaign=campaign, run=run, resume_after=90.0, reason="a lead", at=120)
    later = looked(campaign, at=150)

    assert (scheduled["scheduled_seconds"], scheduled["dispatched_seconds"]) == (70, 20)
    assert (scheduled["dispatch_misses"], deferred["dispatched_seconds"]) == (1, None)
    assert deferred["next_seconds"] == 40
    assert (later["resume_seconds"], later["waiting_for"]) == (60, "a lead")


def test_a_closed_sending_window_is_told_in_seconds(build: Any, looked: Callable[..., Any]) -> None:
    """T0 is 9 o'clock: one opens at ten, one is open, one never opens, one campaign has none."""
    facts = ({"send_from": "10:00"}, {"send_from": "08:00"}, {"send_days": []}, {})

    told = [looked(build.campaign(build.account(f"{n}@us.test"), **fact), at=60)
            for n, fact in enumerate(facts)]  # fmt: skip

    assert [(one["windowed"], one["opens_seconds"]) for one in told] == [
        (True, 3540), (True, 0), (True, None), (False, 0),
    ]  # fmt: skip


def test_a_mail_on_its_way_is_in_doubt(build: Any, looked: Callable[..., Any]) -> None:
    """Until its outcome is recorded; it is a mail of late either way."""
    campaign = build.campaign(build.account(), leads=1)
    attempt, _ = build.open(campaign, build.begin(campaign))
    open_ = looked(campaign, at=1)
    build.record(attempt, "sent", at=1)
    sent = looked(campaign, at=1)

    assert [(x["in_doubt"], x["accounts"][0]["recent"]["mails"]) for x in (open_, sent)] == [
        (1, 1),
        (0, 1),
    ]


def test_of_an_unknown_campaign_nothing_is_told(looked: Callable[..., Any]) -> None:
    assert looked(uuid4()) is None
