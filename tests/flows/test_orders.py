"""A state that we set never undoes what a person set in the same moment."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Paused, Scheduled, Suspended

from tasks.orders import replace_state, state_of

pytestmark = pytest.mark.usefixtures("prefect_api")


@flow
def some_flow() -> None:
    """Never run: its runs only have states."""


@pytest.fixture
def client() -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def suspended_run(client: SyncPrefectClient) -> tuple[UUID, State[Any]]:
    """A new run, suspended as the UI does, and its state as one reads it."""
    run = client.create_flow_run(some_flow).id
    client.set_flow_run_state(run, Suspended(timeout_seconds=300), force=True)
    seen = state_of(run)
    assert seen is not None
    return run, seen


def names(client: SyncPrefectClient, run: UUID) -> list[str]:
    return [str(state.name) for state in client.read_flow_run_states(run)]


def test_a_state_is_replaced(client: SyncPrefectClient) -> None:
    run, seen = suspended_run(client)

    replace_state(run, seen, Suspended(message="Until Resume."))

    assert names(client, run) == ["Pending", "Suspended", "Suspended"]
    assert (now := state_of(run)) is not None
    assert now.message == "Until Resume."


@pytest.mark.parametrize(
    ("set_meanwhile", "stays"),
    [
        ([Cancelling()], "Cancelled"),  # as Prefect sets it for a run without a process
        ([Scheduled(name="Resuming")], "Resuming"),
        ([Paused(), Scheduled(name="Resuming")], "Resuming"),
    ],
)
def test_what_a_person_set_meanwhile_stays(
    client: SyncPrefectClient, set_meanwhile: list[State[Any]], stays: str
) -> None:
    run, seen = suspended_run(client)
    for state in set_meanwhile:
        client.set_flow_run_state(run, state, force=not state.is_cancelling())

    replace_state(run, seen, Suspended(message="Until Resume."))

    assert names(client, run)[-2:] == ["Suspended", stays]
    assert (now := state_of(run)) is not None
    assert now.name == stays
