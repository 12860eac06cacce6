"""The cap of mails a day to one domain: of all accounts together, exact, and without a busy loop."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

HOUR = 60 * 60
DAY = 24 * HOUR
TO_ACME = [f"{n}@acme.test" for n in range(8)]
TOLD = "the cap of 2 mail(s) a day to acme.test"


def mailed(build: Any, address: str, age: float) -> None:
    """A mail by an account of no interest, so many seconds ago."""
    build.past_mails(uuid4(), age)
    build.db.execute(
        "update send_attempts set address = %s where address like '%%@past.test'", (address,)
    )


def claimed(answer: Any) -> list[str]:
    return [claim["lead"]["email"] for claim in answer.get("claims", [])]


def capped(build: Any, leads: list[str], cap: int = 2, **account: Any) -> tuple[UUID, UUID]:
    """A campaign of an account with a cap, and its run."""
    campaign = build.campaign(build.account(domain_cap=cap, **account), leads=leads)
    return campaign, build.begin(campaign, lease=100 * DAY)


def test_a_claim_leaves_out_whom_the_cap_defers_and_takes_others(build: Any) -> None:
    campaign, run = capped(build, [*TO_ACME[:4], "mia@other.test"])
    addresses = claimed(build.claim(campaign, run))
    assert ("mia@other.test" in addresses, len(addresses)) == (True, 3)


def test_mails_of_all_accounts_of_the_last_day_count(build: Any) -> None:
    """Of this account none is left; of one that has no cap nothing is asked."""
    mailed(build, "x@ACME.test", HOUR)
    mailed(build, "y@acme.test", 23 * HOUR)
    mailed(build, "z@acme.test", 25 * HOUR)
    campaign, run = capped(build, TO_ACME[:4])
    free = build.campaign(build.account("free@us.test"), leads=["zoe@acme.test"])
    assert build.claim(campaign, run) == {
        "answer": "later", "wait_seconds": HOUR, "waiting_for": TOLD
    }  # fmt: skip
    assert claimed(build.claim(free, build.begin(free))) == ["zoe@acme.test"]


def test_those_deferred_come_back_one_for_each_mail_that_will_be_a_day_old(build: Any) -> None:
    """So that not all of them are looked at each time that one may go; none later than in a day."""
    mailed(build, "x@acme.test", 23 * HOUR)
    mailed(build, "y@acme.test", HOUR)
    campaign, run = capped(build, TO_ACME[:4])
    build.claim(campaign, run)
    waits = build.db.execute(
        "select extract(epoch from next_attempt_at - '2026-11-24T09:00Z')::float from campaign_leads"
        " order by id"
    ).fetchall()
    assert [wait for (wait,) in waits] == [HOUR, 23 * HOUR, DAY, DAY]


def test_day_by_day_each_gets_its_mail_and_the_cap_is_kept(build: Any) -> None:
    """Four days of two mails, though the run asks only when it was told to."""
    campaign, run = capped(build, TO_ACME)
    at, begun = 0.0, []
    while (answer := build.claim(campaign, run, at=at))["answer"] != "done":
        for claim in answer.get("claims", []):
            attempt = uuid4()
            assert build.attempt(claim, run, at=at, attempt=attempt)["answer"] == "go"
            build.record(attempt, "sent", at=at)
            begun.append(at)
        at += answer.get("wait_seconds", 0)
    assert begun == [day * DAY for day in range(4) for _ in range(2)]


def test_free_mail_is_no_company(build: Any) -> None:
    addresses = [f"{n}@gmail.com" for n in range(4)]
    campaign, run = capped(build, addresses, cap=1)
    claims = build.claim(campaign, run)["claims"]
    assert [build.attempt(claim, run)["answer"] for claim in claims] == ["go"] * 4


def test_however_an_address_is_spelt_its_domain_is_one(build: Any) -> None:
    campaign, run = capped(build, ["a@bücher.test", "b@xn--bcher-kva.test ", "c@BÜCHER.test"])
    assert len(claimed(build.claim(campaign, run))) == 2


def test_a_mail_beyond_the_cap_is_deferred_when_it_is_begun(build: Any) -> None:
    """Others were begun since the claim; the run is told why."""
    campaign, run = capped(build, TO_ACME[:1])
    claim = build.claim(campaign, run)["claims"][0]
    mailed(build, "x@acme.test", HOUR)
    mailed(build, "y@acme.test", 2 * HOUR)
    assert build.attempt(claim, run) == {
        "answer": "deferred", "reason": TOLD, "wait_seconds": 22 * HOUR
    }  # fmt: skip


def test_ten_thousand_that_are_deferred_starve_nobody(build: Any) -> None:
    """A claim looks at some, defers these, and is asked again at once for the others."""
    campaign, run = capped(build, [], cap=1)
    build.db.execute(
        "with l as (insert into leads (email) select n || '@acme.test' from generate_series(1, 11000) n"
        " returning id)"
        " insert into campaign_leads (campaign_id, lead_id, status, assigned_account_id)"
        " select %s, l.id, 'pending', a.id from l, accounts a",
        (campaign,),
    )
    (account,) = build.db.execute("select id from accounts").fetchone()
    build.in_campaign(campaign, build.lead("mia@other.test"), account)
    mailed(build, "x@acme.test", HOUR)
    first = build.claim(campaign, run)
    second = build.claim(campaign, run, at=first["wait_seconds"])
    assert (first["wait_seconds"], claimed(second)) == (0.1, ["mia@other.test"])


def test_of_two_who_begin_at_once_one_is_told_to_ask_again(
    build: Any, another: Callable[[], Any]
) -> None:
    """Nobody begins a mail to the domain while another one is counted, with or without a cap."""
    campaign, run = capped(build, TO_ACME[:2])
    free = build.campaign(build.account("free@us.test"), leads=TO_ACME[2:3])
    free_run = build.begin(free)
    first = build.claim(campaign, run)["claims"][0]
    second = build.claim(free, free_run)["claims"][0]
    other = another()
    with other.db.transaction():
        went = build.attempt(first, run, db=other)
        during = build.attempt(second, free_run)
    after = build.attempt(second, free_run)
    assert [x["answer"] for x in (went, during, after)] == ["go", "wait", "go"]


def test_two_who_race_never_begin_one_more(build: Any, another: Callable[[], Any]) -> None:
    """Two accounts and their runs on real connections, each with all that the cap allows."""
    domains = [f"d{n}.test" for n in range(12)]
    work = []
    for n in range(2):
        account = build.account(f"{n}@us.test", domain_cap=3)
        leads = [f"{account.hex}{n}@{domain}" for domain in domains for n in range(3)]
        campaign = build.campaign(account, leads=leads)
        run = build.begin(campaign)
        claims = build.claim(campaign, run, most=1000)["claims"]
        work.append((sorted(claims, key=lambda claim: claim["lead"]["email"]), run))

    def send(claims: list[Any], run: UUID, sql: Any) -> None:
        for claim in claims:
            while build.attempt(claim, run, db=sql)["answer"] == "wait":
                pass

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(send, *one, another()) for one in work]
        for job in jobs:
            job.result()
    begun = build.db.execute(
        "select count(*) from send_attempts group by mail_domain(address)"
    ).fetchall()
    assert begun == [(3,)] * 12


@pytest.mark.parametrize(
    ("lock", "answer"), [("", "wait"), ("select true", "go")], ids=["the rule", "without its lock"]
)
def test_two_at_the_same_moment(
    build: Any, another: Callable[[], Any], lock: str, answer: str
) -> None:
    """The second cannot see the first one's mail: without the lock it would be one too many."""
    if lock:
        build.db.execute(
            "create or replace function hold_domain(mailbox text) returns boolean"
            f" language sql as '{lock}'"
        )
    campaigns = [
        build.campaign(build.account(f"{n}@us.test", domain_cap=1), leads=TO_ACME[n : n + 1])
        for n in range(2)
    ]
    runs = [build.begin(campaign) for campaign in campaigns]
    first, second = (
        build.claim(campaign, run)["claims"][0]
        for campaign, run in zip(campaigns, runs, strict=True)
    )
    other = another()
    with other.db.transaction():
        went = build.attempt(first, runs[0], db=other)["answer"]
        then = build.attempt(second, runs[1])["answer"]
    assert (went, then) == ("go", answer)


def test_domains_that_need_longer_than_a_day_are_told(build: Any) -> None:
    """The slowest first; free mail and what is done today are not."""
    mailed(build, "x@small.test", 2 * HOUR)
    campaign, _ = capped(build, [*TO_ACME[:5], "a@small.test", "b@small.test", "c@one.test",
                                 *(f"{n}@gmail.com" for n in range(9))])  # fmt: skip
    facts = build.sql.campaign_facts(campaign=campaign, at=0)
    progress = build.sql.campaign_progress(
        campaign=campaign, default_pace=2.0, default_per_day=500, at=0
    )
    domains = [
        {"domain": "acme.test", "leads": 5, "cap": 2, "sent_by_hour": [0] * 24},
        {"domain": "small.test", "leads": 2, "cap": 2, "sent_by_hour": [0, 0, 1] + [0] * 21},
    ]
    assert (facts["capped_domains"], progress["capped_domains"]) == (domains, domains)
