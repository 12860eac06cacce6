"""A run of which a thread does not come back, under `outreach up`: it ends all the same.

Within seconds of a cancellation, or of the campaign being another's; the other campaigns of its
worker go on. What may have left stays written ahead, and is settled.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from deployments.worker.process import SILENT_SECONDS
from gmail_sandbox.server import Sandbox
from tests.flows.conftest import sandbox  # noqa: F401 - what pytest finds here
from tests.flows.test_up import Machine, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(400)]

SECONDS = 12.0
"""It is done in five; Prefect alone takes thirty, and never ends a run that it was not told of."""
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}

HOLD_THE_INTERPRETER = """
import pathlib, re, sys, threading, time

def hold():
    told = pathlib.Path({told!r})
    while not told.exists():
        time.sleep(0.05)
    told.unlink()
    re.match("(a+)+$", "a" * 64 + "b")  # longer than anybody lives, and lets no other thread run

if "deployments.serving" in sys.orig_argv:
    threading.Thread(target=hold, daemon=True).start()
"""


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:  # noqa: F811
    """Gmail may take two minutes to answer, and the worker can be told to hold the interpreter."""
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


class Started:
    """A campaign, and the run that sends it."""

    def __init__(self, machine: Machine, name: str, leads: int) -> None:
        self.machine = machine
        self.id = machine.campaign(name, leads=leads)
        self.run = machine.outreach("campaigns", "start", self.id)

    def has_ended(self) -> bool:
        return self.machine.state(self.run)["type"] in ENDS

    def ended_after(self, end: Callable[[], object]) -> float:
        """Seconds from the moment in which it was told to end."""
        began = time.monotonic()
        end()
        told = time.monotonic()
        until(self.has_ended, "the end of the run", SECONDS)
        seconds = time.monotonic() - told
        print(f"over {seconds:.1f} s after it was told, {time.monotonic() - began:.1f} s in all")  # noqa: T201
        return seconds


def worker(machine: Machine) -> psutil.Process:
    """The process of all campaigns."""
    up = psutil.Process(machine.started[-1].pid)
    (found,) = [one for one in up.children() if "deployments.serving" in one.cmdline()]
    return found


def ways(
    machine: Machine, db: psycopg.Connection, campaign: Started
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


def mailed(machine: Machine) -> list[str]:
    return sorted(mail["to"] for mail in machine.mails.get("/sandbox/mails").json())


def open_attempts(db: psycopg.Connection) -> Any:
    return db.execute("select count(*) from send_attempts where outcome is null").fetchone()


@pytest.mark.parametrize("way", ["command", "ui", "row", "taken over"])
def test_a_send_that_never_comes_back_keeps_no_run(
    machine: Machine,
    db: psycopg.Connection,
    sandbox: Sandbox,  # noqa: F811
    way: str,
) -> None:
    """Its slots are free, its mail is in doubt, nobody is mailed twice, and another campaign goes on."""
    httpx.post(
        f"{sandbox.url}/sandbox/faults",
        json={"fault": "accept_then_stall", "on": "drafts.send", "seconds": 300},
    ).raise_for_status()
    stuck = Started(machine, "spring", leads=1)
    until(lambda: machine.sent() > 0, "a mail that is not answered")
    httpx.delete(f"{sandbox.url}/sandbox/faults").raise_for_status()
    other = Started(machine, "summer", leads=60)
    until(lambda: machine.sent() > 2, "mails of the other campaign")
    hosts = worker(machine)

    stuck.ended_after(ways(machine, db, stuck)[way])

    assert not other.has_ended()
    assert machine.state(stuck.run)["type"] != "FAILED"
    assert open_attempts(db)[0] >= 1
    if way != "taken over":
        assert machine.status(stuck.id)["status"] == "cancelled"
    until(other.has_ended, "the end of the other campaign")
    assert machine.status(other.id)["leads"]["sent"] == 60
    assert worker(machine) == hosts
    until(lambda: slots(machine) == 0, "the slots", 30)
    if way != "taken over":
        db.execute("update send_attempts set started_at = started_at - interval '1 hour'")
        machine.dispatch()
        until(lambda: machine.status(stuck.id)["leads"]["sent"] == 1, "that it was sent")
    assert mailed(machine) == sorted(
        ["spring0@acme.example", *(f"summer{number}@acme.example" for number in range(60))]
    )


def test_a_call_that_holds_the_interpreters_lock_ends_the_worker_which_starts_anew(
    machine: Machine, db: psycopg.Connection, tmp_path: Path
) -> None:
    """No thread can answer a signal, or look whether its campaign is its own; all campaigns go on."""
    one, two = Started(machine, "one", leads=200), Started(machine, "two", leads=30)
    until(lambda: one_mail_each(machine), "a mail of each")
    dispatcher = pending_dispatcher(machine)
    silent = worker(machine)
    (tmp_path / "hold").write_text("now")
    until(lambda: not (tmp_path / "hold").exists(), "the call")
    machine.outreach("campaigns", "cancel", one.id)

    until(lambda: not silent.is_running(), "the end of the worker", SILENT_SECONDS + SECONDS)
    db.execute("update campaigns set lease_until = now() where run_id is not null")
    db.execute("update send_attempts set started_at = started_at - interval '1 hour'")  # in doubt

    until(lambda: machine.status(two.id)["status"] == "completed", "the other campaign", 150)
    assert machine.status(one.id)["status"] == "cancelled"
    until(lambda: one.has_ended() and two.has_ended(), "the states of both")
    assert worker(machine) != silent
    assert machine.state(dispatcher)["type"] == "CRASHED"  # else no other would run for minutes
    recipients = mailed(machine)
    assert len(recipients) == len(set(recipients))


def pending_dispatcher(machine: Machine) -> str:
    """A run that the worker has just taken when it dies; due in years, so that it does not take it."""
    deployment = machine.ask("GET", "deployments/name/dispatch-campaigns/dispatch-campaigns")["id"]
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
    run: str = machine.ask("POST", f"deployments/{deployment}/create_flow_run", {"state": later})[
        "id"
    ]

    def has_its_place() -> bool:
        told = machine.ask("POST", f"flow_runs/{run}/set_state", {"state": {"type": "PENDING"}})
        return bool(told["status"] == "ACCEPT")

    until(has_its_place, "the only place of the dispatcher")
    return run


def one_mail_each(machine: Machine) -> bool:
    return {to[:3] for to in mailed(machine)} == {"one", "two"}
