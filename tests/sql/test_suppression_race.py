"""No mail is begun later than a suppression that holds, whatever runs side by side."""

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg

ROUNDS = int(os.environ.get("OUTREACH_RACE_ROUNDS", "300"))
"""Suppressions, each lifted again; `OUTREACH_RACE_ROUNDS=10000` takes some minutes."""
DOMAINS = ("a.test", "b.test", "sub.b.test")
ADDRESSES = [f"{n}@{domain}" for domain in DOMAINS for n in range(4)]
KEYS = ([*ADDRESSES[:6], "a.test"], [*ADDRESSES[6:], "b.test"])
"""Of each of the two who suppress; `b.test` stands for `sub.b.test`, too."""

TOO_LATE = """
select s.address, s.started_at, held.key, held.since, held.until
from send_attempts s
join held on s.started_at > held.since and s.started_at < held.until
  and (s.address = held.key or s.address like '%@' || held.key or s.address like '%.' || held.key)
"""


class Race:
    """Two campaigns with the same addresses, whose mails never leave: they are begun again and again."""

    def __init__(self, build: Any, another: Callable[[], Any]) -> None:
        self.another = another
        accounts = [build.account("a@us.test", domain_cap=1_000_000), build.account("b@us.test")]
        self.campaigns = [build.campaign(*accounts, leads=ADDRESSES) for _ in range(2)]
        self.runs = [uuid4() for _ in self.campaigns]
        for campaign, run in zip(self.campaigns, self.runs, strict=True):
            build.sql.begin_run(campaign=campaign, run=run, lease_seconds=36000.0)
        build.db.execute("create table held (key text, since timestamptz, until timestamptz)")
        self.over = threading.Event()
        self.begun = 0

    def run(self) -> None:
        """All of them at once; raises what one of them raises, a deadlock above all."""
        with ThreadPoolExecutor(8) as pool:
            try:
                jobs = [
                    pool.submit(self.send, campaign, run, self.another())
                    for campaign, run in zip(self.campaigns, self.runs, strict=True)
                    for _ in range(2)
                ]
                jobs.append(pool.submit(self.operate, self.another()))
                suppressing = [
                    pool.submit(self.suppress, keys, self.another(), seed)
                    for seed, keys in enumerate(KEYS)
                ]
                for job in suppressing:
                    job.result()
            finally:
                self.over.set()
            for job in jobs:
                job.result()

    def suppress(self, keys: list[str], sql: Any, seed: int) -> None:
        """Suppresses one after another, as a command, a web app or an import does, and lifts it."""
        dice = random.Random(seed)  # noqa: S311 - a test's dice
        for number in count():
            if number >= ROUNDS // 2 and self.begun > ROUNDS // 4:
                return  # so many mails were begun beside them, on a slow machine too
            chosen = dice.sample(keys, dice.choice([1, 1, 3]))
            if dice.random() < 0.5:
                sql.call("suppress", entries=[{"key": key} for key in chosen], origin="command")
            else:
                with sql.db.transaction():
                    sql.db.execute(
                        "insert into suppressions (key) select unnest(%s::text[])", (chosen,)
                    )
                    sql.db.execute("select")  # a web app does more in its transaction
            sql.db.execute("select")
            sql.db.execute(
                "insert into held select key, created_at, clock_timestamp() from suppressions"
                " where key = any (%s)",
                (chosen,),
            )
            assert sql.lift_suppressions(keys=chosen, by_name="Ann")["lifted"] == len(chosen)

    def send(self, campaign: UUID, run: UUID, sql: Any) -> None:
        while not self.over.is_set():
            answer = sql.claim_leads(
                batch=uuid4(), campaign=campaign, run=run, most=6, claim_seconds=120.0,
                default_pace=0.0, default_per_day=10_000_000,
            )  # fmt: skip
            for claim in answer.get("claims", []):
                self.send_one(claim, run, sql)

    def send_one(self, claim: Any, run: UUID, sql: Any) -> None:
        attempt, answer = uuid4(), {"answer": "wait"}
        while answer["answer"] == "wait":
            answer = sql.begin_attempt(
                attempt=attempt, lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
                mail_address=claim["lead"]["email"], token=f"o{attempt.hex}", budget_seconds=30.0,
                default_pace=0.0, default_per_day=10_000_000, knows_cancelled=True,
            )  # fmt: skip
        if answer["answer"] == "go":
            self.begun += 1
            sql.record_outcome(attempt=attempt, became="not_sent", why="x", again_after=0.0)

    def operate(self, sql: Any) -> None:
        """What else touches the same rows, and what might undo a suppression."""
        dice = random.Random(7)  # noqa: S311 - a test's dice
        while not self.over.is_set():
            campaign = dice.choice(self.campaigns)
            sql.sweep_suppressed()
            sql.retry_failed(campaign=campaign, suppressed=True)
            sql.retry_failed(campaign=campaign)
            if dice.random() < 0.1:
                sql.pause_campaign(campaign=campaign)
                sql.resume_campaign(campaign=campaign)
            sql.start_campaign(campaign=campaign)
            sql.import_leads(rows=[{"email": dice.choice(ADDRESSES), "name": "Mia"}])


