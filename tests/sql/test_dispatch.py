"""take_due: what is handed out, with which run before it; and what is given up."""

from typing import Any
from uuid import UUID, uuid4

import pytest

GIVEN_UP = "Prefect was asked three times and began no run; see whether a worker is up, then start it again."


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


@pytest.fixture
def campaign(build: Any, account: UUID) -> UUID:
    """Running, with one lead."""
    made: UUID = build.campaign(account, leads=1)
    return made


def dispatched(call: Any, campaign: UUID, at: float) -> str:
    """Taken by a dispatcher, which notes the run that it made."""
    run = str(uuid4())
    call.take_due(at=at)
    call.note_dispatch(campaign=campaign, flow_run=run)
    return run


def test_each_dispatch_has_a_key_of_its_own(call: Any, campaign: UUID) -> None:
    """And is handed out once in five minutes, while no run begins it."""
    taken = [call.take_due(at=at) for at in (0, 299, 301)]
    assert taken == [
        {"answer": "due", "id": str(campaign), "name": "Spring", "key": f"{campaign}:1", "dead_run": None},
        None,
        {"answer": "due", "id": str(campaign), "name": "Spring", "key": f"{campaign}:2", "dead_run": None},
    ]  # fmt: skip


def test_a_run_that_never_began_is_told_with_the_next_dispatch(call: Any, campaign: UUID) -> None:
    """Its worker died: in Prefect it would be pending for good."""
    unbegun = dispatched(call, campaign, at=0)
    assert call.take_due(at=301)["dead_run"] == unbegun


def test_an_owner_that_fell_silent_is_told_with_the_next_dispatch(
    build: Any, call: Any, campaign: UUID
) -> None:
    """Once: the run that is to follow it may die too, and is told then."""
    dispatched(call, campaign, at=0)
    silent = build.begin(campaign, at=1)
    first = call.take_due(at=62)["dead_run"]
    follower = str(uuid4())
    call.note_dispatch(campaign=campaign, flow_run=follower)
    assert (first, call.take_due(at=363)["dead_run"]) == (str(silent), follower)


def test_what_nobody_begins_is_given_up(build: Any, call: Any, campaign: UUID) -> None:
    """Told once, with the last run that was made for it; its leads stay pending."""
    runs = [dispatched(call, campaign, at=at) for at in (0, 301, 602)]
    answers = [call.take_due(at=at) for at in (903, 1204)]
    assert answers == [
        {"answer": "given_up", "id": str(campaign), "name": "Spring", "dead_run": runs[-1]},
        None,
    ]
    assert build.fields("campaigns", campaign, "status", "error", "dispatched_at") == (
        "error",
        GIVEN_UP,
        None,
    )
    assert build.lead_states(campaign) == {"pending": 1}
