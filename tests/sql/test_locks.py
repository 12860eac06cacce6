"""Locks are taken in one order: whatever runs side by side, nobody deadlocks and nothing is broken."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

TWICE = """
select campaign_id, lower(address) from send_attempts
where outcome is null or outcome = 'sent' or outcome = 'unclear'
group by 1, 2 having count(*) > 1
"""
SENT_WITHOUT_ATTEMPT = """
select cl.id from campaign_leads cl where (cl.status = 'sent')
  <> exists (select from send_attempts s where s.campaign_lead_id = cl.id and s.outcome = 'sent')
"""
LEFT_IN_CANCELLED = """
select cl.id from campaign_leads cl join campaigns c on c.id = cl.campaign_id
where c.status = 'cancelled' and cl.status = 'pending' and cl.open_attempt_id is null
"""
OPEN_MARK_WITHOUT_ATTEMPT = """
select cl.id from campaign_leads cl
where cl.open_attempt_id is distinct from (
  select s.id from send_attempts s where s.campaign_lead_id = cl.id and s.outcome is null)
"""


def invariants(db: Any) -> dict[str, list[Any]]:
    broken = {
        "two mails to an address": TWICE,
        "sent without an attempt": SENT_WITHOUT_ATTEMPT,
        "pending in a cancelled campaign": LEFT_IN_CANCELLED,
        "open attempt not on its lead": OPEN_MARK_WITHOUT_ATTEMPT,
    }
    return {
        name: found for name, query in broken.items() if (found := db.execute(query).fetchall())
    }


def sender(sql: Any, campaign: UUID, run: UUID, seed: int) -> None:
    """Claims, begins and records until nothing is left, with every outcome."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    for _ in range(60):
        answer = sql.claim_leads(
            batch=uuid4(), campaign=campaign, run=run, most=4, claim_seconds=120.0, default_pace=0.0,
            default_per_day=10_000,
        )  # fmt: skip
        if answer["answer"] in {"done", "stopped"}:
            return
        for claim in answer.get("claims", []):
            attempt = uuid4()
            begun = sql.begin_attempt(
                attempt=attempt, lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
                mail_address=claim["lead"]["email"], token="o", budget_seconds=30.0, default_pace=0.0,
                default_per_day=10_000,
            )  # fmt: skip
            if begun["answer"] == "go":
                outcome = dice.choice(["sent", "sent", "refused", "not_sent", "unclear"])
                for _ in range(2):
                    sql.record_outcome(attempt=attempt, became=outcome, why="x", again_after=0.0)


def disturber(
    sql: Any, campaigns: list[UUID], runs: list[UUID], accounts: list[UUID], seed: int
) -> None:
    """What else touches the same rows: pauses, crashes, heartbeats, checks."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    for _ in range(60):
        n = dice.randrange(len(campaigns))
        sql.renew_run(campaign=campaigns[n], run=runs[n], lease_seconds=60.0)
        sql.renew_runs(campaigns=campaigns, runs=runs, lease_seconds=1000.0)
        sql.pause_account(account=dice.choice(accounts), seconds=0.001, whole_project=True)
        sql.db.execute("update accounts set quota_pauses = 0 where id = %s", (accounts[0],))
        sql.db.execute("update accounts set quota_pauses = 0 where id = %s", (accounts[1],))
        sql.db.execute("update campaigns set crash_count = 1 where id = %s", (campaigns[n],))
        sql.check_campaign(campaign=campaigns[n])
        sql.begin_run(campaign=campaigns[n], run=uuid4(), lease_seconds=60.0)
        sql.finish_run(campaign=campaigns[n], run=uuid4())
        sql.save_account(account=accounts[0], address="a@us.test", per_day=10_000)


@pytest.mark.parametrize("seed", [1, 2])
def test_all_functions_side_by_side_never_deadlock_and_keep_every_promise(
    build: Any, another: Callable[[], Any], seed: int
) -> None:
    """Three campaigns on two accounts with addresses in common, one cancelled on the way."""
    accounts = [build.account("a@us.test"), build.account("b@us.test")]
    addresses = [f"{n // 2}@x.test" for n in range(40)]
    campaigns = [build.campaign(*accounts, leads=addresses) for _ in range(3)]
    runs = [uuid4() for _ in campaigns]
    for campaign, run in zip(campaigns, runs, strict=True):
        build.sql.begin_run(campaign=campaign, run=run, lease_seconds=600.0)
    go = threading.Barrier(8)

    def side_by_side(work: Callable[..., None], *arguments: Any) -> Callable[[], None]:
        def start() -> None:
            go.wait()
            work(*arguments)

        return start

    jobs = [
        side_by_side(sender, another(), campaign, run, seed + n)
        for n in range(2)
        for campaign, run in zip(campaigns, runs, strict=True)
    ]
    jobs.append(side_by_side(disturber, another(), campaigns, runs, accounts, seed))
    canceller = another()
    jobs.append(side_by_side(lambda: canceller.cancel_campaign(campaign=campaigns[0])))
    with ThreadPoolExecutor(len(jobs)) as pool:
        for job in [pool.submit(job) for job in jobs]:
            job.result(60)
    done = build.db.execute("select count(*) from send_attempts").fetchone()[0]
    assert (invariants(build.db), done > 40) == ({}, True)


def test_heartbeats_and_cancels_are_not_starved_by_senders(
    build: Any, another: Callable[[], Any]
) -> None:
    """Six senders begin one lead after the other on one account; each of these gets its turn between."""
    campaign = build.campaign(build.account(), leads=120)
    run = uuid4()
    build.sql.begin_run(campaign=campaign, run=run, lease_seconds=600.0)
    claims = build.claim(campaign, run, at=None, most=120)["claims"]
    heart = another()
    begun: list[str] = []

    def begin(sql: Any, claim: Any) -> None:
        begun.append(build.attempt(claim, run, at=None, db=sql)["answer"])

    with ThreadPoolExecutor(6) as pool:
        senders = [another() for _ in range(6)]
        all_begun = [pool.submit(begin, senders[n % 6], claim) for n, claim in enumerate(claims)]
        heart.db.execute("set lock_timeout = '5s'")
        renewed = 0
        while not all(one.done() for one in all_begun):
            heart.renew_run(campaign=campaign, run=run, lease_seconds=60.0)
            renewed += 1
    assert (begun.count("go"), renewed > 1) == (120, True)
