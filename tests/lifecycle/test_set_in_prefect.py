"""What a person sets a run to in Prefect happens: to its campaign, and to the mails that would leave."""

from collections.abc import Callable
from uuid import UUID

import pytest

from flows.dispatch_campaigns import dispatch_campaigns
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import DEPLOYMENT, World, until
from tests.lifecycle.operator import Operator

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300)]

LEADS = 70
"""At one per 0.4 s more than a run can send before it looks at its state again."""


@pytest.fixture
def campaign(new_campaign: NewCampaign) -> UUID:
    return new_campaign(leads=LEADS)


@pytest.fixture
def operator(deployed: str) -> Operator:
    return Operator(deployed)


def said(world: World, campaign: UUID) -> str:
    return world.command("campaigns", "status", str(campaign)).communicate()[0]


def until_it_rests(world: World, campaign: UUID) -> int:
    """The run has given its campaign back and its process is gone; how many mails left."""
    world.until_idle(world.workers[-1], campaign)
    return world.mails()


@pytest.fixture
def run(world: World, campaign: UUID) -> UUID:
    """In the middle of the campaign."""
    worker = world.worker()
    made = world.start(campaign)
    world.until_sending(worker)
    return made


@pytest.mark.parametrize("hold", [Operator.suspend, Operator.pause])
def test_suspended_or_paused_holds_all_mail_until_resume(
    world: World,
    campaign: UUID,
    run: UUID,
    operator: Operator,
    hold: Callable[[Operator, UUID], None],
) -> None:
    """However long that takes: the UI's own Suspend would fail after five minutes."""
    hold(operator, run)
    mails = until_it_rests(world, campaign)
    world.move_clock(3600)
    started = [dispatch_campaigns() for _ in range(2)]

    assert (started, world.mails(), world.status(campaign)) == ([0, 0], mails, "running")
    assert mails < LEADS
    state = operator.run(run)["state"]
    assert (state["name"], state["state_details"]["pause_timeout"]) == ("Suspended", None)
    assert "running, paused" in (told := said(world, campaign))
    assert "its run is suspended in Prefect. Resume goes on with it there" in told

    operator.resume(run)
    assert world.ended(run, 120) == "Completed"
    assert world.account_for(campaign) == {"sent": LEADS}
    assert world.store.campaign_status(campaign).flow_run_ids == [str(run)]


def test_a_suspended_campaign_is_resumed_by_the_command_too(
    world: World, campaign: UUID, run: UUID, operator: Operator
) -> None:
    """Another run goes on then, and the suspended one does not wait for ever."""
    operator.suspend(run)
    until_it_rests(world, campaign)
    assert world.command("campaigns", "resume", str(campaign)).wait() == 0

    assert dispatch_campaigns() == 1

    assert world.state(run).name == "Superseded"
    follower = UUID(world.store.campaign_status(campaign).flow_run_ids[-1])
    assert operator.run(follower)["name"] == "send Spring"
    assert world.ended(follower, 120) == "Completed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_cancel_of_a_suspended_run_cancels_its_campaign(
    world: World, campaign: UUID, run: UUID, operator: Operator
) -> None:
    """No process is there to do it: the dispatcher does."""
    operator.suspend(run)
    mails = until_it_rests(world, campaign)
    operator.cancel(run)

    assert dispatch_campaigns() == 0
    assert world.account_for(campaign) == {"sent": mails, "cancelled": LEADS - mails}


def test_a_suspended_run_whose_machine_vanishes_holds_its_campaign_all_the_same(
    world: World, campaign: UUID, run: UUID, operator: Operator
) -> None:
    """Before it could look at its state; Resume goes on, on another machine."""
    operator.suspend(run)
    world.workers[-1].vanish()
    world.move_clock(120)

    assert [dispatch_campaigns() for _ in range(2)] == [0, 0]
    assert "suspended in Prefect" in said(world, campaign)
    operator.resume(run)
    world.worker()
    assert world.ended(run, 120) == "Completed"
    assert world.account_for(campaign) == {"sent": LEADS}


