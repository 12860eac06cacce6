"""`outreach up` as a real process, in a folder that is not ours."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from deployments.server import RESULTS
from gmail_sandbox.server import Sandbox
from outreach.cli.supervisor import SHORTEST_LIFE_SECONDS
from outreach.deployment_names import DEPLOYMENTS
from outreach.local import postgres
from tests.flows.conftest import PDF

pytestmark = pytest.mark.timeout(400)

CSV = "email,name,company,email_subject,email_template\n"
READY = "Ctrl-C ends all."
ID = "11111111-1111-4111-8111-111111111111"


class Machine:
    """A folder, an environment, and what is started there."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.home = folder / ".outreach"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.mails = httpx.Client(base_url=sandbox.url)
        for name in ("tasks.py", "flows.py", "deployments.py"):
            (folder / name).write_text('raise SystemExit("a foreign module")')
        (folder / "deck.pdf").write_bytes(PDF)
        # What stands in `.env` reaches the flows, which run elsewhere.
        (folder / ".env").write_text("ATTACHMENT_PDF=deck.pdf\nSEND_PACE_SECONDS=0.5\n")
        self.environment = {
            **os.environ,
            "GMAIL_API_URL": sandbox.url,
            "GOOGLE_TOKEN_URL": sandbox.token_url,
            "GMAIL_TIMEOUT_SECONDS": "2",
            "GMAIL_SETTLE_SECONDS": "0.5",
            "APP_URL": "https://app.example",
        }
        self.started: list[subprocess.Popen[str]] = []

    def up(self, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", "up", *options],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def up_and_ready(self) -> subprocess.Popen[str]:
        process = self.up("--port", str(self.port))
        assert process.stdout is not None
        assert any(READY in line for line in process.stdout), process.communicate()
        return process

    def outreach(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "outreach.cli", *arguments],
            cwd=self.folder,
            env={**self.environment, "PREFECT_API_URL": self.api, "PYTHONSAFEPATH": "1"},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def campaign(self, name: str, leads: int) -> str:
        """A draft with leads and an account of its own."""
        sender = f"{name}@ours.example"
        self.outreach(
            "accounts", "add", sender, "--refresh-token-stdin", stdin=f"sandbox:{sender}:modify"
        )
        rows = (f"{name}{n}@acme.example,N,Acme,A deck,<p>Hi</p>\n" for n in range(leads))
        (self.folder / "leads.csv").write_text(CSV + "".join(rows))
        self.outreach("leads", "import", "leads.csv", "--tag", name)
        return self.outreach(
            "campaigns", "create", "--name", name, "--tag", name, "--account", sender
        )

    def status(self, campaign: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.outreach("campaigns", "status", campaign, "--json"))
        return found

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Prefect's API, as a program does that was told the password."""
        user, _, word = self.outreach("up", "--show-password").partition(":")
        answer = httpx.request(method, f"{self.api}/{path}", json=body, auth=(user, word))
        return answer.raise_for_status().json()

    def until_served(self) -> None:
        """The deployments are made, and closed, some seconds after the server is up."""

        def closed() -> bool:
            found = self.ask("POST", "deployments/filter", {})
            schemas = [one["parameter_openapi_schema"] for one in found]
            return [one.get("additionalProperties") for one in schemas] == [False] * len(
                DEPLOYMENTS
            )

        until(closed, "the deployments")

    def state(self, run: str) -> Any:
        return self.ask("GET", f"flow_runs/{run}")["state"]

    def dispatch(self) -> None:
        """Not to wait for the minute."""
        name = "dispatch-campaigns/dispatch-campaigns"
        found = self.ask("GET", f"deployments/name/{name}")
        self.ask("POST", f"deployments/{found['id']}/create_flow_run", {})

    def sent(self) -> int:
        return len(self.mails.get("/sandbox/mails?fields=minimal").json())

    def end(self, process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and see that nothing of it is left; its exit status."""
        everything = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        status = process.wait(120)
        assert [one for one in everything if one.is_running()] == []
        self.nothing_runs()
        return status

    def nothing_runs(self) -> None:
        assert postgres.running(self.home) is None
        assert postgres.running(self.home / "prefect") is None

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(120)
            process.kill()
            process.communicate()
        postgres.stop(self.home / "prefect")
        postgres.stop(self.home)
        self.mails.close()


@pytest.fixture
def machine(tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:
    made = Machine(tmp_path, sandbox)
    yield made
    made.close()


def until(look: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


@pytest.mark.lifecycle
def test_a_campaign_is_sent_from_its_row_alone_and_all_is_there_after_a_restart(
    machine: Machine,
) -> None:
    """By the schedule's own dispatcher; a start goes on by CLI, and what was cut short by the next."""
    first = machine.up_and_ready()
    by_row = machine.campaign("row", leads=2)
    with psycopg.connect(machine.outreach("db", "url"), autocommit=True) as db:
        db.execute("update campaigns set status = 'scheduled', scheduled_at = now()")
    until(lambda: machine.status(by_row)["status"] == "completed", "the dispatcher's minute")
    assert machine.end(first) == 0

    second = machine.up_and_ready()
    (run,) = machine.status(by_row)["flow_run_ids"]
    kept = machine.ask("GET", f"flow_runs/{run}")
    assert (kept["name"], kept["state"]["message"]) == ("send row", "2/2 sent")
    by_hand = machine.campaign("hand", leads=12)
    machine.outreach("campaigns", "start", by_hand)
    until(lambda: machine.sent() >= 4, "mails of the second campaign")
    assert machine.end(second, signal.SIGINT) == 0
    result, *_ = (machine.home / "prefect" / RESULTS).iterdir()
    os.utime(result, (0, 0))

    third = machine.up_and_ready()
    until(lambda: not result.exists(), "the result of a run that is no longer kept")
    assert machine.status(by_hand)["status"] == "running"
    machine.dispatch()
    until(lambda: machine.status(by_hand)["status"] == "completed", "the rest of it")
    assert machine.end(third) == 0
    mails = [mail["to"] for mail in machine.mails.get("/sandbox/mails").json()]
    assert sorted(mails) == sorted(
        {f"row{n}@acme.example" for n in range(2)} | {f"hand{n}@acme.example" for n in range(12)}
    )


@pytest.mark.slow
def test_recipients_are_answered_also_after_that_process_died(machine: Machine) -> None:
    """The page starts with the first request, is started anew, and ends with the rest."""
    free = socket.create_server(("127.0.0.1", 0))
    taken = free.getsockname()[1]
    refused = machine.up("--port", str(machine.port), "--web-port", str(taken))
    assert refused.wait(60) == 1
    said = refused.communicate()[1]
    assert f"cannot listen on 127.0.0.1, port {taken} (Address already in use)" in said
    assert said.endswith("name others with --web-port.\n")
    free.close()

    running = machine.up("--port", str(machine.port), "--web-port", str(taken))
    lines = _until_ready(running)
    assert (
        f"Web       http://127.0.0.1:{taken} (the page to unsubscribe, the open pixel)\n" in lines
    )
    assert _pages(running) == []
    assert _health(taken) == 200  # it waits until the process is there
    (web,) = _pages(running)
    until(lambda: time.time() - web.create_time() > SHORTEST_LIFE_SECONDS, "a life of some length")
    web.kill()
    until(lambda: _health(taken) == 200, "the page again")
    assert machine.end(running) == 0


def _pages(up: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(up.pid).children(recursive=True)
    return [one for one in children if "outreach.cli.page" in one.cmdline()]


def _until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or READY not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()
    return lines


def _health(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code
    except httpx.TransportError:
        return 0


@pytest.mark.slow
def test_its_server_and_its_folder_are_open_to_nobody_else(machine: Machine) -> None:
    """Commands of this home get in by themselves; people and programs are told the password."""
    unknown = machine.up("--show-password")
    assert unknown.wait(60) == 1
    assert "There is no password in" in unknown.communicate()[1]

    running = machine.up_and_ready()
    assert httpx.get(f"{machine.api}/hello").status_code == 401
    assert machine.ask("GET", "hello") == "👋"
    found = {one["check"]: one for one in json.loads(machine.outreach("doctor", "--json"))}
    assert (found["prefect"]["verdict"], found["password"]["verdict"]) == ("ok", "ok")
    campaign = machine.campaign("spring", leads=1)
    machine.outreach("campaigns", "start", campaign)
    until(lambda: machine.status(campaign)["status"] == "completed", "the campaign's end")

    assert open_to_others(machine.home) == []
    assert machine.end(running) == 0
    with pytest.raises(RuntimeError, match="Prefect cannot be reached"):
        machine.outreach("campaigns", "start", machine.campaign("late", leads=1))


@pytest.mark.slow
def test_a_run_is_given_a_campaign_id_and_nothing_else(machine: Machine) -> None:
    """By the API it is refused; where nobody checks, as with schedules, it fails with a sentence."""
    running = machine.up_and_ready()
    machine.until_served()
    deployment = machine.ask("GET", "deployments/name/send-campaign/send-campaign")["id"]
    create = f"deployments/{deployment}/create_flow_run"
    for wrong in ({"campaign_id": ID, "at": "now"}, {"campaign_id": f"{ID}\n"}):
        with pytest.raises(httpx.HTTPStatusError, match="409 Conflict"):
            machine.ask("POST", create, {"parameters": wrong})
    told = {
        "'at'": {"campaign_id": ID, "at": "now"},
        f"'{ID}\\n' as campaign_id": {"campaign_id": f"{ID}\n"},
    }
    runs = {
        words: machine.ask(
            "POST", create, {"parameters": wrong, "enforce_parameter_schema": False}
        )["id"]
        for words, wrong in told.items()
    }

    for words, run in runs.items():
        until(lambda: machine.state(run)["type"] == "FAILED", words)  # noqa: B023 - called here
        assert machine.state(run)["message"].startswith(f"The run was given {words}")
    assert machine.end(running) == 0


def open_to_others(home: Path) -> list[str]:
    """What another user of this machine could read, enter or lock: none but a link's target."""
    return [
        f"{stat.filemode(mode)} {path}"
        for path in (home, *home.rglob("*"))
        if not path.is_symlink() and (mode := path.lstat().st_mode) & 0o077
    ]


@pytest.mark.slow
def test_a_port_in_use_and_a_second_one_are_told_in_a_sentence(machine: Machine) -> None:
    """Neither leaves anything running."""
    with socket.create_server(("127.0.0.1", machine.port)):
        refused = machine.up("--port", str(machine.port))
        assert refused.wait(60) == 1
        assert refused.communicate()[1] == (
            f"Error: Port {machine.port} is in use by another program; end it, or choose another port.\n"
        )
    machine.nothing_runs()

    running = machine.up_and_ready()
    second = machine.up("--port", "0")
    assert second.wait(60) == 1
    assert second.communicate()[1] == (
        f"Error: `outreach up` already runs on {machine.home}; end that one with `outreach down`, or set OUTREACH_HOME to another folder.\n"
    )
    assert running.poll() is None
    assert httpx.get(f"{machine.api}/health").json() is True
    assert machine.end(running, signal.SIGHUP) == 0


@pytest.mark.slow
def test_prefects_database_is_a_part_that_has_to_live(machine: Machine) -> None:
    """Without it every request to the server would fail, so all is ended, and said."""
    running = machine.up_and_ready()
    database = postgres.running(machine.home / "prefect")
    assert database is not None
    os.kill(database.pid, signal.SIGKILL)
    assert running.wait(60) == 1
    assert running.communicate()[1] == (
        f"Error: Prefect's database ended by itself, so all was ended; its log is {machine.home}/prefect/postgres/log.\n"
    )
    machine.nothing_runs()
