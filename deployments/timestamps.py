"""Times of Prefect's server on their way into Postgres.

On Python 3.11 and 3.12 they are Pendulum's, with methods of Prefect's own around. asyncpg encodes a
time by a subtraction, which these do in Python: a quarter of the CPU of a server that records task
runs. Here the standard library subtracts. From Python 3.13 on Prefect's times are plain.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which Postgres counts microseconds."""
MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
RANGE = range((FIRST - EPOCH) // MICROSECOND, (LAST - EPOCH) // MICROSECOND + 1)
"""What comes back as a time of Python."""


def encode_plainly() -> None:
    """For each connection that this process opens to a Postgres from now on."""
    if sys.version_info < (3, 13):
        event.listen(Pool, "connect", set_codec)


def set_codec(connection: Any, _: object) -> None:
    """For one connection of SQLAlchemy's asyncpg dialect; those of SQLite have no codecs."""
    driver: Any = getattr(connection, "driver_connection", None)
    if hasattr(driver, "set_type_codec"):
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
    """Microseconds since the epoch of Postgres.

    Raises TypeError for a time without a zone, OverflowError for one that is in no year from 1 to
    9999 of UTC.
    """
    microseconds = datetime.__sub__(time, EPOCH) // MICROSECOND
    if microseconds not in RANGE:
        raise OverflowError("date value out of range")
    return (microseconds,)


def decoded(value: tuple[int]) -> datetime:
    """An infinite time is the first or the last one, as it is for asyncpg."""
    microseconds = value[0]
    if microseconds not in RANGE:
        return FIRST if microseconds < 0 else LAST
    return EPOCH + timedelta(microseconds=microseconds)
