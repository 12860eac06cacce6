"""The figures for operators' monitoring: what counts as late, as in hand, as due."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.sql.conftest import T0

NONE = {
    "campaigns": {"due": 0, "sending": 0, "waiting": 0, "paused": 0},
    "places_taken": 0,
    "campaign_lag_seconds": 0,
    "lead_lag_seconds": 0,
    "open_attempts": 0,
    "oldest_open_attempt_seconds": 0,
    "accounts": {"active": 0, "resting": 0, "unusable": 0},
    "mailboxes": {"read": 0, "failing": 0, "unreadable": 0},
    "mailbox_age_seconds": 0,
}


def at(seconds: float) -> Any:
    return T0 + timedelta(seconds=seconds)


def test_an_empty_database_has_all_of_them(call: Any) -> None:
    assert call.operating_figures(at=0) == NONE


def test_each_campaign_that_has_not_ended_has_one_state(build: Any, call: Any) -> None:
    for values in (
        {"status": "draft"},
        {"status": "completed"},
        {"status": "running"},
        {"status": "running", "resume_at": at(-40)},
        {"status": "scheduled", "scheduled_at": at(100)},
        {"status": "scheduled", "scheduled_at": at(1000)},
        {"status": "running", "resume_at": "infinity"},
        {"status": "running", "lease_until": at(5), "run_id": uuid4()},
        {"status": "running", "paused_at": at(-5)},
    ):
        build.campaign(**values)

    found = call.operating_figures(at=0)

    assert found["campaigns"] == {"due": 3, "sending": 1, "waiting": 2, "paused": 1}
    assert (found["campaign_lag_seconds"], found["places_taken"]) == (40, 1)


def test_a_campaign_whose_run_has_not_begun_is_due(build: Any, call: Any) -> None:
    """A paused work pool would stop all mails, and no alert would tell."""
    build.campaign(build.account(), leads=1)
    assert len(call.rows("take_due", at=0)) == 1
    found = call.operating_figures(at=30)
    assert found["campaigns"] == {"due": 1, "sending": 0, "waiting": 0, "paused": 0}


def test_a_step_whose_chain_is_paused_is_not_due(build: Any, call: Any) -> None:
    root = build.campaign(build.account(), leads=1, status="completed")
    step = build.campaign(parent_id=root, step=2, delay_days=1, dispatched_at=at(-20))
    build.db.execute("update campaigns set idle = false where id = %s", (step,))
    build.db.execute("update campaigns set paused_at = now() where id = %s", (root,))
    assert call.operating_figures(at=0)["campaigns"]["due"] == 0


@pytest.mark.parametrize(
    ("values", "lag"),
    [({}, 7), ({"paused_at": at(0)}, 0), ({"lease_until": at(0)}, 0), ({"status": "completed"}, 0)],
)
def test_a_claimed_lead_is_late_as_long_as_its_run_lives(
    build: Any, call: Any, values: dict[str, Any], lag: float
) -> None:
    """What a dead run, a paused or an ended campaign leaves claimed is nobody's lag."""
    account = build.account()
    campaign = build.campaign(
        account, **{"status": "running", "lease_until": at(60), "run_id": uuid4(), **values}
    )
    claimed = {"claim_token": uuid4(), "claimed_until": at(100)}
    for late in ({"next_attempt_at": at(-7)}, {"next_attempt_at": at(20)},
                 {"next_attempt_at": at(-50), "claimed_until": at(-1)},
                 {"next_attempt_at": "-infinity"}):  # fmt: skip
        build.in_campaign(campaign, None, account, **{**claimed, **late})
    build.in_campaign(campaign, None, account, next_attempt_at=at(-3000))  # deferred, not claimed

    assert call.operating_figures(at=0)["lead_lag_seconds"] == lag


def test_open_attempts_are_told_with_the_age_of_the_oldest(build: Any, call: Any) -> None:
    """Also of a campaign that is gone; without those that a pause leaves open."""
    account = build.account()
    build.past_mails(account, 30, 20, outcome=None)
    build.past_mails(account, 90)
    paused = build.campaign(build.account("ben@us.test"), leads=1)
    run = build.begin(paused)
    build.open(paused, run, at=-500)
    build.db.execute("update campaigns set paused_at = %s where id = %s", [at(0), paused])

    found = call.operating_figures(at=0)

    assert (found["open_attempts"], found["oldest_open_attempt_seconds"]) == (2, 30)


def test_each_account_has_one_state(build: Any, call: Any) -> None:
    for number, values in enumerate((
        {},
        {"paused_until": at(-1)},
        {"paused_until": at(1)},
        {"status": "unusable", "paused_until": at(1)},
        {"refresh_token": None},
        {"status": "removed"},
    )):  # fmt: skip
        build.insert("accounts", **{"email": f"{number}@us.test", "refresh_token": "t", **values})

    assert call.operating_figures(at=0)["accounts"] == {"active": 2, "resting": 1, "unusable": 2}


def test_the_mailbox_that_was_read_longest_ago_is_told(build: Any, call: Any) -> None:
    """Not one of an account that lets nobody read, or that is not used any more."""
    for number, (status, mailbox) in enumerate((
        ("active", {"read_at": at(-30)}),
        ("active", {"read_at": at(-300), "failures": 2}),
        ("active", {"read_at": "-infinity"}),
        ("active", {"read_at": at(-9000), "can_read": False, "failures": 1}),
        ("active", {}),
        ("removed", {"read_at": at(-9000)}),
    )):  # fmt: skip
        account = build.account(f"{number}@us.test", status=status)
        columns = ", ".join(["account_id", *mailbox])
        marks = ", ".join(["%s"] * (1 + len(mailbox)))
        build.db.execute(
            f"insert into mailboxes ({columns}) values ({marks})",  # noqa: S608 - our words
            [account, *mailbox.values()],
        )

    found = call.operating_figures(at=0)

    assert found["mailboxes"] == {"read": 2, "failing": 1, "unreadable": 1}
    assert found["mailbox_age_seconds"] == 300


def test_they_read_no_more_when_thousands_were_sent(build: Any, call: Any) -> None:
    """Before the planner knows their tables, and whatever a campaign has sent."""
    account = build.account()
    campaign = build.campaign(account, leads=3)
    build.claim(campaign, build.begin(campaign))
    for _ in range(6):
        call.operating_figures(at=0)
    for status in ("sent", "pending"):
        build.db.execute(
            "insert into campaign_leads (campaign_id, assigned_account_id, status, sent_at)"
            " select %s, %s, %s, now() from generate_series(1, 3000)",
            (campaign, account, status),
        )
    build.past_mails(account, *range(500))

    before = build.rows_read()
    call.operating_figures(at=0)

    assert build.rows_read() - before < 100
