"""`gmail-send`, as operators turn it in Prefect's UI: it holds mail up and never ends a campaign."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    GlobalConcurrencyLimitUpdate,
)
from prefect.client.schemas.responses import GlobalConcurrencyLimitResponse
from prefect.exceptions import ObjectNotFound

import tasks.slots
from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.store.store import Store
from tasks.slots import LIMIT
from tests.flows.conftest import NewCampaign

AT_ZERO = "the limit gmail-send, which is at 0 (Prefect's UI, Concurrency)"

Turn = Callable[..., None]


@pytest.fixture
def turn(prefect_api: str) -> Iterator[Turn]:  # noqa: ARG001 - its server has the limit
    """Change `gmail-send` as the UI does; gone after the test."""
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):  # a run of another test may have made it
            client.delete_global_concurrency_limit_by_name(LIMIT)
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=32))

        def change(**changed: Any) -> None:
            client.update_global_concurrency_limit(LIMIT, GlobalConcurrencyLimitUpdate(**changed))

        yield change
        client.delete_global_concurrency_limit_by_name(LIMIT)


def mails(gmail: httpx.Client) -> int:
    return len(gmail.get("/sandbox/mails").json())


def test_a_limit_at_0_holds_all_mail_up_and_goes_on_when_it_is_raised(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, turn: Turn
) -> None:
    """The campaign stays running, its leads pending, and it says what it waits for."""
    campaign = new_campaign(leads=2)
    turn(limit=0)

    held = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert (held.name, status.status, status.error) == ("Deferred", "running", None)
    assert (status.waiting_for, status.leads) == (AT_ZERO, LeadCounts(pending=2))
    assert mails(gmail) == 0
    turn(limit=32)
    store.resume_campaign(campaign)
    assert send_campaign(campaign, return_state=True).message == "2/2 sent"


@pytest.mark.parametrize(
    ("limit", "name", "counts"),
    [(0, "Deferred", LeadCounts(pending=2)), (1, "Completed", LeadCounts(sent=2))],
)
def test_a_limit_that_is_lowered_while_a_run_asks_gives_what_it_has_then(
    store: Store,
    new_campaign: NewCampaign,
    turn: Turn,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    name: str,
    counts: LeadCounts,
) -> None:
    """Between the run's look at the limit and Prefect's answer: no error, and no mail at 0."""
    campaign = new_campaign(leads=2)
    look = tasks.slots.limit

    def looked(client: SyncPrefectClient) -> GlobalConcurrencyLimitResponse:
        found = look(client)
        turn(limit=limit)
        return found

    monkeypatch.setattr(tasks.slots, "limit", looked)

    state = send_campaign(campaign, return_state=True)

    status = store.campaign_status(campaign)
    assert (state.name, status.error, status.leads) == (name, None, counts)


def test_a_limit_that_is_deleted_while_a_run_asks_is_made_anew(
    new_campaign: NewCampaign, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, Prefect would let all through."""
    campaign = new_campaign(leads=1)
    look, looks = tasks.slots.limit, []

    def looked(client: SyncPrefectClient) -> GlobalConcurrencyLimitResponse:
        looks.append(look(client))
        if len(looks) == 1:
            client.delete_global_concurrency_limit_by_name(LIMIT)
        return looks[-1]

    monkeypatch.setattr(tasks.slots, "limit", looked)

    assert send_campaign(campaign, return_state=True).message == "1/1 sent"
    turn(limit=32)  # it is there


def test_a_limit_that_is_switched_off_limits_nothing(new_campaign: NewCampaign, turn: Turn) -> None:
    """Whatever number it has."""
    campaign = new_campaign(leads=2)
    turn(limit=0, active=False)

    assert send_campaign(campaign, return_state=True).message == "2/2 sent"


def test_a_server_that_fails_while_a_run_asks_is_no_fault_of_the_campaign(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run fails, the campaign is given back for the next one."""
    campaign = new_campaign(leads=1)

    def away(*_: object, **__: object) -> httpx.Response:
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(SyncPrefectClient, "increment_concurrency_slots_with_lease", away)

    state = send_campaign(campaign, return_state=True)

    assert (state.name, store.campaign_status(campaign).status) == ("Failed", "running")
