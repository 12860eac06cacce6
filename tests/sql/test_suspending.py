"""A campaign whose run was suspended in Prefect: held until that run is resumed, or a person acts."""

from typing import Any
from uuid import UUID, uuid4

import pytest


@pytest.fixture
def campaign(build: Any) -> UUID:
    """Running, with two leads."""
    made: UUID = build.campaign(build.account(), leads=2)
    return made


@pytest.fixture
def run(build: Any, campaign: UUID) -> UUID:
    """It has begun the campaign."""
    made: UUID = build.begin(campaign)
    return made


def suspend(call: Any, campaign: UUID, run: UUID, at: float = 10) -> Any:
    return call.suspend_run(campaign=campaign, run=run, at=at)


def begin(call: Any, campaign: UUID, run: UUID, at: float = 100) -> str:
    answer = call.begin_run(campaign=campaign, run=run, lease_seconds=60.0, at=at)
    return str(answer["answer"])


def held(build: Any, campaign: UUID) -> tuple[Any, ...]:
    row = build.row("campaigns", campaign)
    return row["paused_at"] is not None, row["suspended_run"], row["waiting_for"]


def test_it_holds_the_campaign_and_its_run_gives_it_back(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """Nothing is begun any more; at its end the run learns that it is awaited."""
    suspend(call, campaign, run)
    renewed = call.renew_run(campaign=campaign, run=run, lease_seconds=60.0, at=11)
    finished = call.finish_run(campaign=campaign, run=run, at=12)

    assert (renewed["answer"], finished["answer"], finished["suspended"]) == (
        "paused",
        "paused",
        True,
    )
    assert held(build, campaign) == (True, str(run), "its run to be resumed in Prefect")
    assert build.fields("campaigns", campaign, "run_id", "crash_count") == (None, 0)
    assert call.take_due(at=10_000) is None


def test_its_own_run_goes_on_and_no_other(build: Any, call: Any, campaign: UUID, run: UUID) -> None:
    """Resume in Prefect starts the same run anew."""
    suspend(call, campaign, run)
    call.finish_run(campaign=campaign, run=run, at=12)

    assert begin(call, campaign, uuid4()) == "paused"
    assert begin(call, campaign, run) == "begun"
    assert held(build, campaign) == (False, None, None)


def test_a_run_that_died_suspended_counts_as_no_death(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """The dispatcher finds it when its lease has lapsed."""
    suspend(call, campaign, run, at=100)

    assert held(build, campaign)[:2] == (True, str(run))
    assert build.fields("campaigns", campaign, "run_id", "lease_until", "crash_count") == (
        None,
        None,
        0,
    )
    assert begin(call, campaign, run) == "begun"


def test_a_run_that_another_has_taken_over_from_holds_nothing(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """Nor does a stranger."""
    follower = build.begin(campaign, at=100)
    before = build.everything()

    assert [suspend(call, campaign, other, at=101) for other in (uuid4(), run)] == [None, None]
    assert build.everything() == before
    assert suspend(call, campaign, follower, at=101) == {"answer": "suspended"}


@pytest.mark.parametrize("pause_first", [True, False])
def test_a_persons_pause_outlives_resume_in_prefect(
    build: Any, call: Any, campaign: UUID, run: UUID, pause_first: bool
) -> None:
    """Whichever came first: both have to be taken back."""
    orders = [
        lambda: call.pause_campaign(campaign=campaign, at=5),
        lambda: suspend(call, campaign, run),
    ]
    for order in orders if pause_first else reversed(orders):
        order()
    call.finish_run(campaign=campaign, run=run, at=12)

    assert held(build, campaign) == (True, None, "a person to resume it")
    assert begin(call, campaign, run) == "paused"


def test_a_persons_resume_needs_no_prefect(call: Any, campaign: UUID, run: UUID) -> None:
    """Another run goes on; the suspended one is told of until it is forgotten."""
    suspend(call, campaign, run)
    call.finish_run(campaign=campaign, run=run, at=12)
    before = call.rows("list_suspended")
    call.resume_campaign(campaign=campaign)
    after = call.rows("list_suspended")

    assert call.take_due(at=20)["answer"] == "due"
    listed = {"id": str(campaign), "flow_run": str(run)}
    assert (before, after) == ([{**listed, "held": True}], [{**listed, "held": False}])
    call.forget_suspension(campaign=campaign, run=run)
    assert call.rows("list_suspended") == []


def test_what_cannot_be_resumed_in_prefect_stays_paused(
    build: Any, call: Any, campaign: UUID, run: UUID
) -> None:
    """Its run was deleted there, or set to an end: now a person has to."""
    suspend(call, campaign, run)
    call.finish_run(campaign=campaign, run=run, at=12)

    call.forget_suspension(campaign=campaign, run=uuid4())
    assert held(build, campaign)[1] == str(run)
    call.forget_suspension(campaign=campaign, run=run)

    assert held(build, campaign) == (True, None, "a person to resume it")
    assert call.take_due(at=10_000) is None


@pytest.mark.parametrize("status", ["completed", "cancelled", "error", "draft"])
def test_what_is_not_under_way_is_not_held(
    build: Any, call: Any, campaign: UUID, run: UUID, status: str
) -> None:
    """It has ended, or not begun."""
    build.db.execute("update campaigns set status = %s", [status])
    before = build.everything()
    assert (suspend(call, campaign, run), build.everything()) == (None, before)
