"""A real server, real workers and their flow processes, a database, a Gmail; and how to break them."""

import asyncio
import gc
import os
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

import httpx
import psutil
import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.events import Event
from prefect.events.clients import get_events_client
from prefect.events.schemas.events import Resource
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from prefect.states import Cancelling
from pydantic import SecretStr

from deployments.provision import provision
from deployments.server import isolated_environment
from deployments.worker.worker import TYPE
from flows.dispatch_campaigns import dispatch_campaigns
from gmail_sandbox.server import Sandbox
from outreach.campaign.models import CampaignStatus, LeadCounts
from outreach.deployment_names import DISPATCH, POOL, READ
from outreach.settings import Settings
from outreach.store.store import Store
from tasks.ending import hand_over
from tests.flows.conftest import (  # noqa: F401 - what pytest finds here
    HAND_OVER_SECONDS,
    PDF,
    NewCampaign,
    gmail,
    new_campaign,
    prefect_api,
    sandbox,
    store,
)

ROOT = Path(__file__).parents[2]
Found = TypeVar("Found")

DEPLOYMENT = "send-campaign/send-campaign"
PACE_SECONDS = 0.4

CLOCKS = {
    "accounts": ("paused_until", "next_send_at"),
    "campaigns": ("resume_at", "lease_until", "dispatched_at"),
    "campaign_leads": ("next_attempt_at", "claimed_until"),
    "send_attempts": ("started_at",),
}


Engine = Literal["worker", "process"]
"""Many runs in one process, or a process for each: the work pool's type."""

one_engine = partial(pytest.mark.parametrize, "engine", indirect=True, scope="session")


ON_BOTH = {"test_what_runs_when", "test_set_in_prefect"}
"""Modules whose tests run on both engines; with LIFECYCLE_ENGINES=both all do."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = any(
        "engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")
    )
    if "engine" in metafunc.fixturenames and not chosen:
        on_both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        everywhere = os.environ.get("LIFECYCLE_ENGINES") == "both"
        engines = ["worker", "process"] if on_both or everywhere else ["worker"]
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture(scope="session")
def deployed(
    prefect_api: str,  # noqa: F811
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    deploy(tmp_path_factory.mktemp("deploy"), engine)
    return prefect_api


def deploy(home: Path, engine: Engine = "worker") -> None:
    """`prefect deploy --all` on a new server; tests dispatch and read mailboxes themselves."""
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        client.delete_work_pool(POOL)  # of the other engine
    provision(pool_type=TYPE if engine == "worker" else "process")
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=environment(home),
        check=True,
        capture_output=True,
    )
    provision()
    with get_client(sync_client=True) as client:
        for name in (DISPATCH, READ):
            client.pause_deployment(client.read_deployment_by_name(name).id)


@pytest.fixture
def settings(database: SecretStr, sandbox: Sandbox, tmp_path: Path) -> Settings:  # noqa: F811
    """Slow enough to be broken in the middle, with waits that a test can afford."""
    deck = tmp_path / "deck.pdf"
    deck.write_bytes(PDF)
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path / "home",
        gmail_api_url=sandbox.url,
        google_token_url=sandbox.token_url,
        app_url="https://app.example",
        attachment_pdf=str(deck),
        send_pace_seconds=PACE_SECONDS,
        send_concurrency=2,
        gmail_timeout_seconds=2,
        gmail_settle_seconds=0.5,
    )


def environment(home: Path) -> dict[str, str]:
    """What a machine of its own knows of Prefect: where its server is, and how to get in."""
    known = {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "HOME": str(home)}
    if (auth := PREFECT_API_AUTH_STRING.value()) is not None:
        known["PREFECT_API_AUTH_STRING"] = auth
    return {**isolated_environment(home), **known}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Prefect's asynchronous clients leave sockets to the collector, who would blame another test.

    What is tested here runs in processes of its own.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


def until(look: Callable[[], Found], what: str, seconds: float = 60) -> Found:
    """Look again and again until there is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return found


