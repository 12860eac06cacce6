"""Persons are forgotten for good: by retention and by erasure, also twice, however they are spelt."""

from typing import Any
from uuid import UUID, uuid4

import pytest

DAY = 86_400.0


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


def mailed(build: Any, campaign: UUID, address: str, *, at: float = 0) -> None:
    """A lead of the campaign that was sent to."""
    account = build.db.execute(
        "select account_id from campaign_accounts where campaign_id = %s", (campaign,)
    ).fetchone()[0]
    lead = build.lead(address)
    build.in_campaign(campaign, lead, account)
    run = build.begin(campaign, at=at)
    (claim,) = build.claim(campaign, run, at=at)["claims"]
    attempt = uuid4()
    assert build.attempt(claim, run, attempt=attempt, at=at)["answer"] == "go"
    build.record(attempt, "sent", at=at)
    build.sql.release_run(campaign=campaign, run=run)


def retained(call: Any, *, at: float) -> int:
    return int(call.sweep_retention(days=1.0, at=at)["persons"])


def test_who_was_forgotten_and_mailed_again_is_forgotten_and_erased_again(
    build: Any, call: Any, account: UUID
) -> None:
    campaign = build.campaign(account)
    for at in (0, 10 * DAY):
        mailed(build, campaign, "jo@acme.test", at=at)
        assert retained(call, at=at + 2 * DAY) == 1
    mailed(build, campaign, "jo@acme.test", at=20 * DAY)
    assert (
        call.erase_person(address="jo@acme.test", by_name="Ann", at=20 * DAY)["answer"] == "erased"
    )
    addresses = [one for (one,) in build.db.execute("select address from send_attempts").fetchall()]
    assert len({one[:64] for one in addresses}) == 1
    assert not any("@" in one for one in addresses)


@pytest.mark.parametrize("cause", ["opt_out", "listed"])
def test_what_holds_for_longer_outlives_retention(
    build: Any, call: Any, account: UUID, cause: str
) -> None:
    campaign = build.campaign(account)
    for until, at in (("1 day", 0.0), (None, 10 * DAY)):
        mailed(build, campaign, "jo@acme.test", at=at)
        build.db.execute(
            "insert into suppressions (key, cause, reason, until)"
            " values ('jo@acme.test', %s, 'Jo Miller called', now() + %s::interval)",
            (cause, until),
        )
        build.db.execute(
            "update suppressions set until = %s where until is not null", (build.time(DAY),)
        )
        assert retained(call, at=at + 2 * DAY) == 1
    kept = build.db.execute("select until, reason from suppressions where cause = %s", (cause,))
    assert kept.fetchall() == [(None, None)]
    told = build.db.execute("select count(*) from audit where details ? 'reason'").fetchone()
    assert told == (0,)


def test_retention_waits_for_a_follow_up_that_is_not_planned_yet(
    build: Any, call: Any, account: UUID
) -> None:
    campaign, step = build.campaign(account), uuid4()
    mailed(build, campaign, "jo@acme.test")
    call.add_step(root=campaign, step_id=step, after_days=40, at=1)
    assert retained(call, at=31 * DAY) == 0
    call.remove_step(step_id=step)
    assert retained(call, at=31 * DAY) == 1


def test_retention_does_not_wait_for_a_follow_up_that_never_comes(
    build: Any, call: Any, account: UUID
) -> None:
    """A step that was made later follows the thirty days before it."""
    campaign = build.campaign(account)
    mailed(build, campaign, "jo@acme.test")
    call.add_step(root=campaign, step_id=uuid4(), after_days=1, at=100 * DAY)
    assert retained(call, at=101 * DAY) == 1


@pytest.mark.usefixtures("account")
def test_who_was_erased_is_in_no_campaign_that_is_made_later(build: Any, call: Any) -> None:
    company = build.company(name="Acme")
    build.lead("jo@acme.test", company_id=company, tag="spring", list_tags=["autumn"])
    build.lead("mia@acme.test", company_id=company, tag="spring", list_tags=["autumn"])
    call.erase_person(address="jo@acme.test", by_name="Ann")
    for chosen in ({"company_names": ["Acme"]}, {"lead_tag": "autumn"}, {"lead_tag": "spring"}):
        made = call.create_campaign(
            campaign=uuid4(), campaign_name="Later", account_addresses=["ann@us.test"], **chosen
        )
        assert made["leads"] == 1, chosen


def test_who_was_erased_is_neither_retried_nor_mailed(build: Any, call: Any, account: UUID) -> None:
    campaign = build.campaign(account, leads=["jo@acme.test"])
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    call.fail_lead(lead=UUID(claim["id"]), claim=UUID(claim["token"]), why="broken")
    call.finish_run(campaign=campaign, run=run)
    call.erase_person(address="jo@acme.test", by_name="Ann")
    call.retry_failed(campaign=campaign)
    assert build.row("campaign_leads", UUID(claim["id"]))["status"] == "failed"
    build.db.execute("update campaign_leads set status = 'pending', error = null")
    build.db.execute("update campaigns set status = 'running'")
    run = build.begin(campaign, at=10)
    assert "claims" not in build.claim(campaign, run, at=10)
    row = build.row("campaign_leads", UUID(claim["id"]))
    assert (row["status"], row["error"]) == ("failed", "The person was erased")


def test_a_row_with_a_space_around_its_address_is_erased_too(build: Any, call: Any) -> None:
    lead = build.lead(" Jo@acme.test ", name="Jo Miller")
    assert call.erase_person(address="jo@acme.test", by_name="Ann")["leads"] == 1
    assert build.row("leads", lead)["name"] == ""


def test_the_sweep_of_a_suppression_finds_it_too(build: Any, call: Any, account: UUID) -> None:
    campaign = build.campaign(account, leads=[" jo@acme.test "])
    call.suppress(entries=[{"key": "jo@acme.test"}], origin="command")
    assert call.sweep_suppressed()["leads"] == 1
    left = build.db.execute(
        "select status::text from campaign_leads where campaign_id = %s", (campaign,)
    )
    assert left.fetchall() == [("cancelled",)]
