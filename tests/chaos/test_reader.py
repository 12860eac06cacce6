"""Killed at every step, a reader records each mail once, and loses none."""

import signal

import pytest

from outreach import wiring
from outreach.mailboxes.now import read_now
from tests.chaos import reader
from tests.chaos.conftest import World, processes
from tests.chaos.sender import Plan

MOST_STEPS = 200
KINDS = ("reply", "bounce", "unsubscribe")


@pytest.mark.slow
def test_killed_at_every_step_it_records_each_mail_once(world: World) -> None:
    """SIGKILL before and after each SQL call and each HTTP request of a reading."""
    sender = _returned(world)
    for step in range(1, MOST_STEPS):
        _forget(world)
        was_killed = _read(world, sender, Plan(at_step=step)) == -signal.SIGKILL
        world.db.execute("update mailboxes set lease_until = now() where reader is not null")
        with wiring.using(world.settings) as services:
            read_now(services.store, services.inbox, address=sender)
        assert _recorded(world) == sorted(KINDS), f"killed at step {step}"
        if not was_killed:
            assert step > 20, "the steps were not counted"
            return
    pytest.fail("the reading does not end")


def test_each_call_made_twice_it_records_each_mail_once(world: World) -> None:
    """As after an answer that was lost."""
    sender = _returned(world)
    assert _read(world, sender, Plan(twice=True)) == 0
    assert _recorded(world) == sorted(KINDS)


def _returned(world: World) -> str:
    """A campaign that was sent, and a mail of each kind in its sender's mailbox; its address."""
    campaign = world.campaign(leads=len(KINDS))
    world.run(campaign)
    mails = world.gmail.get("/sandbox/mails").json()
    for kind, mail in zip(KINDS, mails, strict=True):
        body = {"kind": kind, "mail": mail["id"]}
        world.gmail.post("/sandbox/inbound", json=body).raise_for_status()
    return str(mails[0]["account"])


def _read(world: World, sender: str, plan: Plan) -> int | None:
    process = processes.Process(target=reader.read, args=(world.settings, sender, plan))
    process.start()
    world.senders.append(process)
    process.join(60)
    assert process.exitcode is not None, "the reader hangs"
    return process.exitcode


def _forget(world: World) -> None:
    """As if nothing had been read yet."""
    world.db.execute("delete from inbound; delete from suppressions; delete from mailboxes")


def _recorded(world: World) -> list[str]:
    """The kinds of what was recorded; that each is about one mail, and suppressed whom it should."""
    rows = world.db.execute(
        "select i.kind, count(m.attempt_id) from inbound i"
        " join inbound_mails m on m.inbound_id = i.id group by i.id"
    ).fetchall()
    assert all(mails == 1 for _, mails in rows)
    causes = world.db.execute("select cause from suppressions order by cause").fetchall()
    assert causes == [("dead",), ("opt_out",)]
    return sorted(kind for kind, _ in rows)