def test_no_mail_is_begun_after_a_suppression_that_holds(
    build: Any, another: Callable[[], Any]
) -> None:
    """And nobody deadlocks."""
    race = Race(build, another)
    race.run()
    rounds = build.db.execute("select count(*) from held").fetchone()[0]
    assert build.db.execute(TOO_LATE).fetchall() == []
    assert (rounds >= ROUNDS, race.begun > ROUNDS // 4) == (True, True)


def test_the_same_race_is_lost_without_the_locks(build: Any, another: Callable[[], Any]) -> None:
    """So the test above shows something."""
    build.db.execute(
        "create or replace function hold_off_suppressions(mailbox text) returns text[]"
        " language sql as 'select public.suppression_keys(mailbox)'"
    )
    race = Race(build, another)
    race.run()
    assert build.db.execute(TOO_LATE).fetchall() != []


def test_who_suppresses_waits_for_the_mail_that_is_being_begun(
    build: Any, another: Callable[[], Any]
) -> None:
    """Its date is after that mail's."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run, sender, other = build.begin(campaign), another(), another()
    claim = build.claim(campaign, run, at=None)["claims"][0]
    with ThreadPoolExecutor(1) as pool:
        with sender.db.transaction():
            answer = build.attempt(claim, run, at=None, db=sender)
            told = pool.submit(other.call, "suppress", entries=[{"key": "acme.test"}], origin="x")
            build.until_blocked()
        told.result()
    in_order = build.db.execute(
        "select s.started_at < x.created_at from send_attempts s, suppressions x"
    ).fetchone()
    assert (answer["answer"], in_order) == ("go", (True,))


def test_who_begins_a_mail_waits_for_nobody_and_is_told_to_ask_again(
    build: Any, another: Callable[[], Any]
) -> None:
    """It holds the rows of its account, for which others would wait."""
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run, other = build.begin(campaign), another()
    claim = build.claim(campaign, run)["claims"][0]
    with other.db.transaction():
        other.call("suppress", entries=[{"key": "acme.test"}], origin="x")
        during = build.attempt(claim, run, knows_cancelled=True)
    after = build.attempt(claim, run, knows_cancelled=True)
    assert (during["answer"], 0 < during["wait_seconds"] < 1, after["answer"]) == (
        "wait",
        True,
        "cancelled",
    )


def test_two_lists_at_once_take_turns(another: Callable[[], Any]) -> None:
    """The same thousand, one the other way round."""
    keys = [f"{n}@x.test" for n in range(1000)]
    lists = [keys, keys[::-1]]
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(
                another().call, "suppress", entries=[{"key": k} for k in one], origin="import"
            )
            for one in lists
        ]
        added = sorted(job.result()["added"] for job in jobs)
    assert added == [0, 1000]


def test_a_row_that_is_not_visible_yet_is_one_that_somebody_writes(build: Any) -> None:
    """Rows are dated when their locks are held: never before the statement that writes them."""
    with build.db.transaction():
        before = build.db.execute("select clock_timestamp()").fetchone()[0]
        build.db.execute("insert into suppressions (key) values ('mia@acme.test')")
        dated = build.db.execute("select created_at from suppressions").fetchone()[0]
    assert dated > before


def test_a_refused_row_leaves_nothing_behind(build: Any) -> None:
    try:
        build.insert("suppressions", key="Mia@acme.test")
    except psycopg.errors.CheckViolation:
        left = build.db.execute("select count(*) from suppressions").fetchone()
    assert left == (0,)


def test_a_mail_is_begun_after_the_look_at_the_suppressions(build: Any) -> None:
    """One may be lifted just before the look: what is begun then is begun after that."""
    build.db.execute(
        "create or replace function suppression_of(keys text[], owner uuid, t timestamptz,"
        " out suppression suppressions) language plpgsql as $$ begin"
        " perform set_config('outreach.looked', clock_timestamp()::text, false); end $$"
    )
    campaign = build.campaign(build.account(), leads=["mia@acme.test"])
    run = build.begin(campaign)
    claim = build.claim(campaign, run, at=None)["claims"][0]
    build.insert("suppressions", key="mia@acme.test", until="2020-01-01")
    answer = build.attempt(claim, run, at=None)
    in_order = build.db.execute(
        "select started_at > current_setting('outreach.looked')::timestamptz from send_attempts"
    ).fetchone()
    assert (answer["answer"], in_order) == ("go", (True,))
