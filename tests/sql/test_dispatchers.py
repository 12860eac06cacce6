"""The workers' dispatchers: who leads, when the next campaign is due, and what wakes them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from tests.sql.conftest import T0, Sql

FIRST, SECOND = uuid4(), uuid4()


@pytest.fixture
def account(build: Any) -> UUID:
    made: UUID = build.account()
    return made


def leads(call: Any, dispatcher: UUID, at: float) -> bool:
    answer = call.lead_dispatch(
        dispatcher=dispatcher, name="machine-1", woken_by="notifications", seconds=90, at=at
    )
    return bool(answer["answer"] == "leads")


def seconds(call: Any, at: float = 0) -> float | None:
    found = call.next_due(at=at)["seconds"]
    return None if found is None else float(found)


def test_one_leads_until_its_lease_ends(call: Any) -> None:
    assert [leads(call, FIRST, 0), leads(call, SECOND, 0)] == [True, False]
    assert [leads(call, FIRST, 60), leads(call, SECOND, 120)] == [True, False]

    assert leads(call, SECOND, 151)
    assert not leads(call, FIRST, 152)


def test_who_leaves_lets_another_lead_at_once(call: Any) -> None:
    leads(call, FIRST, 0)

    call.leave_dispatch(dispatcher=FIRST)

    assert leads(call, SECOND, 1)


def test_who_dies_is_forgotten_after_an_hour(call: Any, db: psycopg.Connection) -> None:
    leads(call, FIRST, 0)
    leads(call, SECOND, 3601)

    assert db.execute("select id from dispatchers").fetchall() == [(SECOND,)]


def test_the_state_tells_who_leads_and_who_was_seen(call: Any) -> None:
    leads(call, FIRST, 0)
    leads(call, SECOND, 30)

    state = call.dispatcher_state(at=40)

    assert [(one["seen_seconds"], one["leads"]) for one in state["dispatchers"]] == [
        (10, False),
        (40, True),
    ]
    assert state["rows_tell"]
    assert call.dispatcher_state(at=3600)["dispatchers"] == []


def test_a_trigger_that_was_switched_off_or_dropped_is_told(
    call: Any, db: psycopg.Connection
) -> None:
    db.execute("alter table campaigns disable trigger outreach_due")
    assert not call.dispatcher_state()["rows_tell"]
    db.execute("drop trigger outreach_due on campaigns")
    assert not call.dispatcher_state()["rows_tell"]


@pytest.mark.parametrize(
    ("columns", "due"),
    [
        ({"status": "running"}, 0),
        ({"status": "scheduled"}, 0),
        ({"status": "scheduled", "scheduled_at": 1000}, 880),
        ({"status": "running", "scheduled_at": 1000}, 0),
        ({"status": "running", "resume_at": 70}, 70),
        ({"status": "running", "lease_until": 45, "resume_at": 20}, 45),
        ({"status": "running", "dispatched_at": -100}, 200),
        ({"status": "running", "paused_at": 0}, None),
        ({"status": "draft"}, None),
        ({"status": "completed"}, None),
    ],
)
def test_the_next_campaign_is_due_when_a_run_of_it_may_begin(
    build: Any, call: Any, account: UUID, columns: dict[str, Any], due: float | None
) -> None:
    campaign = build.campaign(account)
    values = {
        name: T0 + timedelta(seconds=value) if isinstance(value, int) else value
        for name, value in columns.items()
    }
    for name, value in {"scheduled_at": None, **values}.items():
        build.db.execute(
            sql.SQL("update campaigns set {} = %s where id = %s").format(sql.Identifier(name)),
            [value, campaign],
        )

    assert seconds(call) == due
    if due is not None:
        assert bool(call.rows("take_due", at=due + 0.001))


def test_without_a_campaign_none_is_due(call: Any) -> None:
    assert seconds(call) is None


# --- what wakes them ----------------------------------------------------------------------------


@pytest.fixture
def heard(database: SecretStr) -> Any:
    """Whether a notification has come since the last question."""
    with psycopg.connect(database.get_secret_value(), autocommit=True) as listening:
        listening.execute("listen outreach_due")
        yield lambda: bool(list(listening.notifies(timeout=0.2, stop_after=1)))


def test_a_row_that_becomes_due_wakes_them(
    build: Any, call: Any, account: UUID, heard: Any
) -> None:
    campaign, run = build.campaign(account, status="draft"), uuid4()
    assert not heard()

    build.db.execute("update campaigns set status = 'running' where id = %s", [campaign])
    assert heard()
    call.begin_run(campaign=campaign, run=run, lease_seconds=60)
    call.renew_runs(campaigns=[campaign], runs=[run], lease_seconds=60)
    assert not heard()
    call.release_run(campaign=campaign, run=run)
    assert heard()
    call.pause_campaign(campaign=campaign)
    assert not heard()
    call.resume_campaign(campaign=campaign)
    assert heard()
    call.cancel_campaign(campaign=campaign)
    assert not heard()


def test_a_statement_for_many_rows_wakes_them_once(
    build: Any, account: UUID, database: SecretStr
) -> None:
    for _ in range(20):
        build.campaign(account, status="draft")
    with psycopg.connect(database.get_secret_value(), autocommit=True) as listening:
        listening.execute("listen outreach_due")
        build.db.execute("update campaigns set status = 'running'")
        assert len(list(listening.notifies(timeout=0.5))) == 1


def test_two_of_them_hand_out_a_thousand_rows_once_each(
    build: Any, account: UUID, database: SecretStr
) -> None:
    """Set to running by one statement."""
    campaigns = {str(build.campaign(account, status="draft")) for _ in range(1000)}
    build.db.execute("update campaigns set status = 'running'")

    def taken(_: int) -> list[str]:
        with psycopg.connect(database.get_secret_value(), autocommit=True) as own:
            found: list[str] = []
            while rows := Sql(own).rows("take_due"):
                found += [row["id"] for row in rows]
            return found

    with ThreadPoolExecutor(2) as both:
        first, second = both.map(taken, range(2))

    assert len(first) + len(second) == 1000
    assert {*first, *second} == campaigns


def test_a_campaign_rests_after_a_death_for_who_asks_for_that(
    build: Any, call: Any, account: UUID
) -> None:
    """A dispatcher that is woken at once would use up its three runs within seconds."""
    campaign, run = build.campaign(account, leads=1), uuid4()
    call.begin_run(campaign=campaign, run=run, lease_seconds=60, at=0)
    call.crash_run(campaign=campaign, run=run, cause="boom", at=10)

    assert call.take_due(at=39, rest_seconds=30) is None
    assert call.take_due(at=41, rest_seconds=30)["id"] == str(campaign)


def test_the_places_are_given_out_once_by_two_of_them(
    build: Any, account: UUID, database: SecretStr
) -> None:
    for _ in range(40):
        build.campaign(account)

    def taken(_: int) -> int:
        with psycopg.connect(database.get_secret_value(), autocommit=True) as own:
            return sum(len(Sql(own).rows("take_due", places=10, most=3)) for _ in range(8))

    with ThreadPoolExecutor(4) as four:
        assert sum(four.map(taken, range(4))) == 10


def test_a_run_that_is_being_made_is_not_judged_by_the_one_before(
    build: Any, call: Any, account: UUID
) -> None:
    """Of a campaign that had a run yesterday: what became of that says nothing of this dispatch."""
    campaign, run = build.campaign(account, leads=1), uuid4()
    call.begin_run(campaign=campaign, run=run, lease_seconds=60, at=0)
    call.release_run(campaign=campaign, run=run)
    call.take_due(at=100)

    assert call.rows("list_dispatched") == []
    call.note_dispatch(campaign=campaign, flow_run="new")
    assert call.rows("list_dispatched") == [{"id": str(campaign), "flow_run": "new"}]
    call.start_campaign(campaign=campaign, asked=True, at=110)
    assert call.rows("list_dispatched") == []
