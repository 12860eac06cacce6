"""Times of Prefect's server on their way into Postgres.

On Python 3.11 and 3.12 they are Pendulum's, with methods of Prefect's own around. asyncpg encodes a
time by a subtraction, which these do in Python: a quarter of the CPU of a server that records task
runs. Here the standard library subtracts. From Python 3.13 on Prefect's times are plain.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which Postgres counts microseconds."""
MICROSECOND = timedelta(microseconds=1)


def encode_plainly() -> None:
    """For each connection that this process opens to a Postgres from now on."""
    event.listen(Pool, "connect", set_codec)


def set_codec(connection: Any, _: object) -> None:
    """For one connection: of SQLAlchemy's asyncpg dialect; those of SQLite have no codecs."""
    if hasattr(driver := connection.driver_connection, "set_type_codec"):
        connection.await_(
            driver.set_type_codec(
                "timestamptz",
                schema="pg_catalog",
                encoder=encoded,
                decoder=decoded,
                format="tuple",
            )
        )


def encoded(time: datetime) -> tuple[int]:
    """Microseconds since the epoch of Postgres; raises TypeError for a time without a zone."""
    return (datetime.__sub__(time, EPOCH) // MICROSECOND,)


def decoded(value: tuple[int]) -> datetime:
    return EPOCH + timedelta(microseconds=value[0])