COMMANDS: dict[Engine, list[str]] = {
    "worker": ["outreach.cli", "worker"],
    "process": ["prefect", "worker", "start"],
}


class Worker:
    """A worker as an operator runs it, from a folder that holds a foreign tasks.py."""

    def __init__(
        self, settings: Settings, folder: Path, engine: Engine, *options: str, **more: str
    ) -> None:
        self.engine = engine
        folder.mkdir(parents=True)
        for name in ("tasks.py", "flows.py"):
            (folder / name).write_text('raise SystemExit("a foreign module")')
        self.log = folder / "worker.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", *COMMANDS[engine], "--pool", POOL, *options],
                cwd=folder,
                env={
                    **environment(folder / "home"),
                    **settings.exported(),
                    "PREFECT_WORKER_QUERY_SECONDS": "1",
                    **more,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def flow(self) -> psutil.Process | None:
        """The process of the flow run that it has in hand; of a hosted one, its own."""
        if self.engine == "worker":
            return psutil.Process(self.process.pid)
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                if "prefect.engine" in child.cmdline():
                    return child
        return None

    def tree(self) -> list[psutil.Process]:
        try:
            worker = psutil.Process(self.process.pid)
        except psutil.NoSuchProcess:
            return []
        return [worker, *worker.children(recursive=True)]

    def vanish(self) -> None:
        """The machine loses its power: everything at once, nothing said."""
        everything = self.tree()
        for process in everything:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in everything:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """As systemd or a deploy ends it; what it leaves behind is ended too."""
        everything = self.tree()
        self.process.terminate()
        self.process.wait(60)
        for one in everything:
            with suppress(psutil.NoSuchProcess):
                one.kill()


async def _emitted(event: Event) -> None:
    """By a client of its own: `emit_event` stays with the server that it found first."""
    async with get_events_client() as client:
        await client.emit(event)


@dataclass
class World:
    settings: Settings
    store: Store
    db: psycopg.Connection
    gmail: httpx.Client
    folder: Path
    engine: Engine
    workers: list[Worker] = field(default_factory=list)
    commands: list["subprocess.Popen[str]"] = field(default_factory=list)

    def worker(self, *options: str, **more: str) -> Worker:
        folder = self.folder / f"worker{len(self.workers)}"
        worker = Worker(self.settings, folder, self.engine, *options, **more)
        self.workers.append(worker)
        return worker

    # --- what runs ----------------------------------------------------------------------

    def start(self, campaign: UUID) -> UUID:
        """A run made as by Prefect's API."""
        parameters = {"campaign_id": str(campaign)}
        run: Any = run_deployment(DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False)
        return UUID(str(run.id))

    def start_by_event(self, campaign: UUID) -> UUID:
        """As a system that knows Prefect's events and no more."""
        before = self.runs_of(campaign)
        start = Event(
            event="campaign.start",
            resource=Resource({"prefect.resource.id": f"campaign.{campaign}"}),
            payload={"campaign_id": str(campaign)},
        )
        asyncio.run(_emitted(start))
        return until(lambda: self.runs_of(campaign) - before, "the event's run").pop()

    def start_by_command(self, campaign: UUID, *options: str) -> "subprocess.Popen[str]":
        """`outreach campaigns start`; its stdout is the run's id."""
        return self.command("campaigns", "start", str(campaign), *options)

    def command(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        """`outreach` with these words, in another process."""
        command = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", *words],
            cwd=self.folder,
            env={**environment(self.folder), **self.settings.exported(), **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.commands.append(command)
        return command

    def runs_of(self, campaign: UUID) -> set[UUID]:
        parameters = {"campaign_id": str(campaign)}
        return {run.id for run in self.runs() if run.parameters == parameters}

    def runs(self) -> list[FlowRun]:
        """Of all tests on this server."""
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=["send-campaign"]))
            )

    def state(self, run: UUID) -> State[Any]:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run).state
        assert state is not None
        return state

    def ended(self, run: UUID, seconds: float = 60) -> str | None:
        """The name of the state in which a run ends."""
        until(lambda: self.state(run).is_final(), f"the end of run {run}", seconds)
        return self.state(run).name

    def cancel(self, run: UUID) -> None:
        """As the UI does."""
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Cancelling())

    def go_on(self, campaign: UUID) -> CampaignStatus:
        """What the dispatcher and a fresh worker make of it, however long that takes them."""
        self.worker()
        for _ in range(6):
            if dispatch_campaigns():
                self.ended(UUID(self.store.campaign_status(campaign).flow_run_ids[-1]))
            until(lambda: not self._owned(campaign), "the run's end")
            status = self.store.campaign_status(campaign)
            if status.status in {"completed", "error", "cancelled"}:
                return status
            self.move_clock(3600)
        return status

    def _owned(self, campaign: UUID) -> bool:
        row = self.db.execute(
            "select lease_until > now() from campaigns where id = %s", [campaign]
        ).fetchone()
        return bool(row and row[0])

    def until_idle(self, worker: Worker, campaign: UUID) -> None:
        """Its run has ended, and with it, in a process pool, the run's process."""
        until(lambda: not self._owned(campaign), "the end of the run")
        if self.engine == "process":
            until(lambda: worker.flow() is None, "the end of the run's process")

    # --- what there is ------------------------------------------------------------------

    def mails(self) -> int:
        return len(self.gmail.get("/sandbox/mails?fields=minimal").json())

    def until_started(self, worker: Worker) -> None:
        until(lambda: "started!" in worker.log.read_text(), f"the start of {worker.log}")

    def until_sending(self, worker: Worker, mails: int = 2) -> psutil.Process:
        """In the middle of the campaign; the process that sends it."""
        until(lambda: self.mails() >= mails, f"{mails} mails; see {worker.log}")
        return until(worker.flow, "the flow's process")

    def status(self, campaign: UUID) -> str:
        return self.store.campaign_status(campaign).status

    def leads(self, campaign: UUID) -> LeadCounts:
        return self.store.campaign_status(campaign).leads

    def move_clock(self, seconds: float) -> None:
        """As if that much time had passed: what the database keeps is that much longer ago."""
        for table, columns in CLOCKS.items():
            moved = ", ".join(f"{c} = {c} - {seconds} * interval '1 second'" for c in columns)
            self.db.execute(f"update {table} set {moved}".encode())  # noqa: S608 - our words

    def account_for(self, campaign: UUID) -> dict[str, int]:
        """Nobody was mailed twice, and the database says of every lead what Gmail says.

        How many leads there are in each status.
        """
        assert self.gmail.get("/sandbox/duplicates").json() == {}
        leads = list(self.store.list_campaign_leads(campaign))
        mailed = {mail["to"] for mail in self.gmail.get("/sandbox/mails").json()}
        assert {lead.email for lead in leads if lead.status == "sent"} == mailed
        return dict(Counter(lead.status for lead in leads))

    def close(self) -> None:
        """Workers and commands are gone; the next test's worker finds none of our runs."""
        hand_over(HAND_OVER_SECONDS)  # to this test's server, not to the next
        for worker in self.workers:
            worker.vanish()
        for command in self.commands:
            command.kill()
            command.communicate()
        with get_client(sync_client=True) as client:
            for run in self.runs():
                if run.state is None or not run.state.is_final():
                    client.delete_flow_run(run.id)


@pytest.fixture
def world(
    deployed: str,  # noqa: ARG001 - it has to be there
    settings: Settings,
    store: Store,  # noqa: F811
    db: psycopg.Connection,
    gmail: httpx.Client,  # noqa: F811
    engine: Engine,
    tmp_path: Path,
) -> Iterator[World]:
    folder = tmp_path / "workers"
    folder.mkdir()
    made = World(settings, store, db, gmail, folder, engine)
    yield made
    made.close()
    with warnings.catch_warnings():
        # See pytest_collection_modifyitems; what is left after the last test has no filter.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
