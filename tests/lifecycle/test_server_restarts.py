"""Prefect's server is restarted while a campaign is sent, as for an upgrade of it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from deployments.server import Server, running_server
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import Engine, World, deploy, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300)]

LEADS = 60


class Restartable:
    """A server at one address; the test's own, since others would miss it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._start(None)

    def _start(self, port: int | None, **more: str) -> None:
        self._context = running_server(self.home, port, more)
        self.server: Server = self._context.__enter__()

    def stop(self) -> None:
        self._context.__exit__(None, None, None)

    def start_again(self, **more: str) -> None:
        """`more`: settings of Prefect's."""
        self._start(int(self.server.api.split(":")[2].split("/")[0]), **more)


@pytest.fixture(scope="module")
def server_of_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    made = Restartable(tmp_path_factory.mktemp("prefect-restarted"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def prefect_api(server_of_prefect: Restartable) -> Iterator[str]:
    """That server, for this module."""
    settings = {
        PREFECT_API_URL: server_of_prefect.server.api,
        PREFECT_HOME: server_of_prefect.home,
        PREFECT_LOGGING_LEVEL: "CRITICAL",  # this process misses its server, too
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(settings):
        yield server_of_prefect.server.api


@pytest.fixture(scope="module")
def deployed(prefect_api: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    deploy(tmp_path_factory.mktemp("deploy"), engine)
    return prefect_api


def test_a_server_that_is_restarted_stops_no_campaign(
    world: World, server_of_prefect: Restartable, new_campaign: NewCampaign
) -> None:
    """Mails go on without it, and the run's end is told to the one that comes back."""
    campaign: UUID = new_campaign(leads=LEADS)
    worker = world.worker()
    run = world.start(campaign)
    world.until_sending(worker)

    server_of_prefect.stop()
    without = world.mails()
    until(lambda: world.mails() > without + 25, f"mails without a server; see {worker.log}", 40)
    server_of_prefect.start_again()

    ended = world.ended(run, 120)
    print(f"after a restart of the server the run ended as {ended}")  # noqa: T201
    assert world.status(campaign) == "completed"
    assert world.account_for(campaign) == {"sent": LEADS}
    assert ended == "Completed"
