"""Runs as threads of a worker's process: each ends as it was told, in a state that says so."""

import asyncio
from contextvars import copy_context
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from deployments.worker.hosted import Hosted, Runs, Untold, _execute
from deployments.worker.listening import MOST_MISSED, MOST_NOT_FOUND, Listening
from flows.dispatch_campaigns import dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.metrics.sends import REGISTRY
from outreach.store.store import Store
from tasks.token import Order
from tests.flows.conftest import NewCampaign

if TYPE_CHECKING:
    from deployments.worker.worker import CampaignWorker

pytestmark = pytest.mark.usefixtures("prefect_api")

Kept = list[tuple[UUID, State[Any]]]


def hosted(flow: Flow[..., Any] = send_campaign, **parameters: object) -> Hosted:
    """A run that a worker has taken."""
    with get_client(sync_client=True) as client:
        return Hosted(client.create_flow_run(flow, parameters=parameters), flow)


def run(one: Hosted) -> Kept:
    """To its end, with what it does to its context; the states that Prefect's server did not take."""
    kept: Kept = []
    copy_context().run(_execute, one, lambda *state: kept.append(state))
    return kept


def state_of(one: Hosted) -> State[Any]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(one.flow_run.id).state
    assert state is not None
    return state


def sends() -> float:
    """As this process tells Prometheus."""
    return REGISTRY.get_sample_value("outreach_sends_total", {"outcome": "sent"}) or 0


def test_a_run_sends_its_campaign(store: Store, new_campaign: NewCampaign) -> None:
    """As it does in a process of its own."""
    campaign, before = new_campaign(leads=2), sends()
    one = hosted(campaign_id=str(campaign))

    assert run(one) == []

    assert (state_of(one).name, state_of(one).message) == ("Completed", "2/2 sent")
    assert sends() - before == 2
    assert store.campaign_status(campaign).status == "completed"


@pytest.mark.parametrize(
    ("order", "state", "status", "error", "leads"),
    [
        (Order.STOP, "GivenBack", "running", None, LeadCounts(pending=2)),
        (Order.CANCEL, "Cancelled", "cancelled", None, LeadCounts(cancelled=2)),
        (
            Order.END,
            "Failed",
            "error",
            "A person set its run to Failed in Prefect while it sent.",
            LeadCounts(pending=2),
        ),
    ],
)
def test_a_run_that_is_told_to_end_sends_nothing_and_says_why(
    store: Store,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    order: Order,
    state: str,
    status: str,
    error: str | None,
    leads: LeadCounts,
) -> None:
    """Its campaign belongs to no run any more."""
    campaign = new_campaign(leads=2)
    one = hosted(campaign_id=str(campaign))
    one.token.tell(order, "Failed")

    assert run(one) == []

    found = store.campaign_status(campaign)
    assert (state_of(one).name, found.status, found.error, found.leads) == (
        state,
        status,
        error,
        leads,
    )
    assert gmail.get("/sandbox/mails").json() == []
    if status == "running":
        assert store.begin_run(campaign, uuid4(), 60).answer == "begun"


@pytest.mark.parametrize(
    ("flow", "parameters", "told"),
    [
        (send_campaign, {"campaign_id": str(uuid4()), "at": "now"}, "The run was given 'at'"),
        (send_campaign, {"campaign_id": "soon"}, "The run was given 'soon' as campaign_id"),
        (send_campaign, {}, "The run was given 'None' as campaign_id"),
        (dispatch_campaigns, {"at": "now"}, "The run was given 'at'"),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_run_that_the_engine_refuses_ends_as_failed(
    flow: Flow[..., Any], parameters: dict[str, object], told: str
) -> None:
    """Before its first line, by an error: it would stay Pending for good."""
    one = hosted(flow, **parameters)

    assert run(one) == []

    state = state_of(one)
    assert (state.name, str(state.message).startswith(told)) == ("Failed", True)


def test_a_cancellation_that_prefect_does_not_take_is_told_later(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server went away in between: the campaign is cancelled, the state is kept."""
    campaign = new_campaign(leads=1)
    one = hosted(campaign_id=str(campaign))
    one.token.tell(Order.CANCEL, "Cancelling")
    set_state = SyncPrefectClient.set_flow_run_state

    def away(self: SyncPrefectClient, run: UUID, state: State[Any], force: bool = False) -> Any:
        if state.is_cancelled():
            raise httpx.ConnectError("no route")
        return set_state(self, run, state, force)

    monkeypatch.setattr(SyncPrefectClient, "set_flow_run_state", away)

    ((which, state),) = run(one)

    assert (which, state.name) == (one.flow_run.id, "Cancelled")
    assert store.campaign_status(campaign).status == "cancelled"


def test_an_end_that_the_server_did_not_take_is_told_later() -> None:
    """What answers for a moment that there is no such run, as another program would, loses none."""
    running, unknown, deleted = hosted().flow_run.id, uuid4(), uuid4()
    runs = Runs(copy_context())
    runs.untold = [
        Untold(unknown, Completed()),
        Untold(deleted, Completed(), not_found=MOST_NOT_FOUND - 1),
        Untold(running, Completed(message="2/2 sent")),
    ]

    async def tell() -> None:
        async with get_client() as client:
            worker = cast("CampaignWorker", SimpleNamespace(client=client))
            await Listening(worker, runs)._tell()

    asyncio.run(tell())

    assert [(one.run, one.not_found) for one in runs.untold] == [(unknown, 1)]
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(running).state
    assert state is not None
    assert (state.name, state.message) == ("Completed", "2/2 sent")


def test_a_run_that_was_deleted_in_prefect_gives_its_campaign_back() -> None:
    """After some looks: what answers for a moment may be another server. Others go on."""
    one, other = hosted(), hosted()
    runs = Runs(copy_context())
    runs._runs = {run.flow_run.id: run for run in (one, other)}
    with get_client(sync_client=True) as client:
        client.delete_flow_run(one.flow_run.id)

    async def look(times: int) -> None:
        async with get_client() as client:
            listening = Listening(cast("CampaignWorker", SimpleNamespace(client=client)), runs)
            for _ in range(times):
                await listening.look()

    asyncio.run(look(MOST_MISSED - 1))
    before = one.token.order
    asyncio.run(look(MOST_MISSED))
    assert (before, one.token.order) == (None, Order.STOP)
    assert other.token.order is None
