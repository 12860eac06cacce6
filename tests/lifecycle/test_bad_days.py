"""Bad days of a worker that runs many campaigns, and what they get."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from deployments.worker.worker import CampaignWorker
from flows.dispatch_campaigns import dispatch_campaigns
from outreach.deployment_names import POOL
from outreach.settings import Settings
from tasks.lease import LEASE_SECONDS
from tasks.slots import LEASE_SECONDS as SLOT_LEASE_SECONDS
from tasks.slots import LIMIT as SLOTS
from tasks.slots import limit
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import DEPLOYMENT, World, one_engine, until
from tests.lifecycle.operator import Operator
from tests.lifecycle.test_server_restarts import (  # noqa: F401 - what pytest finds here
    Restartable,
    deployed,
    prefect_api,
    server_of_prefect,
)
from tests.lifecycle.without_websockets import without_websockets

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300), one_engine(["worker"])]

CAMPAIGNS = 20
KILLS = 4
GO_ON_SECONDS = 90
IN_MEMORY = "prefect.server.concurrency.lease_storage.memory"
SOON_LOST = {"PREFECT_CLIENT_MAX_RETRIES": "0", "PREFECT_WORKER_QUERY_SECONDS": "0.1"}
"""Prefect's worker ends after seconds without a server, instead of after twenty minutes."""
OURS_ALONE = (
    "This work pool runs the flows send-campaign, dispatch-campaigns and read-mailboxes alone."
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"campaigns_at_once": 2 * CAMPAIGNS})


@pytest.fixture
def operator(deployed: str) -> Operator:  # noqa: F811
    return Operator(deployed)


@pytest.fixture
def client(deployed: str) -> Iterator[SyncPrefectClient]:  # noqa: ARG001, F811 - it has to be there
    with get_client(sync_client=True) as made:
        yield made


def active_slots(client: SyncPrefectClient) -> int:
    return client.read_global_concurrency_limit_by_name(SLOTS).active_slots


# --- Prefect's server -----------------------------------------------------------------------------


def test_a_run_that_ends_while_the_server_is_away_is_told_afterwards(
    world: World,
    server_of_prefect: Restartable,  # noqa: F811
    new_campaign: NewCampaign,
) -> None:
    """No run stays Running for good; Prefect's own worker would have ended, ours begins again."""
    campaign = new_campaign(leads=40)
    worker = world.worker(**SOON_LOST)
    run = world.start(campaign)
    world.until_sending(worker)

    server_of_prefect.stop()
    until(lambda: "The worker lost Prefect's server" in worker.log.read_text(), "its loop's end")
    until(lambda: world.status(campaign) == "completed", "the campaign's end without a server")
    server_of_prefect.start_again()

    assert world.ended(run) == "Completed"
    assert world.state(run).message == "40/40 sent"
    assert world.account_for(campaign) == {"sent": 40}
    assert world.ended(world.start(campaign)) == "AlreadyEnded"


def test_a_server_that_forgets_its_leases_keeps_no_slots(
    world: World,
    server_of_prefect: Restartable,  # noqa: F811
    client: SyncPrefectClient,
    new_campaign: NewCampaign,
) -> None:
    """In its memory, as Prefect has it by default: they are lost with a restart."""
    server_of_prefect.stop()
    server_of_prefect.start_again(PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=IN_MEMORY)
    campaign = new_campaign(leads=60)
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)
    taken = active_slots(client)
    told, _ = world.command("doctor").communicate()

    server_of_prefect.stop()
    server_of_prefect.start_again()

    assert "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE" in told
    assert taken > 0
    assert world.ended(run) == "Completed"
    assert world.account_for(campaign) == {"sent": 60}
    until(lambda: active_slots(client) == 0, "the slots that it had before")


def test_without_websockets_campaigns_start_and_stop_all_the_same(
    world: World,
    deployed: str,  # noqa: F811
    new_campaign: NewCampaign,
) -> None:
    """By polls."""
    campaign = new_campaign(leads=200)
    with without_websockets(deployed) as (api, refused):
        worker = world.worker(PREFECT_API_URL=api)
        run = world.start(campaign)
        world.until_sending(worker)

        world.cancel(run)

        assert world.ended(run) == "Cancelled"
        assert world.status(campaign) == "cancelled"
        assert refused
        told, _ = world.command("doctor", PREFECT_API_URL=api).communicate()
        assert "Prefect's events are not heard" in told
        worker.terminate()
    assert "Prefect's events are not heard for now" in worker.log.read_text()


# --- runs -----------------------------------------------------------------------------------------


