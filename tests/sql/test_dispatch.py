"""take_due: what is handed out, with which run before it; and what is given up."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.sql.conftest import T0

T = int(T0.timestamp())
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
    first, second = (f"{campaign}:1:{1000 * T}", f"{campaign}:2:{1000 * T + 301_000}")
    assert taken == [
        {"answer": "due", "id": str(campaign), "name": "Spring", "key": first, "dead_run": None},
        None,
        {"answer": "due", "id": str(campaign), "name": "Spring", "key": second, "dead_run": None},
    ]


@pytest.mark.usefixtures("campaign")
def test_a_restored_database_gives_no_key_again(build: Any, call: Any) -> None:
    """Prefect would answer with the run that it made for it then."""
    before = call.take_due(at=0)["key"]
    build.db.execute("update campaigns set dispatch_no = 0, dispatched_at = null")
    assert call.take_due(at=60)["key"] != before


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


# --- places -------------------------------------------------------------------------------------


def taken(call: Any, at: float, places: int | None) -> list[str]:
    return [row["id"] for row in call.rows("take_due", at=at, places=places)]


def test_no_more_are_handed_out_than_there_are_places(build: Any, call: Any, account: UUID) -> None:
    """A run in hand and one that was asked for take a place each; the others wait, uncounted."""
    made = [str(build.campaign(account, leads=1)) for _ in range(4)]
    build.begin(UUID(made[0]), at=0)

    first = taken(call, at=1, places=2)
    none = [taken(call, at=at, places=2) for at in (2, 30)]
    counted = call.count_places(at=30)

    assert (len(first), none) == (1, [[], []])
    assert counted == {"taken": 2, "waiting": 2}
    waiting = next(UUID(one) for one in made[1:] if one not in first)
    assert build.fields("campaigns", waiting, "status", "dispatch_misses") == ("running", 0)
    assert len(taken(call, at=31, places=None)) == 2


def test_a_place_is_free_again_when_its_campaign_ends_or_rests(
    build: Any, call: Any, account: UUID
) -> None:
    """And when its run died: the lease lapsed."""
    ending, resting, dead, waiting = (build.campaign(account, leads=1) for _ in range(4))
    runs = [build.begin(one, at=0) for one in (ending, resting)]
    build.begin(dead, at=0)
    full = taken(call, at=1, places=3)
    call.finish_run(campaign=resting, run=runs[1], resume_after=3600.0, reason="the cap", at=2)
    after_one = taken(call, at=3, places=3)
    build.db.execute(
        "update campaigns set status = 'completed', lease_until = null where id = %s", [ending]
    )
    after_all = taken(call, at=100, places=3)

    assert (full, after_one, after_all) == ([], [str(waiting)], [str(dead)])


def test_who_waits_longest_has_the_next_place(
    build: Any, call: Any, account: UUID, t0: Any
) -> None:
    """Since it was made, since its time, or since it could go on."""
    hours = {"made": -1, "scheduled": -3, "rested": -2}
    older = t0.replace(year=2025)
    late, first, second = (
        build.campaign(account, leads=1, created_at=t0.replace(hour=t0.hour + hours["made"])),
        build.campaign(account, leads=1, status="scheduled", created_at=older,
                       scheduled_at=t0.replace(hour=t0.hour + hours["scheduled"])),
        build.campaign(account, leads=1, created_at=older,
                       resume_at=t0.replace(hour=t0.hour + hours["rested"])),
    )  # fmt: skip
    order = [taken(call, at=0, places=places) for places in (1, 2, 3)]
    assert order == [[str(first)], [str(second)], [str(late)]]
