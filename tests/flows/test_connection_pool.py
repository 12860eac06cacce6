"""How Prefect's server on this machine opens connections to its Postgres."""

import asyncio

import pytest
from prefect.server.database import configurations
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, temporary_settings
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deployments import connection_pool
from deployments.connection_pool import wait_for_connections
from tests.flows.asyncpg_address import asyncpg_address


@pytest.fixture
def engine(database: SecretStr, monkeypatch: pytest.MonkeyPatch) -> AsyncEngine:
    """As Prefect's server makes it, of one connection and others beyond."""
    monkeypatch.setattr(configurations, "create_async_engine", create_async_engine)
    url = asyncpg_address(database).render_as_string(hide_password=False)
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: url}):
        wait_for_connections()
    create = vars(configurations)["create_async_engine"]
    made: AsyncEngine = create(url, pool_size=1, max_overflow=2)
    return made


async def _backend(engine: AsyncEngine) -> int:
    """The process of Postgres that answers a transaction."""
    async with engine.connect() as connection:
        found = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
        return int(found)


def test_transactions_that_meet_share_a_connection(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "PATIENCE_SECONDS", 60.0)

    async def meet() -> set[int]:
        try:
            return set(await asyncio.gather(*(_backend(engine) for _ in range(10))))
        finally:
            await engine.dispose()

    assert len(asyncio.run(meet())) == 1


def test_a_transaction_within_another_gets_a_connection_beyond_the_size(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "PATIENCE_SECONDS", 0.01)

    async def nest() -> tuple[int, int, int]:
        try:
            async with engine.connect() as held:
                outer = (await held.execute(text("select pg_backend_pid()"))).scalar_one()
                inner = await _backend(engine)
            return outer, inner, await _backend(engine)
        finally:
            await engine.dispose()

    outer, inner, later = asyncio.run(nest())
    assert inner != outer
    assert later == inner  # the pool has it back; the other one was closed
