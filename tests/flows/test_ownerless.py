"""Runs that would stay Running for good."""

from uuid import UUID

import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.states import Running

from flows.send_campaign import send_campaign
from outreach.store.store import Store
from tasks.ownerless import LOOKS, Ownerless
from tests.flows.conftest import NewCampaign

pytestmark = pytest.mark.usefixtures("prefect_api")


def running() -> UUID:
    with get_client(sync_client=True) as client:
        return client.create_flow_run(send_campaign, state=Running()).id


def state_of(run: UUID) -> str | None:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    return state and state.name


def test_a_run_without_a_campaign_is_ended_and_no_other(
    store: Store,
    db: psycopg.Connection,
    new_campaign: NewCampaign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, owner = running(), running()
    store.begin_run(new_campaign(), owner, 60)
    ownerless = Ownerless()
    for _ in range(LOOKS):
        ownerless.end()
    assert [state_of(run) for run in (gone, owner)] == ["Running", "Running"]  # it may begin yet

    monkeypatch.setattr("tasks.ownerless.SETTLED_SECONDS", 0.0)
    for _ in range(LOOKS - 1):
        ownerless.end()
    assert [state_of(run) for run in (gone, owner)] == ["Running", "Running"]
    ownerless.end()
    assert [state_of(run) for run in (gone, owner)] == ["Crashed", "Running"]

    # One that has given its campaign back has time to say so.
    db.execute("update campaigns set lease_until = null, run_id = null")
    ownerless.end()
    assert state_of(owner) == "Running"
