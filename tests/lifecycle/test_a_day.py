"""Several campaigns, the dispatcher on its schedule, a deploy in the middle; no clock is moved."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from prefect.client.orchestration import get_client

from outreach.campaign.models import LeadCounts
from outreach.settings import Settings
from tests.lifecycle.conftest import World, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(600)]

LEADS = 30
DISPATCHER = "dispatch-campaigns/dispatch-campaigns"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Paces as of real accounts."""
    return settings.model_copy(update={"send_pace_seconds": 1.0})


@pytest.fixture
def schedule(deployed: str) -> Iterator[None]:  # noqa: ARG001 - it has to be there
    """The dispatcher's, which other tests have paused."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DISPATCHER)
        client.resume_deployment(deployment.id)
        yield
        client.pause_deployment(deployment.id)


def made(world: World, name: str) -> UUID:
    """A campaign with thirty leads and an account of its own, started."""
    rows: list[dict[str, object]] = [
        {
            "email": f"{name}{number}@acme.example",
            "company": "Acme",
            "email_subject": "A deck",
            "email_template": "<p>Hello</p>",
        }
        for number in range(LEADS)
    ]
    sender = f"{name}@ours.example"
    world.store.import_leads(rows, tag=name)
    world.store.save_account(uuid4(), sender, refresh_token=f"sandbox:{sender}:modify")
    campaign = uuid4()
    world.store.create_campaign(campaign, name, [sender], tag=name)
    world.store.start_campaign(campaign)
    return campaign


@pytest.mark.usefixtures("schedule")
def test_a_day_with_a_deploy_in_the_middle_of_it(world: World, db: psycopg.Connection) -> None:
    """Two scheduled, one now, one cancelled in Prefect: all end right, and every mail once."""
    now, soon, later, unwanted = (
        made(world, name) for name in ("now", "soon", "later", "unwanted")
    )
    for campaign, seconds in ((soon, 20), (later, 100)):
        db.execute(
            "update campaigns set status = 'scheduled', scheduled_at = now() + %s * interval '1 second' where id = %s",
            [seconds, campaign],
        )
    worker = world.worker()
    world.start(unwanted)
    world.start(now)
    until(lambda: world.leads(unwanted).sent, "mails of the one to be cancelled")
    # The dispatcher starts it too: whichever run comes second ends as AlreadyRunning.
    (sender,) = db.execute("select run_id from campaigns where id = %s", [unwanted]).fetchall()
    world.cancel(sender[0])
    until(lambda: world.status(unwanted) == "cancelled", "the cancellation")
    until(lambda: world.leads(now).sent > 2, "mails of the one to be cut short")

    worker.terminate()
    world.worker()

    for campaign in (now, soon, later):
        until(lambda c=campaign: world.status(c) == "completed", "its end", 400)  # type: ignore[misc]
    ends = [world.leads(campaign) for campaign in (now, soon, later)]
    assert ends == [LeadCounts(sent=LEADS)] * 3
    starts = db.execute(
        "select started_at >= scheduled_at from campaigns where scheduled_at is not null"
    ).fetchall()
    assert starts == [(True,), (True,)]
    cut = world.leads(unwanted)
    assert cut == LeadCounts(sent=cut.sent, cancelled=LEADS - cut.sent)
    mails = [mail["to"] for mail in world.gmail.get("/sandbox/mails").json()]
    assert len(mails) == len(set(mails)) == 3 * LEADS + cut.sent
