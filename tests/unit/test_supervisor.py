"""What `outreach up` hands on to the process that it becomes."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

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


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def page(tmp_path: Path, listener: socket.socket, code: str) -> supervisor.Page:
    log = str(tmp_path / "log")
    program = Program(["-c", code], str(tmp_path), dict(os.environ), log, 10.0, [])
    return supervisor.Page(program, os.dup(listener.fileno()), at_once=False)


def test_the_page_starts_with_a_request_and_its_end_ends_nothing_else(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the database is away for a moment: it is tried again, but not all the time."""
    failing = page(tmp_path, listener, "print('began', flush=True); raise SystemExit(1)")
    log = tmp_path / "log"
    failing.wait(0)
    assert not log.exists()

    with socket.create_connection(listener.getsockname()):
        failing.wait(10)
        while failing.is_alive():
            failing.wait(0.05)
        assert failing.start_anew() == "starts anew with the next request"
        failing.wait(0)
        assert log.read_text() == "began\n"
        monkeypatch.setattr(supervisor, "SHORTEST_LIFE_SECONDS", 0)
        failing.wait(10)
        while failing.is_alive():
            failing.wait(0.05)
    assert log.read_text() == "began\n" * 2
    failing.close()


def test_a_page_that_cannot_be_started_is_told(
    tmp_path: Path, listener: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").mkdir()
    stuck = page(tmp_path, listener, "")
    with socket.create_connection(listener.getsockname()):
        stuck.wait(10)
    assert capsys.readouterr().err == "The page to unsubscribe did not start (Is a directory)\n"
    assert stuck.is_alive()
    stuck.close()


def test_a_page_that_has_ended_accepts_no_request(tmp_path: Path, listener: socket.socket) -> None:
    ended = page(tmp_path, listener, "")
    address = listener.getsockname()
    listener.close()
    ended.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
