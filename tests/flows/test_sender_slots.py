"""`gmail-send`, as operators turn it in Prefect's UI: it holds mail up and never ends a campaign."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from uuid import UUID, uuid4

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
from tasks.senders import Gate
from tasks.slot_notes import Notes
from tasks.slots import LIMIT, NoSlotsError, Slots
from tasks.token import RunToken
from tests.flows.conftest import NewCampaign

AT_ZERO = "the limit gmail-send, which is at 0 (Prefect's UI, Concurrency)"

LEADS = 200

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


def until(look: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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


# --- the process's share --------------------------------------------------------------------------


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Slots:
    """Of this test's own, for the flow too."""
    made = Slots(Notes(tmp_path))
    monkeypatch.setattr(tasks.slots, "RENEW_SECONDS", 0)
    monkeypatch.setattr(tasks.slots, "COALESCE_SECONDS", 0)
    monkeypatch.setattr(tasks.slots, "slots", lambda: made)
    monkeypatch.setattr(tasks.slots, "AGAIN_SECONDS", 0)
    return made


@contextmanager
def using(share: Slots, wanted: int, seconds: float = 0) -> Iterator[Gate]:
    """As a run of this process does."""
    run = uuid4()
    with share.held(run, wanted, RunToken(run), seconds) as gate:
        yield gate


def taken() -> int:
    """How many slots are in use, by all machines, as Prefect's UI shows it."""
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(LIMIT).active_slots


@contextmanager
def another_machine(slots: int) -> Iterator[None]:
    """It holds so many."""
    with get_client(sync_client=True) as client:
        lease = client.increment_concurrency_slots_with_lease([LIMIT], slots, "concurrency", 60)
        yield
        client.release_concurrency_slots_with_lease(UUID(lease.json()["lease_id"]))


@pytest.mark.usefixtures("turn")
def test_two_runs_of_one_process_share_what_they_need_together(share: Slots) -> None:
    """One that ends leaves the other its own; after the last one all are free."""
    with using(share, 5) as gate:
        assert (gate.size, taken()) == (5, 5)
        with using(share, 2) as same:
            share._fit()
            assert (same is gate, gate.size, taken()) == (True, 7, 7)
        share._fit()
        assert (gate.size, taken()) == (5, 5)
    assert (gate.size, taken()) == (0, 0)


def test_two_runs_of_one_process_share_a_limit_that_is_less_than_they_need(
    share: Slots, turn: Turn
) -> None:
    """The second one waits for none of the first: they pass one gate."""
    turn(limit=3)
    with using(share, 10), using(share, 10) as gate:
        share._fit()
        assert (gate.size, taken()) == (3, 3)
    assert taken() == 0


def test_the_limit_turned_down_and_up_is_followed_meanwhile(share: Slots, turn: Turn) -> None:
    """Down to nothing, up to what the runs can use, and off; at 0 and off Prefect takes none back."""
    sizes = []
    with using(share, 10) as gate:
        for change in ({"limit": 3}, {"limit": 7}, {"limit": 2}, {"limit": 32}):
            turn(**change)
            share._fit()
            sizes.append((gate.size, taken()))
        turn(limit=0)
        with pytest.raises(NoSlotsError, match="which is at 0"):
            share._fit()
        sizes.append((gate.size, taken()))
        turn(active=False)
        share._fit()
        sizes.append((gate.size, taken()))
        turn(active=True, limit=32)
    assert taken() == 0
    assert sizes == [(3, 3), (7, 7), (2, 2), (10, 10), (0, 10), (10, 10)]


def test_the_process_looks_at_the_limit_by_itself(
    share: Slots, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Round after round, also after a server that was away; the share it has stays meanwhile."""
    monkeypatch.setattr(tasks.slots, "ROUND_SECONDS", 0.01)
    renew, rounds = SyncPrefectClient.renew_concurrency_lease, SimpleQueue[int]()

    def away(*_: object, **__: object) -> None:
        rounds.put(gate.size)
        raise httpx.ConnectError("no route")

    with using(share, 5) as gate:
        monkeypatch.setattr(SyncPrefectClient, "renew_concurrency_lease", away)
        assert [rounds.get(timeout=60) for _ in range(3)] == [5, 5, 5]
        turn(limit=2)
        monkeypatch.setattr(SyncPrefectClient, "renew_concurrency_lease", renew)
        until(lambda: gate.size == 2)


def test_slots_that_other_machines_hold_are_taken_when_they_are_free(
    share: Slots, turn: Turn
) -> None:
    """At first what is left of the limit; without any the campaign waits, and says for what."""
    turn(limit=6)
    none_free = pytest.raises(NoSlotsError, match="taken by other runs")
    with another_machine(6), none_free, using(share, 5):
        pass
    with ExitStack() as elsewhere:
        elsewhere.enter_context(another_machine(4))
        with using(share, 5) as gate:
            assert (gate.size, taken()) == (2, 6)
            elsewhere.close()
            share._fit()
            assert (gate.size, taken()) == (5, 5)


@pytest.mark.usefixtures("turn")
def test_a_share_that_prefect_has_forgotten_is_taken_anew(share: Slots) -> None:
    """A server that was restarted with its leases in memory, or was away for longer than they last."""
    with using(share, 5) as gate:
        with share._fitting, get_client(sync_client=True) as client:  # its keeper fits it too
            for lease in share._leases:
                client.release_concurrency_slots_with_lease(lease.id)
            assert taken() == 0

        share._fit()

        assert (gate.size, taken()) == (5, 5)
    assert taken() == 0


def test_the_limit_turned_to_0_holds_a_campaign_up_in_its_middle(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, share: Slots, turn: Turn
) -> None:
    """Its run stays, and goes on with the next mail when the limit is raised."""
    campaign = new_campaign(leads=LEADS)
    held = {"fault": "stall", "on": "drafts.send", "times": 1, "seconds": 1}
    gmail.post("/sandbox/faults", json=held).raise_for_status()
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(copy_context().run, send_campaign, campaign, return_state=True)
        until(lambda: share.gate.size > 0)
        turn(limit=0)
        with pytest.raises(NoSlotsError):
            share._fit()
        assert share.gate.wait_until_empty(60)
        before = store.campaign_status(campaign).leads
        assert (before.pending > 0, run.done()) == (True, False)

        turn(limit=32)
        share._fit()

        assert run.result(60).message == f"{LEADS}/{LEADS} sent"
    assert (mails(gmail), taken()) == (LEADS, 0)
