"""What people who watch a run see: its name, its log, its events, and no address."""

import logging
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client

from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(240)]


def events(api: str, campaign: UUID) -> list[tuple[str, dict[str, Any]]]:
    """Ours alone, as they happened; a started run announces what it does in the end."""
    found = httpx.post(
        f"{api}/events/filter",
        json={"filter": {"resource": {"id": [f"campaign.{campaign}"]}, "order": "ASC"}},
    ).json()
    return [(event["event"], event["payload"]) for event in found["events"]]


def told(api: str, run: UUID) -> list[tuple[int, str]]:
    """Level and text of each line in the run's log, its tasks' included; a record may have some."""
    chosen = {"logs": {"flow_run_id": {"any_": [str(run)]}}, "sort": "TIMESTAMP_ASC"}
    return [
        (record["level"], line)
        for record in httpx.post(f"{api}/logs/filter", json=chosen).json()
        for line in record["message"].splitlines()
    ]


def test_a_run_tells_its_story_in_a_few_lines_and_two_events(
    world: World, deployed: str, new_campaign: NewCampaign
) -> None:
    """A line for each mail, and few beside them, whatever the number of leads."""
    campaign = new_campaign(leads=20, accounts=4)
    world.worker()
    run = world.start(campaign)

    assert world.ended(run) == "Completed"

    ended = until(
        lambda: (found := events(deployed, campaign)) and len(found) == 2 and found, "two events"
    )
    counts = {"sent": 20, "failed": 0, "total": 20}
    of = {"campaign_id": str(campaign), "name": "Spring"}
    assert ended == [
        ("campaign.started", {**of, "pending": 20, "total": 20}),
        ("campaign.completed", {**of, **counts}),
    ]
    with get_client(sync_client=True) as client:
        seen = client.read_flow_run(run)
    assert (seen.name, set(seen.tags)) == ("send Spring", {"outreach", f"campaign:{campaign}"})
    lines = until(
        lambda: (found := told(deployed, run)) and "20/20 sent" in found[-1][1] and found,
        "the last line of the log",
    )
    assert [line for line in lines if line[0] > logging.INFO] == []
    sends = [text for _, text in lines if text.startswith("Sent: ")]
    assert (len(sends), len(lines) - len(sends) < 12) == (20, True)
    assert not any("lead1" in text for _, text in lines)


def test_a_campaign_that_goes_on_later_and_one_that_fails_say_so(
    world: World, deployed: str, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """So that an automation can notify: a cap reached, then an account gone."""
    campaign = new_campaign(leads=3)
    db.execute("update accounts set daily_limit = 2")
    world.worker()
    assert world.ended(world.start(campaign), 200) == "Deferred"
    db.execute("update campaigns set resume_at = null")
    db.execute("delete from campaign_accounts")
    assert world.ended(world.start(campaign)) == "Failed"

    names = until(
        lambda: (
            (found := [name for name, _ in events(deployed, campaign)])
            and "campaign.failed" in found
            and found
        ),
        "the event of the failure",
    )

    assert names == ["campaign.started", "campaign.deferred", "campaign.failed"]
