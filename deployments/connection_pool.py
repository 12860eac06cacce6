"""How Prefect's server opens connections to its Postgres.

SQLAlchemy's pool closes those beyond its size after each use. Where hundreds of campaigns start,
requests meet all the time, and a sixth of the server's CPU and two thirds of its Postgres's went
into connections that were opened for one transaction.
"""

from contextlib import suppress
from functools import partial
from typing import Final

from prefect.server.database import configurations
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.queue import Empty

PATIENCE_SECONDS: Final = 0.2
"""A transaction waits so long for a connection of the pool before it takes one beyond its size: it
may be one of a request that holds another.
"""


class PatientPool(AsyncAdaptedQueuePool):
    """Waits a little before it goes beyond its size."""

    def _do_get(self) -> ConnectionPoolEntry:
        if self.overflow() >= 0:
            with suppress(Empty):
                return self._pool.get(block=True, timeout=PATIENCE_SECONDS)
        return super()._do_get()


def wait_for_connections() -> None:
    """For the server of this process, where its database is Postgres."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if make_url(url).get_backend_name() == "postgresql":
        create = partial(create_async_engine, poolclass=PatientPool)
        configurations.create_async_engine = create  # type: ignore[attr-defined]
