"""One Store on either transport: whatever is asked of the one is asked of the other."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox
from outreach.settings import Settings
from outreach.store.calls import Transport
from outreach.store.postgres import Postgres
from outreach.store.postgrest import PostgREST
from outreach.store.store import Store
from outreach.wiring import open_services
from tests.contract.mailed import Mailed
from tests.postgrest.fixtures import TRANSPORTS, Project


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, database: SecretStr) -> Iterator[Transport]:
    """Each test that asks for it, or for `store`, runs once on each."""
    if request.param == "psycopg":
        opened: Transport = Postgres(database)
    else:
        project: Project = request.getfixturevalue("postgrest")
        opened = PostgREST(project.url, project.key)
    yield opened
    opened.close()


@pytest.fixture
def store(transport: Transport, settings: Settings) -> Store:
    return Store(transport, settings)


@pytest.fixture
def mailed(database: SecretStr, shared_sandbox: Sandbox, tmp_path: Path) -> Iterator[Mailed]:
    shared_sandbox.state.reset()
    settings = Settings.only(
        database_url=database,
        outreach_home=tmp_path,
        gmail_api_url=shared_sandbox.url,
        google_token_url=shared_sandbox.token_url,
        send_pace_seconds=0,
        attachment_pdf="",
        gmail_settle_seconds=0,
        gmail_timeout_seconds=1,
    )
    services = open_services(settings)
    with httpx.Client(base_url=shared_sandbox.url) as gmail:
        yield Mailed(services, gmail)
    services.close()