def test_a_finished_run_that_is_polled_again_mails_nobody(
    world: World, operator: Operator, new_campaign: NewCampaign
) -> None:
    """As after a restored backup, and with two workers of one name."""
    campaign = new_campaign(leads=4)
    for _ in range(2):
        world.worker("--name", "twin")
    run = world.start(campaign)
    assert world.ended(run) == "Completed"

    operator.force(run, "SCHEDULED")

    until(lambda: world.state(run).name == "AlreadyEnded", "its second end")
    assert world.account_for(campaign) == {"sent": 4}


def test_a_run_that_the_server_cancels_by_itself_records_the_mail_in_flight(
    world: World, operator: Operator, new_campaign: NewCampaign
) -> None:
    """No other leaves, and its end stays Cancelled."""
    campaign = new_campaign(leads=30)
    world.gmail.post("/sandbox/settings", json={"latency_seconds": 1})
    worker = world.worker()
    run = world.start(campaign)
    in_flight = "select from send_attempts where outcome is null"
    until(lambda: world.db.execute(in_flight).fetchall(), f"a mail in flight; see {worker.log}")

    world.cancel(run)
    operator.force(run, "CANCELLED")

    until(lambda: world.status(campaign) == "cancelled", "the hook")
    until(lambda: not world.db.execute(in_flight).fetchall(), "the outcome of that mail")
    mails = world.mails()
    counts = world.account_for(campaign)
    assert counts == {"sent": mails, "cancelled": 30 - mails}
    assert world.ended(world.start(campaign)) == "AlreadyEnded"  # the worker goes on
    assert (world.state(run).name, world.mails()) == ("Cancelled", mails)


def test_what_is_not_ours_is_refused_and_told(world: World, client: SyncPrefectClient) -> None:
    """Another project's flow, a deployment without an entrypoint, an unknown campaign."""
    world.worker()
    flow = client.create_flow_from_name("another-project")
    deployments = [
        client.create_deployment(flow, name, work_pool_name=POOL, entrypoint=entrypoint)
        for name, entrypoint in (("other", "other/flows.py:send"), ("nothing", None))
    ]
    runs = [client.create_flow_run_from_deployment(one).id for one in deployments]
    unknown = world.start(uuid4())

    assert [world.ended(run) for run in (*runs, unknown)] == ["Failed"] * 3
    assert all(str(world.state(run).message).startswith(OURS_ALONE) for run in runs)
    assert "campaign" in str(world.state(unknown).message)


# --- deployments and pools ------------------------------------------------------------------------


