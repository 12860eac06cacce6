"""Transactions of a Prefect server on SQLite, one after another.

Most read first and ask for the right to write later. SQLite refuses that at once where another one
has written meanwhile, whatever time-out is set: the server answers 503, and the client comes back
after two seconds or more. Here each asks first, and waits for the other's milliseconds.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.server.database.dependencies import MODELS_DEPENDENCIES
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class Queueing(AioSqliteConfiguration):
    """Each of its transactions has the right to write from its begin on."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            await session.connection()  # now
            # The mode holds for all that its task begins: another session that only reads, as for a
            # queue's event, must not wait for this one.
            mode = SQLITE_BEGIN_MODE.set("IMMEDIATE" if with_for_update else "DEFERRED")
            try:
                yield transaction
            finally:
                SQLITE_BEGIN_MODE.reset(mode)


def write_in_turn() -> None:
    """For the server of this process, where its database is SQLite."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if make_url(url).get_backend_name() == "sqlite":
        MODELS_DEPENDENCIES["database_config"] = Queueing(connection_url=url)
