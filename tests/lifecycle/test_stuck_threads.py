"""A run of which a thread does not come back, under `outreach up`: its process ends all the same.

Within seconds of a cancellation, or of the campaign being another's. What may have left stays
written ahead, and is settled.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from gmail_sandbox.server import Sandbox
from tests.flows.conftest import sandbox  # noqa: F401 - what pytest finds here
from tests.flows.test_up import Machine, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(400)]

SECONDS = 12.0
"""It is done in five; Prefect alone takes thirty, and never ends a run that it was not told of."""

HOLD_THE_INTERPRETER = """
import os, pathlib, re, threading, time

def hold():
    told = pathlib.Path({told!r})
    while not told.exists() or told.read_text() != os.environ["PREFECT__FLOW_RUN_ID"]:
        time.sleep(0.05)
    told.unlink()
    re.match("(a+)+$", "a" * 64 + "b")  # longer than anybody lives, and lets no other thread run

if "PREFECT__FLOW_RUN_ID" in os.environ:
    threading.Thread(target=hold, daemon=True).start()
"""


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:  # noqa: F811
    """Gmail may take two minutes to answer, and a run can be told to hold the interpreter's lock."""
    folder = tmp_path / "machine"
    folder.mkdir()
    made = Machine(folder, sandbox)
    injected = tmp_path / "injected"
    injected.mkdir()
    (injected / "sitecustomize.py").write_text(
        HOLD_THE_INTERPRETER.format(told=str(tmp_path / "hold"))
    )
    made.environment |= {"GMAIL_TIMEOUT_SECONDS": "120", "PYTHONPATH": str(injected)}
    made.up_and_ready()
    made.until_served()
    yield made
    made.close()


@pytest.fixture
def db(machine: Machine) -> Iterator[psycopg.Connection]:
    with psycopg.connect(machine.outreach("db", "url"), autocommit=True) as connection:
        yield connection


class Stuck:
    """A campaign in the middle, and the process of its run."""

    def __init__(self, machine: Machine, leads: int) -> None:
        self.machine = machine
        self.id = machine.campaign("spring", leads=leads)
        self.run = machine.outreach("campaigns", "start", self.id)
        until(lambda: bool(self.processes()), "the run's process")
        (self.process,) = self.processes()

    def processes(self) -> list[psutil.Process]:
        up = psutil.Process(self.machine.started[-1].pid)
        return [one for one in up.children(recursive=True) if run_of(one) == self.run]

    def is_gone(self) -> bool:
        return not self.process.is_running() or self.process.status() == psutil.STATUS_ZOMBIE

    def gone_after(self, end: Callable[[], object]) -> float:
        """Seconds from the moment in which it was told to end."""
        began = time.monotonic()
        end()
        told = time.monotonic()
        until(self.is_gone, "the end of its process", SECONDS)
        seconds = time.monotonic() - told
        print(f"gone {seconds:.1f} s after it was told, {time.monotonic() - began:.1f} s in all")  # noqa: T201
        return seconds


def run_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    except psutil.Error:
        return None


def ways(
    machine: Machine, db: psycopg.Connection, campaign: Stuck
) -> dict[str, Callable[[], object]]:
    """In which a run comes to be what nobody waits for."""
    cancelling = {"state": {"type": "CANCELLING"}}
    row = "update campaigns set {} where id = %s"
    return {
        "command": lambda: machine.outreach("campaigns", "cancel", campaign.id),
        "ui": lambda: machine.ask("POST", f"flow_runs/{campaign.run}/set_state", cancelling),
        "row": lambda: db.execute(row.format("status = 'cancelled'").encode(), [campaign.id]),
        "taken over": lambda: db.execute(
            row.format("run_id = gen_random_uuid()").encode(), [campaign.id]
        ),
    }


def slots(machine: Machine) -> int:
    found = machine.ask("POST", "v2/concurrency_limits/filter", {})
    return sum(one["active_slots"] for one in found if one["name"] == "gmail-send")


@pytest.mark.parametrize("way", ["command", "ui", "row", "taken over"])
def test_a_send_that_never_comes_back_keeps_no_process(
    machine: Machine,
    db: psycopg.Connection,
    sandbox: Sandbox,  # noqa: F811
    way: str,
) -> None:
    """Its slots are free, its mail is in doubt, and nobody is mailed twice."""
    httpx.post(
        f"{sandbox.url}/sandbox/faults",
        json={"fault": "accept_then_stall", "on": "drafts.send", "seconds": 300},
    ).raise_for_status()
    campaign = Stuck(machine, leads=1)
    until(lambda: machine.sent() > 0, "a mail that is not answered")
    assert slots(machine) > 0

    campaign.gone_after(ways(machine, db, campaign)[way])

    assert db.execute("select count(*) from send_attempts where outcome is null").fetchone() == (1,)
    until(lambda: slots(machine) == 0, "the slots", 30)
    until(lambda: machine.state(campaign.run)["type"] in {"CANCELLED", "CRASHED"}, "its state")
    if way != "taken over":
        assert machine.status(campaign.id)["status"] == "cancelled"
        httpx.delete(f"{sandbox.url}/sandbox/faults").raise_for_status()
        db.execute("update send_attempts set started_at = started_at - interval '1 hour'")
        machine.dispatch()
        until(lambda: machine.status(campaign.id)["leads"]["sent"] == 1, "that it was sent")
    assert machine.sent() == 1


@pytest.mark.parametrize("way", ["command", "ui"])
def test_a_call_that_holds_the_interpreters_lock_keeps_no_process(
    machine: Machine, db: psycopg.Connection, tmp_path: Path, way: str
) -> None:
    """No thread of it can answer a signal, or look whether the campaign is its own."""
    campaign = Stuck(machine, leads=30)
    until(lambda: machine.sent() > 0, "its first mail")
    (tmp_path / "hold").write_text(campaign.run)
    until(lambda: not (tmp_path / "hold").exists(), "the call")

    campaign.gone_after(ways(machine, db, campaign)[way])

    until(lambda: machine.status(campaign.id)["status"] == "cancelled", "the campaign's end")
    until(lambda: machine.state(campaign.run)["type"] == "CANCELLED", "its state")
