"""One Store on either transport: whatever is asked of the one is asked of the other."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from outreach.settings import Settings
from outreach.store.calls import Transport
from outreach.store.postgres import Postgres
from outreach.store.postgrest import PostgREST
from outreach.store.store import Store
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
