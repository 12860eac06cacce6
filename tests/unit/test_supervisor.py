"""What `outreach up` hands on to the process that it becomes."""

import os
from dataclasses import replace

import pytest

from outreach.cli import supervisor
from outreach.local.processes import Program
from outreach.local.running import MARK

MOST_OCTETS = 128 * 1024
"""Linux takes no longer variable."""
OWN = {"server": {"SECRET": "s"}, "worker": {"PREFECT_API_URL": "http://a"}, "page": {}}


def program(environment: dict[str, str]) -> Program:
    return Program(["-m", "a"], "/folder", environment, "/folder/log", 45.0, [7])


def plan(shared: dict[str, str]) -> supervisor.Plan:
    programs = {name: program(shared | own) for name, own in OWN.items()}
    return supervisor.Plan(
        home="/home",
        prefect_home="/home/prefect",
        lock=5,
        embedded=True,
        api="http://127.0.0.1:4200/api",
        start_seconds=90.0,
        listener=6,
        page_at_once=False,
        results="/home/prefect/storage",
        results_seconds=float("inf"),
        announced=["Prefect", "Ctrl-C ends all."],
        **programs,
    )


def test_a_plan_comes_through_an_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each program gets its own environment again, marked as one of this home."""
    given = plan({"PATH": "/bin", "COLUMNS": "80"})
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in supervisor._environment(given).items():
        monkeypatch.setenv(name, value)

    taken = supervisor._plan()

    for name, own in OWN.items():
        environment = getattr(taken, name).environment
        assert environment == {"PATH": "/bin", "COLUMNS": "80", **own, MARK: "/home"}
        given = replace(given, **{name: getattr(taken, name)})
    assert taken == given
    assert dict(os.environ) == {"PATH": "/bin", "COLUMNS": "80"}


def test_a_large_environment_is_handed_on_once() -> None:
    large = {f"NAME_{number}": "x" * 1000 for number in range(120)}
    handed = supervisor._environment(plan(large))
    assert max(map(len, handed.values())) < MOST_OCTETS / 10
    assert handed.items() >= large.items()


def test_an_end_of_a_process_that_was_never_started_is_none() -> None:
    page = supervisor.Page(program({}), listener=0)
    page.end()
    assert page.is_alive()
    assert not page.is_started
