"""Killed at its steps, a sender of follow-ups mails each lead once more, and no more."""

import signal
from collections import Counter
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.chaos.conftest import World, read_steps
from tests.chaos.sender import Plan

LEADS = 2
ROUNDS = 8
EVERY = 3
"""Of the steps of a run, at each of which another chain's sender dies; chance moves them about."""


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("scopes", ["modify", "send,readonly"])
def test_killed_at_its_steps_it_follows_each_lead_once(
    world: World, tmp_path: Path, scopes: str
) -> None:
    """SIGKILL before and after SQL calls and HTTP requests, in both deliveries."""
    log = tmp_path / "steps"
    first = _follow_up(world, scopes)
    world.run(first, Plan(log=log))
    _run_to_the_end(world, first)
    steps = len(read_steps(log))
    assert steps > 20, "the steps were not counted"
    for step in range(1, steps, EVERY):
        follow_up = _follow_up(world, scopes)
        killed = world.run(follow_up, Plan(at_step=step)) == -signal.SIGKILL
        assert killed or step > steps - EVERY, f"nothing died at step {step}"
        _run_to_the_end(world, follow_up)
    leads = [
        lead
        for (campaign,) in world.db.execute("select id from campaigns").fetchall()
        for lead in world.store.list_campaign_leads(campaign)
    ]
    mails = Counter(mail["to"] for mail in world.gmail.get("/sandbox/mails").json())
    unclear = [lead for lead in leads if str(lead.error).startswith("may have been sent")]
    assert {lead.status for lead in leads} <= {"sent", "failed"}
    assert len(unclear) == sum(lead.status == "failed" for lead in leads)
    assert all(count <= 2 for count in mails.values())
    assert mails.total() >= sum(lead.status == "sent" for lead in leads)
    if scopes == "modify":
        assert (unclear, set(mails.values())) == ([], {2})


def _follow_up(world: World, scopes: str) -> UUID:
    """A step that is due for all leads of a campaign that was sent."""
    root, step = world.campaign(leads=LEADS, scopes=scopes), uuid4()
    world.run(root)
    world.store.add_step(root, step, seconds=1, template="<p>Once more</p>")
    world.db.execute(
        "update campaign_leads set sent_at = sent_at - interval '2 seconds' where campaign_id = %s",
        [root],
    )
    while world.store.plan_steps():
        pass
    return step


def _run_to_the_end(world: World, step: UUID) -> None:
    """Its owner silent, time moving, as a dispatcher sees it."""
    for _ in range(ROUNDS):
        world.lapse()
        world.move_clock(900)
        world.run(step)
        if not world.store.campaign_status(step).leads.pending:
            return
    pytest.fail("its leads stay pending")
