"""Every failure of a lead keeps its time and its reason, whatever failed it and whoever retries."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from outreach.store.schema import migrations

DAY = 24 * 60 * 60


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def campaign(build: Any, account: UUID) -> UUID:
    made: UUID = build.campaign(account, leads=1)
    return made


def kept(build: Any, campaign: UUID, t0: datetime) -> list[tuple[float | None, str]]:
    """The failures of the campaign's leads as `campaigns leads` has them: seconds since T0, why."""
    rows = build.sql.rows("list_campaign_leads", campaign=campaign)
    return [
        (None if at is None else (datetime.fromisoformat(at) - t0).total_seconds(), one["reason"])
        for row in rows
        for one in row["failures"]
        for at in [one["failed_at"]]
    ]


def fail_by_template(build: Any, campaign: UUID, *, at: float, why: str = "no template") -> UUID:
    """Before any attempt; the run."""
    run: UUID = build.begin(campaign, at=at)
    (claim,) = build.claim(campaign, run, at=at)["claims"]
    lead, token = UUID(claim["id"]), UUID(claim["token"])
    for _ in range(2):  # the answer was lost
        build.sql.fail_lead(lead=lead, claim=token, why=why, at=at)
    return run


# --- whatever fails it ------------------------------------------------------------------------


def test_a_mail_that_cannot_be_made(build: Any, campaign: UUID, t0: datetime) -> None:
    """No attempt was written: the failure is."""
    fail_by_template(build, campaign, at=5)
    assert kept(build, campaign, t0) == [(5, "no template")]


@pytest.mark.parametrize(
    ("became", "reason"),
    [("refused", "no such mailbox"), ("unclear", "may have been sent: no such mailbox")],
)
def test_what_gmail_says_of_it(
    build: Any, campaign: UUID, t0: datetime, became: str, reason: str
) -> None:
    """Refused, or nobody can say."""
    build.mail(campaign, build.begin(campaign), became, at=7, why="no such mailbox")
    assert kept(build, campaign, t0) == [(7, reason)]