def test_a_deployment_deleted_between_poll_and_start_costs_no_place(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's only one here."""
    flow = client.create_flow_from_name("another-project")
    deployment = client.create_deployment(flow, "deleted", work_pool_name=POOL)
    client.create_flow_run_from_deployment(deployment)

    async def polled() -> None:
        async with CampaignWorker(POOL, limit=1) as worker:
            found = await worker.client.get_scheduled_flow_runs_for_work_pool(POOL)
            assert found

            async def stale(*_: object, **__: object) -> object:
                return found

            monkeypatch.setattr(worker.client, "get_scheduled_flow_runs_for_work_pool", stale)
            await worker.client.delete_deployment(deployment)
            assert await worker.get_and_submit_flow_runs() == []
            assert len(worker.runs) == 0

    asyncio.run(polled())


def test_a_deleted_pool_is_made_anew_with_its_deployments(
    world: World, client: SyncPrefectClient, new_campaign: NewCampaign
) -> None:
    """What sends goes on, and the next start is taken."""
    campaign = new_campaign(leads=60)  # sent for longer than the pool is away
    worker = world.worker(PREFECT_WORKER_HEARTBEAT_SECONDS="1")
    run = world.start(campaign)
    world.until_sending(worker)

    client.delete_work_pool(POOL)

    until(lambda: client.read_deployment_by_name(DEPLOYMENT).work_pool_name == POOL, "the pool")
    assert world.ended(world.start(campaign)) == "AlreadyRunning"
    assert world.ended(run) == "Completed"
    assert world.account_for(campaign) == {"sent": 60}
    assert f"The work pool {POOL} was deleted: it is made anew" in worker.log.read_text()


def test_a_pool_that_is_paused_or_made_smaller_ends_nothing(
    world: World, client: SyncPrefectClient, operator: Operator, new_campaign: NewCampaign
) -> None:
    """What sends goes on; what comes waits until there is a place."""
    campaign = new_campaign(leads=15)
    pool = f"/work_pools/{POOL}"
    worker = world.worker()
    first = world.start(campaign)
    world.until_sending(worker)

    operator.ask("PATCH", pool, {"concurrency_limit": 1})
    second = world.start(campaign)
    assert [world.ended(run) for run in (first, second)] == ["Completed", "AlreadyEnded"]
    assert ended_at(client, first) <= began_at(client, second)

    operator.ask("PATCH", pool, {"concurrency_limit": None, "is_paused": True})
    third = world.start(campaign)
    told, _ = world.command("doctor").communicate()
    resumed = datetime.now(UTC)
    operator.ask("PATCH", pool, {"is_paused": False})
    assert world.ended(third) == "AlreadyEnded"
    assert began_at(client, third) >= resumed
    assert f"The work pool {POOL} is paused" in told


def test_a_run_that_is_deleted_while_it_sends_is_followed_by_another(
    world: World, client: SyncPrefectClient, new_campaign: NewCampaign
) -> None:
    """Prefect records nothing more of it; nobody is mailed twice, and nobody is left out."""
    campaign = new_campaign(leads=80)
    world.db.execute("update accounts set pace_seconds = 1.5")
    worker = world.worker()
    deleted = world.start(campaign)
    world.until_sending(worker)
    client.delete_flow_run(deleted)

    def others() -> set[UUID]:
        dispatch_campaigns()
        return world.runs_of(campaign) - {deleted}

    (another,) = until(others, "another run", 150)
    world.db.execute("update accounts set pace_seconds = 0")

    assert world.ended(another, 120) == "Completed"
    assert world.account_for(campaign) == {"sent": 80}


def began_at(client: SyncPrefectClient, run: UUID) -> Any:
    return client.read_flow_run(run).start_time


def ended_at(client: SyncPrefectClient, run: UUID) -> Any:
    return client.read_flow_run(run).end_time


# --- its death ------------------------------------------------------------------------------------


def started(world: World, number: int, leads: int) -> UUID:
    """A campaign with an account of its own."""
    name, sender = f"c{number}", f"c{number}@ours.example"
    rows: list[dict[str, object]] = [
        {
            "email": f"lead{lead}@{name}.example",
            "company": "Acme",
            "email_subject": "A deck",
            "email_template": "<p>Hello</p>",
        }
        for lead in range(leads)
    ]
    world.store.import_leads(rows, tag=name)
    world.store.save_account(uuid4(), sender, refresh_token=f"sandbox:{sender}:modify")
    campaign = uuid4()
    world.store.create_campaign(campaign, name, [sender], tag=name)
    world.store.start_campaign(campaign)
    return campaign


@pytest.mark.chaos
def test_a_killed_worker_that_held_twenty_campaigns_loses_none(world: World) -> None:
    """No mail is doubled or lost, and all go on within a minute and a half."""
    leads = 45
    world.settings = world.settings.model_copy(update={"send_pace_seconds": 1.0})
    campaigns = [started(world, number, leads) for number in range(CAMPAIGNS)]
    dispatch_campaigns()
    worker = world.worker()
    until(lambda: all(sent(world, campaigns)), f"a mail of each; see {worker.log}", 90)
    worker.vanish()
    before = sent(world, campaigns)
    world.move_clock(LEASE_SECONDS)

    dispatch_campaigns()
    world.worker()

    goes_on = [min(one + 1, leads) for one in before]
    until(
        lambda: all(now >= one for now, one in zip(sent(world, campaigns), goes_on, strict=True)),
        "another mail of each",
        GO_ON_SECONDS,
    )
    until(lambda: sum(sent(world, campaigns)) == CAMPAIGNS * leads, "all mails", 120)
    assert world.gmail.get("/sandbox/duplicates").json() == {}
    assert world.mails() == CAMPAIGNS * leads


def sent(world: World, campaigns: list[UUID]) -> list[int]:
    return [world.leads(campaign).sent for campaign in campaigns]


def test_after_four_kills_no_mail_waits_for_slots_that_the_dead_hold(
    world: World, client: SyncPrefectClient, new_campaign: NewCampaign
) -> None:
    """There are two, and each worker had both: the next one on its machine gives them back."""
    with suppress(ObjectNotFound):  # with the slots that workers of other tests died with
        client.delete_global_concurrency_limit_by_name(SLOTS)
    limit(client)
    client.update_global_concurrency_limit(SLOTS, GlobalConcurrencyLimitUpdate(limit=2))
    campaign = new_campaign(leads=60)
    for _ in range(KILLS):
        mails = world.mails()
        dispatch_campaigns()
        worker = world.worker()
        until(lambda mails=mails: world.mails() > mails, f"a mail; see {worker.log}")  # type: ignore[misc]
        assert active_slots(client) == 2
        worker.vanish()
        world.move_clock(LEASE_SECONDS)

    mails = world.mails()
    dispatch_campaigns()
    worker = world.worker()
    (*_, run) = map(UUID, world.store.campaign_status(campaign).flow_run_ids)
    until(lambda: world.state(run).is_running(), f"the last one's run; see {worker.log}")
    until(lambda: world.mails() > mails, "its first mail", SLOT_LEASE_SECONDS / 2)
    assert world.ended(run) == "Completed"
    assert world.account_for(campaign) == {"sent": 60}
