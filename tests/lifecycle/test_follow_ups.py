"""A worker that is killed while it sends follow-ups: no lead gets one twice, none is lost."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from outreach.settings import Settings
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, one_engine, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300), one_engine(["worker"])]

LEADS = 4
ARRIVED, NEVER_ARRIVED = "lead0@acme0.example", "lead1@acme1.example"
"""Of two accounts; their follow-ups are in flight when the worker dies."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A mail stays in flight until the worker is killed."""
    return settings.model_copy(update={"gmail_timeout_seconds": 20})


@pytest.mark.parametrize("scopes", ["modify", "send,readonly"])
def test_a_worker_killed_while_it_sends_a_step_is_followed_by_another(
    world: World, new_campaign: NewCampaign, scopes: str
) -> None:
    """The mail before it, in the same thread, is never taken for the one whose answer was lost.

    A direct mail that never arrived is not sent again; its lead is named.
    """
    root = new_campaign(leads=LEADS, accounts=2, scopes=scopes)
    worker = world.worker()
    world.ended(world.start(root))
    step = _due_step(world, root)
    for address, fault in ((ARRIVED, "accept_then_stall"), (NEVER_ARRIVED, "stall")):
        body = {"fault": fault, "on": "send", "to": address, "seconds": 20}
        world.gmail.post("/sandbox/faults", json=body).raise_for_status()
    world.start(step)
    until(lambda: _in_flight(world) >= {ARRIVED, NEVER_ARRIVED}, f"both; see {worker.log}")

    worker.vanish()
    world.gmail.delete("/sandbox/faults").raise_for_status()
    world.move_clock(1800)  # whatever is in doubt can be settled
    world.go_on(step)

    sent = world.gmail.get("/sandbox/mails").json()
    mails = Counter(mail["to"] for mail in sent)
    unclear = {NEVER_ARRIVED} if scopes != "modify" else set()
    leads = list(world.store.list_campaign_leads(step))
    noted = [*world.store.list_campaign_leads(root), *leads]
    assert {lead.email: lead.status for lead in leads} == {
        address: "failed" if address in unclear else "sent" for address in mails
    }
    assert mails == {address: 1 if address in unclear else 2 for address in mails}
    assert {lead.message_id for lead in noted if lead.message_id} == {mail["id"] for mail in sent}
    assert [str(lead.error)[:18] for lead in leads if lead.error] == ["may have been sent"] * len(
        unclear
    )


def _due_step(world: World, root: UUID) -> UUID:
    step = uuid4()
    world.store.add_step(root, step, seconds=1, template="<p>Once more</p>")
    world.db.execute("update campaign_leads set sent_at = sent_at - interval '2 seconds'")
    assert world.store.plan_steps() == LEADS
    return step


def _in_flight(world: World) -> set[str]:
    rows = world.db.execute("select address from send_attempts where outcome is null").fetchall()
    return {address for (address,) in rows}
