"""Every row of FACTS.md's table "what runs when": what becomes of the campaign in each."""

import os
import re
import shlex
import signal
import subprocess
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.states import Cancelled, Pending, Running

from flows.dispatch_campaigns import dispatch_campaigns
from outreach.campaign.models import LeadCounts
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import ROOT, World, one_engine, until
from tests.programs import needed

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(240)]

LEADS = 8
UNIT = (ROOT / "deployments" / "systemd" / "outreach-process-worker.service").read_text()
STOP = shlex.split(re.findall("^ExecStop=-(.*)$", UNIT, re.MULTILINE)[0])


@pytest.fixture
def campaign(new_campaign: NewCampaign) -> UUID:
    """Eight leads at one per 0.4 s: time enough to be broken."""
    return new_campaign(leads=LEADS)


def test_a_flow_that_raises_fails_its_campaign_and_says_why(world: World, campaign: UUID) -> None:
    """Once the cause is mended, a start goes on with the same leads."""
    (row,) = world.db.execute("select account_id from campaign_accounts").fetchall()
    world.db.execute("delete from campaign_accounts")
    world.worker()

    run = world.start(campaign)

    assert world.ended(run) == "Failed"
    status = until(
        lambda: (found := world.store.campaign_status(campaign)).status == "error" and found,
        "the hook",
    )
    assert status.leads == LeadCounts(pending=LEADS)
    assert "account" in str(status.error)
    world.db.execute("insert into campaign_accounts values (%s, %s)", [campaign, row[0]])
    assert world.ended(world.start(campaign)) == "Completed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_parameters_that_do_not_validate_fail_the_run_and_no_campaign(
    world: World, campaign: UUID
) -> None:
    """The API refuses them; who gets around it harms nobody."""
    world.worker()
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("send-campaign/send-campaign")
        made = httpx.post(
            f"{client.api_url}deployments/{deployment.id}/create_flow_run",
            json={"parameters": {"campaign_id": "nonsense"}, "enforce_parameter_schema": False},
        ).json()

    assert world.ended(UUID(made["id"])) == "Failed"
    assert world.status(campaign) == "running"
    assert world.go_on(campaign).status == "completed"
    assert world.account_for(campaign) == {"sent": LEADS}


@one_engine(["process"])
@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGTERM, "GivenBack"), (signal.SIGKILL, "Crashed")]
)
def test_a_flow_process_that_is_ended_alone_releases_its_campaign(
    world: World, campaign: UUID, number: signal.Signals, state: str
) -> None:
    """By itself, or by the hook in the worker: the dispatcher goes on, no lease is waited for."""
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker).send_signal(number)

    assert world.ended(run) == state
    until(lambda: not world._owned(campaign), "the hook", 20)
    assert world.status(campaign) == "running"
    assert world.go_on(campaign).status == "completed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_a_run_cancelled_while_it_sends_cancels_its_campaign(world: World, campaign: UUID) -> None:
    """Felt within one mail; who was mailed stays sent, all others are cancelled."""
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)
    world.cancel(run)

    assert world.ended(run) == "Cancelled"
    until(lambda: world.status(campaign) == "cancelled", "the hook", 20)
    assert world.go_on(campaign).status == "cancelled"
    world.move_clock(3600)
    dispatch_campaigns()
    counts = world.account_for(campaign)
    assert counts.keys() == {"sent", "cancelled"}
    assert sum(counts.values()) == LEADS


def test_a_run_cancelled_before_it_began_cancels_its_campaign(world: World, campaign: UUID) -> None:
    """No hook runs then; there is no worker either."""
    dispatch_campaigns()
    (run,) = world.store.campaign_status(campaign).flow_run_ids
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(run), Cancelled())

    dispatch_campaigns()

    assert world.status(campaign) == "cancelled"
    assert world.account_for(campaign) == {"cancelled": LEADS}


@one_engine(["worker"])
def test_a_worker_that_is_told_to_end_gives_its_campaign_back(world: World, campaign: UUID) -> None:
    """Every deploy: the mail in flight is recorded, and the next worker goes on at once."""
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)

    worker.process.terminate()

    assert worker.process.wait(35) == 0
    assert world.state(run).name == "GivenBack"
    assert not world._owned(campaign)
    assert world.go_on(campaign).status == "completed"
    assert world.account_for(campaign) == {"sent": LEADS}


@one_engine(["process"])
def test_a_worker_ended_in_mid_campaign_is_followed_by_another(
    world: World, campaign: UUID
) -> None:
    """Every deploy: the flow is killed without a word, its lease lapses, the next one goes on."""
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)

    worker.terminate()

    print(f"after SIGTERM to its worker the run is {world.state(run).name}")  # noqa: T201
    world.move_clock(120)
    assert world.go_on(campaign).status == "completed"
    assert world.state(run).name == "Crashed"
    assert world.account_for(campaign) == {"sent": LEADS}


@one_engine(["process"])
def test_a_worker_ended_by_systemd_gives_its_campaign_back(world: World, campaign: UUID) -> None:
    """Its unit ends the flow runs first: a stop is no crash, and no lease is waited for."""
    needed("pkill", "procps")
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)

    subprocess.run(STOP, env={**os.environ, "MAINPID": str(worker.process.pid)}, check=True)
    worker.terminate()

    assert world.state(run).name == "GivenBack"
    assert not world._owned(campaign)
    assert world.go_on(campaign).status == "completed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_a_machine_that_vanishes_is_followed_by_another(world: World, campaign: UUID) -> None:
    """Worker and flow killed at once."""
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)

    worker.vanish()

    assert world.state(run).name == "Running"
    world.move_clock(120)
    assert world.go_on(campaign).status == "completed"
    assert world.state(run).name == "Crashed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_a_worker_killed_while_its_run_is_pending_is_followed_by_another(
    world: World, campaign: UUID
) -> None:
    """Prefect leaves it Pending for good; after five minutes another is made and this one closed."""
    dispatch_campaigns()
    (run,) = world.store.campaign_status(campaign).flow_run_ids
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(run), Pending(), force=True)  # a worker took it, and died

    assert world.state(UUID(run)).is_pending()
    world.move_clock(360)
    assert world.go_on(campaign).status == "completed"
    assert world.state(UUID(run)).name == "Crashed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_three_machines_that_vanish_before_a_mail_are_an_error(
    world: World, campaign: UUID
) -> None:
    """Without progress: a person has to look."""
    for _ in range(3):
        run = world.start(campaign)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Running(), force=True)
        world.store.begin_run(campaign, run, 60)
        world.move_clock(120)

    status = world.go_on(campaign)

    assert status.status == "error"
    assert "Three runs in a row died" in str(status.error)
    assert world.account_for(campaign) == {"pending": LEADS}
