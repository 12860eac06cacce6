"""This version's client and workers with a Prefect server of the version before, as in an upgrade.

That server has a virtual environment of its own, made here by pip: a minute.
"""

import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from deployments import server
from outreach.local import postgres, processes
from tasks.slots import LIMIT, LIMIT_WHEN_MISSING
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import World, deploy, until
from tests.lifecycle.operator import Operator
from tests.programs import missing

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(600)]

OLDER = "3.8.8"
REQUIREMENTS = (f"prefect=={OLDER}", "fastapi<0.150", "sqlalchemy[asyncio]<2.1")
"""With a newer FastAPI that server does not start; with a newer SQLAlchemy it runs no schedule."""
LEADS = 20


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has Prefect of that version, and nothing of ours."""
    home = tmp_path_factory.mktemp("older-prefect")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    made = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-compile", *REQUIREMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        missing(f"Prefect {OLDER} could not be installed: {made.stderr[-500:]}")
    return python


@pytest.fixture(scope="module")
def prefect_api(older: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of that version, for this module."""
    home = tmp_path_factory.mktemp("older-server")
    with (
        _running(older, home) as api,
        temporary_settings(
            {
                PREFECT_API_URL: api,
                PREFECT_HOME: home,
                PREFECT_LOGGING_LEVEL: "ERROR",
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            }
        ),
    ):
        assert httpx.get(f"{api}/admin/version").json() == OLDER
        yield api


@contextmanager
def _running(python: Path, home: Path) -> Iterator[str]:
    """As `deployments.server` runs its own: the same settings, an embedded Postgres."""
    log = home / "server.log"
    with postgres.temporary(home, durable=True) as database, log.open("wb") as file:
        port = server.free_port()
        api = f"http://127.0.0.1:{port}/api"
        process = subprocess.Popen(
            [python, "-m", "prefect", "server", "start", "--port", str(port)],
            cwd=home,
            env={
                **server.isolated_environment(home),
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": server._for_sqlalchemy(database),
                "PREFECT_API_URL": api,
            },
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            assert processes.until_healthy(process, api, server.START_SECONDS) is None, log
            yield api
        finally:
            processes.end(process, server.STOP_SECONDS)


@pytest.fixture(scope="module")
def deployed(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made twice, as an upgrade makes them again."""
    for home in ("deploy", "deploy-again"):
        deploy(tmp_path_factory.mktemp(home))
    return prefect_api


def _slots() -> tuple[int, int]:
    """The limit of sends in flight, and how many of its slots are taken."""
    with get_client(sync_client=True) as client:
        found = client.read_global_concurrency_limit_by_name(LIMIT)
    return found.limit, found.active_slots


def test_a_campaign_is_sent_with_its_slots_progress_and_result(
    world: World, deployed: str, new_campaign: NewCampaign
) -> None:
    campaign = new_campaign(leads=LEADS)
    worker = world.worker()
    started = world.start_by_command(campaign)
    run = UUID(started.communicate()[0].strip())
    world.until_sending(worker)

    limit, taken = _slots()
    assert (limit, taken > 0) == (LIMIT_WHEN_MISSING, True)
    assert world.ended(run, 120) == "Completed"
    until(lambda: _slots() == (LIMIT_WHEN_MISSING, 0), "the slots given back", 20)
    assert world.account_for(campaign) == {"sent": LEADS}
    ours = {"artifacts": {"flow_run_id": {"any_": [str(run)]}}}
    found = httpx.post(f"{deployed}/artifacts/filter", json=ours).json()
    assert {one["key"]: one["type"] for one in found if one["key"]} == {
        "campaign-progress": "progress",
        "campaign-result": "result",
        "campaign-summary": "markdown",
    }


def test_a_suspended_run_goes_on_and_is_cancelled(
    world: World, deployed: str, new_campaign: NewCampaign
) -> None:
    """Started by an event; what a person sets in that server's UI reaches the run and its hooks."""
    campaign = new_campaign(leads=LEADS)
    worker, operator = world.worker(), Operator(deployed)
    run = world.start_by_event(campaign)
    world.until_sending(worker)

    operator.suspend(run)
    world.until_idle(worker, campaign)
    held = world.mails()
    operator.resume(run)
    until(lambda: world.mails() > held, "mails after Resume")
    operator.cancel(run)

    assert world.ended(run) == "Cancelled"
    until(lambda: world.status(campaign) == "cancelled", "the hook", 20)
    assert held < LEADS
    assert world.account_for(campaign).keys() == {"sent", "cancelled"}
