"""Rows with values that no form would take hold up themselves, and nobody else."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


def sent(build: Any, campaign: UUID) -> None:
    run = build.begin(campaign)
    for claim in build.claim(campaign, run)["claims"]:
        attempt = uuid4()
        assert build.attempt(claim, run, attempt=attempt)["answer"] == "go"
        build.record(attempt, "sent")
    build.sql.finish_run(campaign=campaign, run=run, at=1)


@pytest.mark.parametrize("late", ["1e12", "1e300", "NaN", "Infinity"])
def test_a_lateness_beyond_all_calendars_is_a_long_one(
    build: Any, call: Any, account: UUID, late: str
) -> None:
    roots = [build.campaign(account, leads=1) for _ in range(2)]
    for root in roots:
        sent(build, root)
        call.add_step(root=root, step_id=uuid4(), after_seconds=1, at=2)
    build.db.execute(
        "update campaigns set max_late_seconds = %s where parent_id = %s", (late, roots[0])
    )
    assert call.plan_steps(at=10)["leads"] == 2


def test_a_step_that_cannot_be_planned_holds_up_no_other(
    build: Any, call: Any, account: UUID
) -> None:
    roots = [build.campaign(account, leads=1) for _ in range(2)]
    for root in roots:
        sent(build, root)
        call.add_step(root=root, step_id=uuid4(), after_days=1, at=2)
    build.db.execute(
        "update campaigns set created_at = '4714-11-24 BC', follow_since = null where parent_id = %s",
        (roots[0],),
    )
    assert call.plan_steps(at=86_400 * 2)["leads"] == 1
    held = build.db.execute(
        "select waiting_for, next_follow_at > %s from campaigns where parent_id = %s",
        (build.time(86_400 * 2), roots[0]),
    ).fetchone()
    assert held == ("a value that can be read: timestamp out of range", True)
    build.db.execute("update campaigns set created_at = now() where created_at < '1970-01-01'")
    build.db.execute("update campaigns set next_follow_at = null where parent_id is not null")
    call.plan_steps(at=86_400 * 2)
    waiting = build.db.execute("select distinct waiting_for from campaigns").fetchall()
    assert waiting == [(None,)]


@pytest.mark.parametrize(
    "strange",
    [
        "dispatch_no = 2147483647",
        "scheduled_at = '4714-11-24 BC', status = 'scheduled'",
        "scheduled_at = '-infinity', status = 'scheduled'",
        "resume_at = '-infinity'",
    ],
)
def test_a_campaign_that_is_due_is_handed_out_once_whatever_it_holds(
    build: Any, call: Any, account: UUID, strange: str
) -> None:
    odd, plain = (str(build.campaign(account, leads=1)) for _ in range(2))
    change = sql.SQL("update campaigns set {} where id = %s").format(sql.SQL(strange))
    build.db.execute(change, (odd,))
    assert call.next_due(at=0)["seconds"] == 0
    taken = call.rows("take_due", at=0, places=10)
    assert {one["id"] for one in taken} == {odd, plain}
    assert call.rows("take_due", at=1, places=10) == []


@pytest.mark.parametrize(
    "strange",
    [
        "dispatched_at = 'infinity'",
        "dispatched_at = '294276-12-31'",
        "scheduled_at = 'infinity', status = 'scheduled'",
        "resume_at = 'infinity'",
    ],
)
def test_a_time_that_never_comes_keeps_no_other_campaign_waiting(
    build: Any, call: Any, account: UUID, strange: str
) -> None:
    odd, plain = (str(build.campaign(account, leads=1)) for _ in range(2))
    change = sql.SQL("update campaigns set {} where id = %s").format(sql.SQL(strange))
    build.db.execute(change, (odd,))
    assert plain in {one["id"] for one in call.rows("take_due", at=0, places=10)}
    assert call.next_due(at=1)["seconds"] is not None


@pytest.mark.parametrize("until", ["2028-01-01", "infinity"])
def test_a_lead_is_looked_at_again_before_a_rest_that_may_end_early(
    build: Any, call: Any, account: UUID, until: str
) -> None:
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    build.db.execute("update accounts set paused_until = %s", (until,))
    begun = build.attempt(claim, run)
    assert begun["answer"] == "deferred"
    assert begun["wait_seconds"] <= 366 * 86_400
    call.wake_account(address="ann@us.test")
    assert build.claim(campaign, run, at=901)["claims"] != []


def test_texts_beyond_what_json_holds_are_handed_out_in_parts(build: Any, account: UUID) -> None:
    """Each claim has a copy of its text; all are claimed in the end."""
    company = build.company()
    build.db.execute("update companies set email_template = repeat('ж', 900000)")
    campaign = build.campaign(account)
    for number in range(150):
        lead = build.lead(f"l{number}@acme.test", company_id=company)
        build.in_campaign(campaign, lead, account)
    run = build.begin(campaign)
    counts = [
        len(build.claim(campaign, run, at=at, most=150, pace=0, per_day=1_000).get("claims", []))
        for at in (0, 1, 2)
    ]
    assert 0 < counts[0] < 150
    assert sum(counts) == 150


def test_leads_that_are_given_back_leave_their_times_to_others(build: Any, account: UUID) -> None:
    build.company()
    campaign = build.campaign(account, leads=80)
    build.db.execute("update companies set email_template = repeat('ж', 900000)")
    run = build.begin(campaign)
    claims = build.claim(campaign, run, most=80, pace=1, reach_seconds=100.0, per_day=1_000)[
        "claims"
    ]
    next_at = build.db.execute("select next_send_at from accounts").fetchone()[0]
    assert len(claims) < 80
    assert next_at == build.time(len(claims))


@pytest.mark.parametrize("spelt", ["Jo@ab\u0130c.com", "jo@\u13a0\u13a1.com", " JO@Acme.Test "])
def test_an_address_in_any_spelling_is_not_taken_for_a_corrected_one(
    build: Any, call: Any, account: UUID, spelt: str
) -> None:
    campaign = build.campaign(account, leads=[spelt])
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    key = build.db.execute("select mailbox_key(%s)", (claim["lead"]["email"],)).fetchone()[0]
    begun = call.begin_attempt(
        attempt=uuid4(), lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
        mail_address=key, token="o1", budget_seconds=60.0, default_pace=0.0, default_per_day=100, at=0,
    )  # fmt: skip
    assert begun["answer"] == "go", begun


def test_a_step_under_another_owners_campaign_is_put_out_of_the_chain(
    build: Any, call: Any
) -> None:
    """Row-level security hides that campaign from the trigger that refuses such a row."""
    ann, bob = uuid4(), uuid4()
    root = build.campaign(build.account(user_id=ann), leads=1, user_id=ann)
    foreign = build.campaign(
        build.account("b@us.test", user_id=bob), user_id=bob, status="scheduled"
    )
    build.db.execute("set session_replication_role = replica")
    build.db.execute(
        "update campaigns set parent_id = %s, step = 2, delay_seconds = 1 where id = %s",
        (root, foreign),
    )
    build.db.execute("set session_replication_role = origin")
    answer = call.add_step(root=root, step_id=uuid4(), after_seconds=1)
    row = build.row("campaigns", foreign)
    assert (answer["step"], row["parent_id"], row["status"]) == (2, None, "cancelled")


def test_a_chain_changes_its_owner_one_row_after_the_other(build: Any, call: Any) -> None:
    """A round of planning in between plans nothing, and ends nothing."""
    ann, bob = uuid4(), uuid4()
    account = build.account(user_id=ann)
    root = build.campaign(account, leads=1, user_id=ann)
    step = uuid4()
    call.add_step(root=root, step_id=step, after_seconds=1)
    sent(build, root)
    build.db.execute("update accounts set user_id = %s", (bob,))
    build.db.execute("update campaigns set user_id = %s where id = %s", (bob, root))
    assert call.plan_steps(at=10)["leads"] == 0
    build.db.execute("update campaigns set user_id = %s where id = %s", (bob, step))
    assert call.plan_steps(at=80)["leads"] == 1


def test_a_lead_that_was_deleted_after_its_claim_fails(build: Any, account: UUID) -> None:
    campaign = build.campaign(account, leads=1)
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    build.db.execute("alter table campaign_leads drop constraint campaign_leads_lead_id_fkey")
    build.db.execute("delete from leads")
    begun = build.attempt(claim, run)
    assert (begun["answer"], begun["reason"]) == ("failed", "The lead was deleted")


def test_an_address_that_was_corrected_after_the_claim_is_claimed_anew(
    build: Any, account: UUID
) -> None:
    campaign = build.campaign(account, leads=["wrong@acme.test"])
    run = build.begin(campaign)
    (claim,) = build.claim(campaign, run)["claims"]
    build.db.execute("update leads set email = ' Right@acme.test'")
    begun = build.attempt(claim, run)
    assert (begun["answer"], begun["reason"]) == ("not_ours", "its address was corrected")
    (again,) = build.claim(campaign, run, at=1)["claims"]
    assert again["lead"]["email"] == "Right@acme.test"
