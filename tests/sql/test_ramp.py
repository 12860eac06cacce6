"""An account's ramp: its daily limit grows with the days that sent, from the log."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

HOUR = 60 * 60
DAY = 24 * HOUR


def sent(build: Any, campaign: UUID, run: UUID, at: float) -> int:
    """How many mails leave when all that may are sent at once."""
    mails = 0
    while (answer := build.claim(campaign, run, at=at, most=100))["answer"] == "claimed":
        for claim in answer["claims"]:
            attempt = uuid4()
            begun = build.attempt(claim, run, at=at, attempt=attempt)
            assert begun["answer"] == "go", begun
            build.record(attempt, "sent", at=at)
            mails += 1
    return mails


def limit(build: Any, account: UUID, t0: datetime) -> int:
    """In force, by the row as it is."""
    (found,) = build.db.execute(
        "select daily_limit_of(a, 500, %s) from accounts a where id = %s",
        (t0, account),
    ).fetchone()
    return int(found)


def past_day(build: Any, account: UUID, days_ago: float, outcome: str | None = "sent") -> None:
    build.past_mails(account, days_ago * DAY, outcome=outcome)


def bounced(build: Any, account: UUID, count: int, at: float) -> None:
    """So many of its mails come back dead."""
    found = build.db.execute(
        "select id from send_attempts where account_id = %s limit %s", (account, count)
    )
    for (attempt,) in found.fetchall():
        build.sql.save_inbound(
            account=account,
            mail={"gmail_id": f"m{attempt}", "kind": "bounce"},
            mails=Jsonb([{"attempt": str(attempt), "verdict": "dead", "status": "5.1.1"}]),
            came_by="mail",
            t=build.time(at),
        )


def test_twenty_days_with_two_off_and_a_bad_one(build: Any) -> None:
    """Each day it sends all that it may. Days 5 and 6 rest.

    After day 9 two of its 44 mails come back dead: it does not grow until they are 3 % again.
    """
    account = build.account(ramp_from=2, ramp_step=1, daily_limit=14)
    campaign = build.campaign(account, leads=200)
    run = build.begin(campaign, lease=100 * DAY)
    days = []
    for day in range(20):
        rests = day in (5, 6)
        days.append(0 if rests else sent(build, campaign, run, at=day * DAY))
        if day == 9:
            bounced(build, account, 2, at=day * DAY + HOUR)
    assert days == [2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 9, 9, 9, 10, 11, 12, 13, 14, 14, 14]


def test_more_than_three_of_a_hundred_freeze_it(build: Any) -> None:
    """What came back of the last 30 days; an older one counts no more."""
    for dead in (0, 3, 4):
        account = build.account(f"{dead}@us.test", ramp_from=20, ramp_step=5)
        build.past_mails(account, *[3 * DAY] * 100)
        bounced(build, account, dead, at=-HOUR)
    assert [frozen(build, at=0), frozen(build, at=31 * DAY)] == [{"4@us.test"}, set()]


def frozen(build: Any, at: float) -> set[str]:
    """The accounts whose ramp does not grow then."""
    accounts = build.sql.rows("list_accounts", at=at)
    return {account["email"] for account in accounts if account["ramp"]["frozen"]}


def test_within_a_day_the_limit_does_not_grow(build: Any) -> None:
    """A day is 24 hours from its first mail, as the daily limit counts them; midnight is nothing."""
    account = build.account(ramp_from=2, ramp_step=1)
    campaign = build.campaign(account, leads=20)
    run = build.begin(campaign, lease=100 * DAY)
    hours = [0, 12, 23.9, 24, 36, 48, 71.9, 72]
    assert [sent(build, campaign, run, at=hour * HOUR) for hour in hours] == [
        2, 0, 0, 3, 0, 4, 0, 5,
    ]  # fmt: skip


def test_only_days_that_really_sent_count(build: Any, t0: datetime) -> None:
    """Whenever they were, and each once: the log says it, not the calendar."""
    cases: list[tuple[list[float], str | None, int]] = [
        ([], "sent", 20),
        ([3, 2, 1], "sent", 35),
        ([3, 2, 1, 0.5], "sent", 35),
        ([3, 2.9, 2.8, 1], "sent", 30),
        ([40, 30, 20], "sent", 35),
        ([3, 2, 1], "refused", 20),
        ([3, 2, 1], "unclear", 20),
        ([3, 2, 1], None, 20),
    ]
    for number, (days, outcome, allowed) in enumerate(cases):
        account = build.account(f"{number}@us.test", ramp_from=20, ramp_step=5)
        for day in days:
            past_day(build, account, day, outcome)
        assert limit(build, account, t0) == allowed, (days, outcome)


def test_what_is_counted_is_not_counted_again(build: Any, t0: datetime) -> None:
    """A claim notes it; the log before is not read, were it gone."""
    account = build.account(ramp_from=20, ramp_step=5)
    for day in (3, 2, 1):
        past_day(build, account, day)
    campaign = build.campaign(account, leads=1)
    build.claim(campaign, build.begin(campaign))
    build.db.execute("delete from send_attempts")
    assert (limit(build, account, t0), build.fields("accounts", account, "ramp_days")) == (
        35,
        (3,),
    )


def test_the_full_limit_is_the_accounts_own_else_the_default(build: Any, t0: datetime) -> None:
    for daily_limit, allowed in ((None, 500), (30, 30)):
        account = build.account(
            f"{daily_limit}@us.test", ramp_from=400, ramp_step=200, daily_limit=daily_limit
        )
        past_day(build, account, 2)
        assert limit(build, account, t0) == allowed


def test_a_claim_beyond_the_ramp_waits_for_the_day_to_end(build: Any) -> None:
    """And says that it is the daily limit."""
    campaign = build.campaign(build.account(ramp_from=2, ramp_step=1), leads=5)
    run = build.begin(campaign)
    assert sent(build, campaign, run, at=0) == 2
    assert build.claim(campaign, run, at=HOUR) == {
        "answer": "later",
        "wait_seconds": 23 * HOUR,
        "waiting_for": "the daily limit of ann@us.test (2)",
    }


def test_a_mail_beyond_the_ramp_is_deferred_when_it_is_begun(build: Any) -> None:
    """The ramp was set between the claim and the mail."""
    account = build.account()
    campaign = build.campaign(account, leads=2)
    run = build.begin(campaign)
    first, second = build.claim(campaign, run)["claims"]
    build.attempt(first, run)
    build.db.execute("update accounts set ramp_from = 1, ramp_step = 1")
    answer = build.attempt(second, run, at=60)
    assert (answer["answer"], answer["wait_seconds"]) == ("deferred", DAY - 60)


def test_the_ramp_is_told(build: Any) -> None:
    """In a list, in what a check reads, and in what is looked at meanwhile."""
    account = build.account(ramp_from=20, ramp_step=5)
    campaign = build.campaign(account, leads=1)
    past_day(build, account, 1.5)
    past_day(build, account, 0.25)
    ramp = {
        "begin": 20, "step": 5, "days": 1, "limit": 25, "frozen": False,
        "day_ends_seconds": 18 * HOUR,
    }  # fmt: skip
    progress = build.sql.campaign_progress(
        campaign=campaign, default_pace=2.0, default_per_day=500, at=0
    )["accounts"][0]
    assert (
        build.sql.list_accounts(at=0)["ramp"],
        build.sql.campaign_facts(campaign=campaign, at=0)["accounts"][0]["ramp"],
        (progress["ramp"], progress["daily_limit"], progress["full_limit"]),
    ) == (ramp, ramp, (ramp, 25, 500))


def test_a_ramp_and_a_cap_are_set_changed_kept_and_taken_away(build: Any) -> None:
    steps = [
        {"ramp_begin": 20, "ramp_growth": 5, "cap": 3},
        {"pace": 2.0},
        {"ramp_begin": 30, "ramp_growth": 10},
        {"ramp_begin": 0, "ramp_growth": 0, "cap": 0},
    ]
    seen = []
    for step in steps:
        saved = build.sql.save_account(account=uuid4(), address="ann@us.test", **step)
        seen.append(
            build.fields("accounts", UUID(saved["id"]), "ramp_from", "ramp_step", "domain_cap")
        )
    assert seen == [(20, 5, 3), (20, 5, 3), (30, 10, 3), (None, None, None)]
