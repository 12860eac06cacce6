"""The worker's own dispatcher: a row is enough, also on bad days."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate

from outreach.deployment_names import DISPATCH, POOL
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, one_engine, until
from tests.pgbouncer import transaction_pooling

pytestmark = [
    pytest.mark.lifecycle,
    pytest.mark.timeout(240),
    one_engine(["worker"]),
]


@pytest.fixture(autouse=True)
def dispatching(deployed: str) -> Iterator[None]:  # noqa: ARG001 - it has to be there
    """Elsewhere the deployment is paused, since the tests call the dispatcher themselves."""
    pause(paused=False)
    yield
    pause(paused=True)


def pause(*, paused: bool) -> None:
    """As its switch in Prefect's UI does."""
    with get_client(sync_client=True) as client:
        dispatcher = client.read_deployment_by_name(DISPATCH).id
        (client.pause_deployment if paused else client.resume_deployment)(dispatcher)


def started(world: World, count: int = 1) -> None:
    """Wait for this many workers to listen."""
    until(lambda: len(world.store.dispatcher_state().dispatchers) >= count, "their dispatchers")


def draft(new_campaign: NewCampaign, world: World, leads: int = 2) -> UUID:
    campaign = new_campaign(leads=leads)
    world.db.execute("update campaigns set status = 'draft' where id = %s", [campaign])
    return campaign


def run_by_row(world: World, *campaigns: UUID) -> None:
    """As the web app does."""
    world.db.execute("update campaigns set status = 'running' where id = any (%s)", [[*campaigns]])


def completed(world: World, campaign: UUID, seconds: float = 60) -> None:
    until(lambda: world.store.campaign_status(campaign).status == "completed", "its end", seconds)


def test_a_row_is_enough(world: World, new_campaign: NewCampaign) -> None:
    """Its run has the campaign's name, tag and parameters, as any other."""
    campaign = draft(new_campaign, world)
    world.worker()
    started(world)
    run_by_row(world, campaign)

    completed(world, campaign)

    (run,) = world.store.campaign_status(campaign).flow_run_ids
    assert world.ended(UUID(run)) == "Completed"
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(UUID(run))
    assert (found.name, f"campaign:{campaign}" in found.tags) == ("send Spring", True)
    assert found.parameters == {"campaign_id": str(campaign)}
    assert world.account_for(campaign) == {"sent": 2}


def test_two_workers_and_many_rows_begin_each_campaign_once(
    world: World, new_campaign: NewCampaign
) -> None:
    campaigns = [draft(new_campaign, world, leads=1) for _ in range(30)]
    for _ in range(2):
        world.worker()
    started(world, 2)
    run_by_row(world, *campaigns)

    for campaign in campaigns:
        completed(world, campaign, 120)

    runs = [world.store.campaign_status(campaign).flow_run_ids for campaign in campaigns]
    assert [len(own) for own in runs] == [1] * len(campaigns)
    assert world.mails() == len(campaigns)


def test_a_row_without_a_notification_is_found_within_a_minute(
    world: World, new_campaign: NewCampaign
) -> None:
    """The trigger was dropped by hand."""
    campaign = draft(new_campaign, world)
    world.worker()
    started(world)
    world.db.execute("drop trigger outreach_due on campaigns")
    assert not world.store.dispatcher_state().rows_tell
    run_by_row(world, campaign)

    completed(world, campaign, 75)


def test_behind_pgbouncer_a_row_is_found_by_polls_and_doctor_says_so(
    world: World, new_campaign: NewCampaign
) -> None:
    """In transaction mode it accepts LISTEN, and no notification comes."""
    campaign = draft(new_campaign, world)
    assert world.settings.database_url is not None
    with transaction_pooling(world.settings.database_url) as url:
        there = {"DATABASE_URL": url.get_secret_value()}
        worker = world.worker(**there)
        started(world)
        run_by_row(world, campaign)
        completed(world, campaign)

        doctor = world.command("doctor", "--json", **there)
        told = [one["message"] for one in json.loads(doctor.communicate(timeout=60)[0])]
        worker.vanish()

    assert any("Notifications of the database do not reach" in message for message in told), told
    assert world.account_for(campaign) == {"sent": 2}


def test_a_session_that_was_killed_is_made_anew(world: World, new_campaign: NewCampaign) -> None:
    campaign = draft(new_campaign, world)
    world.worker()
    started(world)
    killed = world.db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and query like 'listen%'"
    ).fetchall()
    assert killed == [(True,)]
    run_by_row(world, campaign)

    completed(world, campaign, 75)


def test_a_paused_dispatcher_starts_nothing_until_it_is_resumed(
    world: World, new_campaign: NewCampaign
) -> None:
    pause(paused=True)
    campaign = draft(new_campaign, world)
    worker = world.worker()
    started(world)
    run_by_row(world, campaign)
    until(lambda: world.store.next_due() == 0, "its time")
    world.db.execute("select pg_notify('outreach_due', '')")
    assert world.runs_of(campaign) == set()

    pause(paused=False)

    completed(world, campaign, 75)
    assert worker.process.poll() is None


def test_a_paused_pool_holds_the_runs_that_the_dispatcher_makes(
    world: World, new_campaign: NewCampaign
) -> None:
    """As it holds any other."""
    campaign = draft(new_campaign, world)
    with get_client(sync_client=True) as client:
        client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
    try:
        world.worker()
        started(world)
        run_by_row(world, campaign)
        (run,) = until(lambda: world.runs_of(campaign), "its run")
        assert world.state(run).is_scheduled()
    finally:
        with get_client(sync_client=True) as client:
            client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))

    completed(world, campaign)
    assert world.store.campaign_status(campaign).flow_run_ids == [str(run)]
