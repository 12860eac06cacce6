"""The ways to start a campaign, on a real server with a real worker."""

import time
from collections import Counter
from uuid import UUID

import pytest

from flows.dispatch_campaigns import dispatch_campaigns
from outreach.campaign.models import LeadCounts
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(240)]


def test_started_in_every_way_at_once_one_run_sends(
    world: World, new_campaign: NewCampaign
) -> None:
    """By dispatcher, API, event, command, and in a process of its own: all others say so."""
    campaign = new_campaign(leads=40)
    dispatch_campaigns()
    command = world.start_by_command(campaign)
    out, err = command.communicate()
    assert command.returncode == 0, err
    by_command = UUID(out.strip())
    world.start_by_event(campaign)
    world.start(campaign)
    runs = world.runs_of(campaign)
    assert len(runs) == 4
    assert by_command in runs
    world.worker()
    here = world.start_by_command(campaign, "--local")

    names = Counter(world.ended(run, 120) for run in runs)
    told, refused = here.communicate(timeout=120)

    if here.returncode == 0:
        assert (names, told) == (Counter({"AlreadyRunning": 4}), "40/40 sent\n")
    else:
        assert names == Counter({"AlreadyRunning": 3, "Completed": 1})
        assert "already" in refused or "Another run" in refused
    assert world.account_for(campaign) == {"sent": 40}
    assert world.store.campaign_status(campaign).leads == LeadCounts(sent=40)


@pytest.mark.parametrize("way", ["api", "event"])
def test_from_a_start_to_the_first_mail(world: World, new_campaign: NewCampaign, way: str) -> None:
    """Measured with a worker that waits; docs/operating.md tells the figures."""
    campaign = new_campaign(leads=2)
    worker = world.worker()
    world.until_started(worker)

    began = time.monotonic()
    run = world.start(campaign) if way == "api" else world.start_by_event(campaign)
    until(lambda: world.mails() >= 1, "the first mail")
    took = time.monotonic() - began

    print(f"from {way} to the first mail: {took:.1f} s")  # noqa: T201
    assert took < 30
    assert world.ended(run) == "Completed"
    assert world.account_for(campaign) == {"sent": 2}
