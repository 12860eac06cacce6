"""`outreach up` beside Prefect's UI: what was set there stays, and the dispatcher has its place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.worker.worker import TYPE
from gmail_sandbox.server import Sandbox
from tests.flows.test_up import Machine, until
from tests.lifecycle.operator import Operator

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(500)]

SEND = "send-campaign/send-campaign"
DISPATCH = "dispatch-campaigns/dispatch-campaigns"
NIGHTLY = {"schedule": {"cron": "0 3 * * *", "timezone": "UTC"}, "parameters": {}, "active": True}


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:
    made = Machine(tmp_path, sandbox)
    yield made
    made.close()


def operator_of(machine: Machine) -> Operator:
    """Once it is up and serves the deployments."""
    machine.until_served()
    user, _, word = machine.outreach("up", "--show-password").partition(":")
    return Operator(machine.api, (user, word))


def doctor(machine: Machine, check: str) -> list[str]:
    findings = json.loads(machine.outreach("doctor", "--json"))
    return [f"{one['verdict']}: {one['told']}" for one in findings if one["check"] == check]


def what_is_set(operator: Operator) -> dict[str, Any]:
    found = {}
    for name in (SEND, DISPATCH):
        deployment = operator.deployment(name)
        schedules = [
            (one["active"], one["schedule"].get("cron") or one["schedule"]["interval"])
            for one in deployment["schedules"]
        ]
        triggers = [one["enabled"] for one in operator.automations(deployment["id"])]
        found[name] = (deployment["paused"], sorted(schedules, key=str), triggers)
    return found


def test_what_a_person_set_outlives_a_restart_and_is_told(machine: Machine) -> None:
    """Paused, switched off, added: each as it was; `doctor` says what does not happen for that."""
    first = machine.up_and_ready()
    operator = operator_of(machine)
    send, dispatch = operator.deployment(SEND)["id"], operator.deployment(DISPATCH)
    (trigger,) = operator.automations(send)
    operator.ask("POST", f"/deployments/{send}/schedules", [NIGHTLY])
    operator.ask("POST", f"/deployments/{send}/pause_deployment")
    operator.ask("PATCH", f"/automations/{trigger['id']}", {"enabled": False})
    operator.ask("POST", f"/deployments/{dispatch['id']}/pause_deployment")
    before = what_is_set(operator)
    operator.ask("PATCH", "/work_pools/outreach", {"concurrency_limit": 7})
    assert machine.end(first) == 0

    second = machine.up_and_ready()
    until(lambda: "To change that" in log(machine), "the log of what is off")

    assert what_is_set(operator) == before == {
        SEND: (True, [(True, "0 3 * * *")], [False]),
        DISPATCH: (True, [(False, 60.0)], []),
    }  # fmt: skip
    (pool,) = operator.ask("POST", "/work_pools/filter", {})
    assert (pool["name"], pool["type"], pool["concurrency_limit"]) == ("outreach", TYPE, 7)
    told = doctor(machine, "deployment")
    assert f"warn: {SEND} is paused: none of its schedules makes runs." in told
    assert f"warn: {DISPATCH} is paused: no campaign starts by its row." in told
    assert any("The trigger send-campaign__automation_1 of" in one for one in told)
    assert doctor(machine, "schedule") == [
        f"warn: A schedule of {SEND} (0 3 * * *) names no campaign: its runs fail."
    ]
    assert machine.end(second) == 0


def log(machine: Machine) -> str:
    return (machine.home / "prefect" / "flows.log").read_text()


def test_campaigns_take_all_places_and_the_dispatcher_still_comes(machine: Machine) -> None:
    """What waits says so, is held against nobody, and begins when a place is free."""
    machine.environment["CAMPAIGNS_AT_ONCE"] = "1"
    running = machine.up_and_ready()
    operator = operator_of(machine)
    one, two = machine.campaign("one", leads=600), machine.campaign("two", leads=2)
    machine.outreach("campaigns", "start", one)
    until(lambda: machine.sent() > 0, "mails of the first")
    machine.outreach("campaigns", "start", two)
    machine.dispatch()
    minutes = dispatched(operator)
    until(lambda: dispatched(operator) > minutes, "the dispatcher, beside a full house")

    told = machine.outreach("campaigns", "status", two)
    assert "It is due, and all 1 places are taken (CAMPAIGNS_AT_ONCE): it begins when" in told
    assert doctor(machine, "places") == [
        "warn: 1 of 1 campaigns at once: all places are taken, and 1 due campaign(s) wait for one."
    ]
    assert machine.status(two)["leads"]["sent"] == 0
    machine.outreach("campaigns", "cancel", one)
    until(lambda: machine.status(two)["status"] == "completed", "the second's turn")
    assert machine.end(running) == 0


def dispatched(operator: Operator) -> int:
    """How often the dispatcher has done its work."""
    chosen = {
        "flows": {"name": {"any_": ["dispatch-campaigns"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    return int(operator.ask("POST", "/flow_runs/count", chosen))
