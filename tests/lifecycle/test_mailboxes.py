"""The worker reads mailboxes beside its campaigns, also after it was killed."""

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import get_client

from outreach.deployment_names import READ
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, one_engine, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300), one_engine(["worker"])]

OFTEN = {"MAILBOX_SECONDS": "1"}


@pytest.fixture(autouse=True)
def reading(deployed: str) -> Iterator[None]:  # noqa: ARG001 - it has to be there
    """Elsewhere the deployment is paused."""
    pause(paused=False)
    yield
    pause(paused=True)


def pause(*, paused: bool) -> None:
    """As its switch in Prefect's UI does."""
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(READ).id
        (client.pause_deployment if paused else client.resume_deployment)(found)


def reply(world: World, number: int) -> None:
    mail = world.gmail.get("/sandbox/mails").json()[number]
    body = {"kind": "reply", "mail": mail["id"]}
    world.gmail.post("/sandbox/inbound", json=body).raise_for_status()


def test_a_worker_reads_what_comes_back(world: World, new_campaign: NewCampaign) -> None:
    """What one that was killed has not read, the next one reads."""
    campaign = new_campaign(leads=2)
    first = world.worker(**OFTEN)
    world.ended(world.start(campaign))
    reply(world, 0)
    until(lambda: len(list(world.store.mailboxes.replies(campaign))) == 1, "the first reply")

    first.vanish()
    reply(world, 1)
    world.worker(**OFTEN)

    # The lease of a mailbox that was being read has to lapse.
    until(lambda: len(list(world.store.mailboxes.replies(campaign))) == 2, "the second reply", 120)
