"""Writes of a Prefect server to SQLite, one after another.

Its transactions read first and ask for the right to write later. SQLite refuses that at once where
another one has written meanwhile, whatever time-out is set: the server answers 503, and the client
comes back after two seconds or more. Here each asks first, and waits for the other's milliseconds.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class _Queueing(AioSqliteConfiguration):
    @asynccontextmanager
    async def begin_transaction(
        self,
        session: AsyncSession,
        with_for_update: bool = False,  # noqa: ARG002 - Prefect's signature
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def write_in_turn() -> None:
    """For the server of this process, where its database is SQLite."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if make_url(url).get_backend_name() == "sqlite":
        MODELS_DEPENDENCIES["database_config"] = _Queueing(connection_url=url)