def test_a_day_of_failures_that_should_have_passed(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """Those of the day are attempts; the last one fails the lead."""
    run = build.begin(campaign, lease=3 * DAY)
    for at in (0, DAY + 60):
        build.mail(campaign, run, "not_sent", at=at, why="away")
    assert kept(build, campaign, t0) == [(DAY + 60, "tried for a day: away")]


def test_an_account_that_cannot_send(
    build: Any, account: UUID, campaign: UUID, t0: datetime
) -> None:
    """All its leads at once, when they are claimed."""
    build.in_campaign(campaign, build.lead(), account)
    run = build.begin(campaign)
    build.sql.mark_account_unusable(account=account, reason="revoked")
    build.claim(campaign, run, at=9)
    assert kept(build, campaign, t0) == [(9, "ann@us.test cannot send: revoked")] * 2


def test_an_account_that_was_given_to_another_user(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """Since the run began; when its leads are claimed."""
    run = build.begin(campaign)
    build.db.execute("update campaigns set user_id = gen_random_uuid()")
    build.db.execute("update accounts set user_id = gen_random_uuid()")
    build.claim(campaign, run, at=9)
    reason = "ann@us.test cannot send: it belongs to another user than the campaign"
    assert kept(build, campaign, t0) == [(9, reason)]


def test_an_account_that_can_no_longer_send_at_the_last_check(
    build: Any, account: UUID, campaign: UUID, t0: datetime
) -> None:
    """Between the claim and the attempt."""
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    build.sql.mark_account_unusable(account=account, reason="revoked")
    build.attempt(claim, run, at=4)
    assert kept(build, campaign, t0) == [(4, "ann@us.test cannot send: revoked")]


def test_an_address_that_was_mailed_already(build: Any, account: UUID, t0: datetime) -> None:
    """The second lead of it."""
    campaign = build.campaign(account, leads=["bob@x.test", "BOB@x.test"])
    run = build.begin(campaign)
    build.mail(campaign, run)
    (claim,) = build.claim(campaign, run, at=3)["claims"]
    build.attempt(claim, run, at=3)
    assert kept(build, campaign, t0) == [(3, "This address was already mailed in this campaign")]


def test_leads_whose_rows_are_gone(build: Any, account: UUID, t0: datetime) -> None:
    """Deleted, without an address, or of a deleted company."""
    campaign = build.campaign(account)
    build.in_campaign(campaign, None, account)
    build.in_campaign(campaign, build.lead(" "), account)
    build.claim(campaign, build.begin(campaign), at=2)
    assert sorted(kept(build, campaign, t0)) == [
        (2, "The lead has no email address"),
        (2, "The lead was deleted"),
    ]


# --- whoever retries --------------------------------------------------------------------------


def test_a_retry_takes_the_reason_off_the_lead_and_keeps_the_failure(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """Each time; what it was then sent as changes nothing of that."""
    for at, why in ((1, "no template"), (2, "{{ nmae }}")):
        build.sql.finish_run(
            campaign=campaign, run=fail_by_template(build, campaign, at=at, why=why)
        )
        build.sql.retry_failed(campaign=campaign)
    pending = build.sql.list_campaign_leads(campaign=campaign)
    build.mail(campaign, build.begin(campaign, at=3), at=3)
    sent = build.sql.list_campaign_leads(campaign=campaign)

    assert [(row["status"], row["error"]) for row in (pending, sent)] == [
        ("pending", None),
        ("sent", None),
    ]
    assert kept(build, campaign, t0) == [(1, "no template"), (2, "{{ nmae }}")]
    assert datetime.fromisoformat(sent["failed_at"]) == t0 + timedelta(seconds=2)


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_person_who_resolves_a_doubt_leaves_it_in_the_record(
    build: Any, campaign: UUID, t0: datetime, was_sent: bool
) -> None:
    """Why somebody had to look."""
    lead = build.mail(campaign, build.begin(campaign), "unclear", at=1, why="gone")
    build.sql.resolve_lead(was_sent=was_sent, lead=lead)
    assert kept(build, campaign, t0) == [(1, "may have been sent: gone")]


def test_what_another_sender_had_failed_is_kept_when_it_is_retried(
    build: Any, account: UUID, t0: datetime
) -> None:
    """Nobody knows when that was; once, however often it is retried."""
    campaign = build.campaign(account)
    lead = build.in_campaign(
        campaign, build.lead(), account, status="failed", error="Invalid To header"
    )
    build.sql.retry_failed(campaign=campaign)
    build.db.execute("update campaign_leads set status = 'failed', error = 'Invalid To header'")
    build.sql.retry_failed(campaign=campaign)
    assert kept(build, campaign, t0) == [(None, "Invalid To header")]
    assert build.fields("campaign_leads", lead, "status", "error") == ("pending", None)


@pytest.mark.parametrize("act", ["retry_failed", "resolve_lead"])
def test_who_puts_a_lead_right_keeps_why_its_campaign_is_paused(
    build: Any, campaign: UUID, act: str
) -> None:
    """It stays paused, and the next person has to know why before they resume."""
    run = build.begin(campaign)
    lead = build.mail(campaign, run, "unclear", at=1, why="gone")
    build.db.execute("update campaigns set paused_at = now(), waiting_for = 'look at the bounces'")
    if act == "retry_failed":
        build.sql.retry_failed(campaign=campaign, unclear_too=True)
    else:
        build.db.execute("update campaigns set run_id = null")
        build.sql.resolve_lead(was_sent=False, lead=lead)
    assert build.fields("campaign_leads", lead, "status") == ("pending",)
    assert build.fields("campaigns", campaign, "waiting_for") == ("look at the bounces",)


def test_of_very_many_failures_the_last_hundred_are_shown_and_long_reasons_cut(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """What is read is bounded, whoever wrote it."""
    build.db.execute(
        "insert into lead_failures (campaign_lead_id, failed_at, reason)"
        " select cl.id, %s + n * interval '1 second', repeat('x', 5000)"
        " from campaign_leads cl, generate_series(1, 150) n where cl.campaign_id = %s",
        (t0, campaign),
    )
    assert kept(build, campaign, t0) == [(n, "x" * 1001) for n in range(51, 151)]


def test_a_lead_that_never_failed_has_no_failure(build: Any, campaign: UUID) -> None:
    """Nor has one that was cancelled."""
    build.sql.cancel_campaign(campaign=campaign)
    row = build.sql.list_campaign_leads(campaign=campaign)
    assert (row["failed_at"], row["failures"]) == (None, [])


# --- before this was kept -----------------------------------------------------------------------


def test_what_had_failed_before_has_its_attempts_time(
    build: Any, campaign: UUID, t0: datetime
) -> None:
    """The migration notes it, once however often it runs."""
    (text,) = [one.text for one in migrations() if one.name == "lead_failures"]
    build.mail(campaign, build.begin(campaign), "refused", at=7, why="no such mailbox")
    build.in_campaign(campaign, None, None, status="failed", error="deleted")
    build.db.execute("delete from lead_failures")
    for _ in range(2):
        build.db.execute(text)
    assert kept(build, campaign, t0) == [(7, "no such mailbox")]


def test_one_failed_lead_costs_a_page_one_look(build: Any, account: UUID) -> None:
    """By index, in a large campaign too."""
    campaign = build.campaign(account)
    build.db.execute(
        "with c as (insert into campaign_leads (campaign_id, status) select %s, 'failed'"
        " from generate_series(1, 3000) returning id)"
        " insert into lead_failures (campaign_lead_id, failed_at, reason) select id, now(), 'x' from c",
        (campaign,),
    )

    def scans() -> Any:
        build.db.execute("select pg_stat_force_next_flush()")
        return build.db.execute(
            "select seq_scan from pg_stat_user_tables where relname = 'lead_failures'"
        ).fetchone()

    before = scans()
    rows = build.sql.rows("list_campaign_leads", campaign=campaign, most=500)
    assert {len(row["failures"]) for row in rows} == {1}
    assert scans() == before