def test_a_state_forced_to_cancelled_stops_the_run_and_cancels_its_campaign(
    world: World, campaign: UUID, run: UUID, operator: Operator
) -> None:
    """Prefect itself tells the process nothing, and would overwrite the state at its end."""
    operator.force(run, "CANCELLED")
    mails = until_it_rests(world, campaign)

    assert (world.state(run).name, world.status(campaign)) == ("Cancelled", "cancelled")
    assert world.account_for(campaign) == {"sent": mails, "cancelled": LEADS - mails}


@pytest.mark.parametrize("kind", ["FAILED", "COMPLETED"])
def test_any_other_end_that_is_forced_stops_the_run_and_is_the_campaigns_error(
    world: World, campaign: UUID, run: UUID, operator: Operator, kind: str
) -> None:
    """Nobody knows what was meant; what is pending stays, and a retry goes on with it."""
    operator.force(run, kind)
    mails = until_it_rests(world, campaign)
    status = world.store.campaign_status(campaign)

    until(lambda: world.state(run).name == "Failed", "the run's own end")
    assert status.status == "error"
    assert status.error == f"A person set its run to {kind.capitalize()} in Prefect while it sent."
    assert (status.leads.sent, status.leads.pending) == (mails, LEADS - mails)
    operator.retry(run)
    until(lambda: world.status(campaign) == "completed", "the rest of it", 120)
    assert world.account_for(campaign) == {"sent": LEADS}


def test_a_retried_run_is_no_green_one_while_its_campaign_is_in_error(
    world: World, new_campaign: NewCampaign, operator: Operator
) -> None:
    """All failed, so nothing is left to send: the run says so again, however often it is retried."""
    lead = {"email": "a@acme.example", "company": "Acme", "email_template": "Hello {{ nmae }}",
            "email_subject": "A deck"}  # fmt: skip
    campaign = new_campaign(leads=[lead])
    world.worker()
    run = world.start(campaign)
    assert world.ended(run) == "Failed"

    operator.retry(run)
    until(lambda: operator.run(run)["run_count"] > 1, "the retry")

    assert world.ended(run) == "Failed"
    assert world.state(run).message == "The campaign is in error: All email sends failed"
    assert world.status(campaign) == "error"


def test_runs_have_their_campaigns_name_before_they_begin(
    world: World, campaign: UUID, operator: Operator
) -> None:
    """Whoever asked for them, so that Upcoming says what is to come. No worker is up."""
    dispatch_campaigns()
    (dispatched,) = world.runs_of(campaign)
    started = UUID(world.start_by_command(campaign, "--force").communicate()[0].strip())

    assert [operator.run(one)["name"] for one in (dispatched, started)] == ["send Spring"] * 2
    assert {world.state(one).name for one in (dispatched, started)} == {"Scheduled"}


def test_runs_of_a_schedule_are_called_after_its_campaign(
    world: World, campaign: UUID, operator: Operator
) -> None:
    """Prefect's server makes them ahead, by two random words; the dispatcher's next round knows."""
    schedule = {
        "schedule": {"cron": "0 3 * * *", "timezone": "UTC"},
        "parameters": {"campaign_id": str(campaign)},
        "active": True,
    }
    deployment = operator.deployment(DEPLOYMENT)["id"]
    (made,) = operator.ask("POST", f"/deployments/{deployment}/schedules", [schedule])
    try:
        until(lambda: len(world.runs_of(campaign)) > 1, "the schedule's runs", 150)
        dispatch_campaigns()
        names = {operator.run(one)["name"] for one in world.runs_of(campaign)}
    finally:
        operator.ask("DELETE", f"/deployments/{deployment}/schedules/{made['id']}")

    assert names == {"send Spring"}
