"""The guard: a campaign that meets too many dead addresses pauses itself, an account rests."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

DAY = 86_400.0
LATER = 30 * DAY
"""After any moment at which a test can run: a resume takes the time of the clock."""


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def campaign(build: Any, account: UUID) -> UUID:
    made: UUID = build.campaign(account, leads=200)
    return made


def mail(build: Any, campaign: UUID, count: int, *, at: float = 0) -> list[UUID]:
    """Mails of the campaign that were sent: their attempts."""
    run = build.begin(campaign, at=at)
    attempts = []
    for claim in build.claim(campaign, run, at=at, most=count, per_day=10_000)["claims"]:
        attempt = UUID(int=UUID(claim["id"]).int ^ 1)
        begun = build.attempt(claim, run, at=at, attempt=attempt, per_day=10_000)
        assert begun["answer"] == "go", begun
        build.record(attempt, "sent", at=at)
        attempts.append(attempt)
    build.sql.release_run(campaign=campaign, run=run)
    assert len(attempts) == count
    return attempts


def bounce(
    build: Any, account: UUID, attempts: list[UUID], *, verdict: str = "dead", at: float = 60
) -> None:
    for attempt in attempts:
        build.sql.save_inbound(
            account=account,
            mail={"gmail_id": f"m{attempt}", "kind": "bounce"},
            mails=Jsonb([{"attempt": str(attempt), "verdict": verdict, "status": "5.1.1"}]),
            came_by="mail",
            t=build.time(at),
        )


def guard(call: Any, *, at: float = 120) -> list[Any]:
    return list(call.rows("guard_campaigns", share=0.05, least_mails=50, at=at))


def test_at_five_of_a_hundred_it_pauses_once_and_says_why(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    sent = mail(build, campaign, 100)
    bounce(build, account, sent[:4])
    assert guard(call) == []
    bounce(build, account, sent[4:5])
    assert guard(call) == [{"campaign": str(campaign), "name": "Spring", "dead": 5, "sent": 100}]
    assert guard(call) == []
    row = build.row("campaigns", campaign)
    assert (row["status"], row["paused_at"] is not None, row["waiting_for"]) == (
        "running",
        True,
        "a person to resume it: 5 of its last 100 mails met dead addresses",
    )


def test_below_fifty_mails_nothing_is_judged_and_then_it_is(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    bounce(build, account, mail(build, campaign, 49)[:3])
    assert guard(call) == []
    mail(build, campaign, 1, at=200)
    assert [one["sent"] for one in guard(call, at=300)] == [50]


def test_after_a_resume_the_same_bounces_count_no_more(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    """Nor those that come late of mails from before."""
    before = mail(build, campaign, 100)
    bounce(build, account, before[:8])
    assert guard(call)
    call.resume_campaign(campaign=campaign)
    bounce(build, account, before[8:20])
    assert guard(call, at=LATER) == []
    after = mail(build, campaign, 60, at=LATER)
    bounce(build, account, after[:2], at=LATER)
    assert guard(call, at=LATER) == []
    bounce(build, account, after[2:3], at=LATER)
    assert [(one["dead"], one["sent"]) for one in guard(call, at=LATER)] == [(3, 60)]


@pytest.mark.parametrize("verdict", ["block", "soft", "delay"])
def test_what_says_nothing_of_the_address_pauses_nothing(
    build: Any, call: Any, account: UUID, campaign: UUID, verdict: str
) -> None:
    bounce(build, account, mail(build, campaign, 60), verdict=verdict)
    assert guard(call) == []


def test_a_campaign_that_is_paused_or_has_ended_is_left_alone(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    bounce(build, account, mail(build, campaign, 60))
    call.pause_campaign(campaign=campaign)
    assert guard(call) == []
    call.resume_campaign(campaign=campaign)
    call.cancel_campaign(campaign=campaign)
    assert guard(call) == []


def test_an_account_rests_for_a_day_over_all_its_campaigns(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    other = build.campaign(account, leads=30)
    bounce(build, account, mail(build, campaign, 30)[:2])
    bounce(build, account, mail(build, other, 30)[:1])
    asked = {"share": 0.05, "least_mails": 50}
    [rests] = call.rows("guard_accounts", **asked, at=120)
    assert (rests["dead"], rests["sent"]) == (3, 60)
    assert call.rows("guard_accounts", **asked, at=130) == []
    [listed] = call.rows("list_accounts", at=120)
    assert (listed["paused_seconds"], listed["rest_reason"]) == (
        DAY,
        "3 of its last 60 mails met dead addresses",
    )
    [listed] = call.rows("list_accounts", at=121 + DAY)
    assert (listed["paused_seconds"], listed["rest_reason"]) == (None, None)
    assert call.rows("guard_accounts", **asked, at=121 + DAY) == []


def test_a_person_ends_an_account_s_rest(
    build: Any, call: Any, account: UUID, campaign: UUID
) -> None:
    bounce(build, account, mail(build, campaign, 60)[:6])
    assert call.rows("guard_accounts", share=0.05, least_mails=50, at=120)
    call.wake_account(address="Ann@us.test")
    [listed] = call.rows("list_accounts", at=130)
    assert (listed["paused_seconds"], listed["rest_reason"]) == (None, None)
    assert call.rows("guard_accounts", share=0.05, least_mails=50, at=130) == []
    assert call.wake_account(address="who@us.test")["answer"] == "rejected"


def followed(build: Any, account: UUID, root: UUID, *, at: float) -> tuple[UUID, list[UUID]]:
    """A step of all who were sent to: its id and its attempts."""
    step = uuid4()
    build.sql.add_step(root=root, step_id=step, after_seconds=1, at=at)
    build.sql.plan_steps(at=at + 2)
    build.db.execute(
        "insert into mailboxes (account_id, read_at) values (%s, %s)", (account, build.time(at + 2))
    )
    run = build.begin(step, at=at + 2)
    attempts = []
    for claim in build.claim(step, run, at=at + 2, per_day=10_000)["claims"]:
        attempts.append(attempt := uuid4())
        begun = build.attempt(
            claim,
            run,
            at=at + 2,
            attempt=attempt,
            per_day=10_000,
            knows_cancelled=True,
            looked_seconds=0.0,
        )
        assert begun["answer"] == "go", begun
        build.record(attempt, "sent", at=at + 2)
    build.sql.release_run(campaign=step, run=run)
    return step, attempts


def test_a_campaign_and_its_steps_are_counted_together(
    build: Any, call: Any, account: UUID
) -> None:
    """Neither has fifty mails; the steps stop with the first campaign, also after its end."""
    root = build.campaign(account, leads=30)
    firsts = mail(build, root, 30)
    call.finish_run(campaign=root, run=build.begin(root, at=1), at=1)
    step, seconds = followed(build, account, root, at=2)
    assert (build.row("campaigns", root)["status"], len(seconds)) == ("completed", 30)
    bounce(build, account, [*firsts[:1], *seconds[:1]])
    assert guard(call) == []
    bounce(build, account, seconds[1:2])
    [paused] = guard(call)
    assert (paused["campaign"], paused["dead"], paused["sent"]) == (str(root), 3, 60)
    assert build.row("campaigns", step)["paused_at"] is None
    begun = call.begin_run(campaign=step, run=uuid4(), lease_seconds=60.0, at=130)
    assert begun["answer"] == "paused"
    call.resume_campaign(campaign=root)
    assert guard(call, at=LATER) == []


def test_after_a_resume_of_a_step_its_bounces_count_no_more(
    build: Any, call: Any, account: UUID
) -> None:
    root = build.campaign(account, leads=60)
    mail(build, root, 59)
    step, seconds = followed(build, account, root, at=2)
    bounce(build, account, seconds[:6])
    call.pause_campaign(campaign=step)
    call.resume_campaign(campaign=step)
    assert guard(call, at=LATER) == []


def test_a_first_campaign_in_error_is_resumed_for_its_steps(
    build: Any, call: Any, account: UUID
) -> None:
    root = build.campaign(account, leads=60)
    firsts = mail(build, root, 60)
    followed(build, account, root, at=2)
    build.db.execute("update campaigns set status = 'error' where id = %s", (root,))
    bounce(build, account, firsts[:9])
    assert len(guard(call)) == 1
    assert call.resume_campaign(campaign=root)["answer"] == "resumed"
