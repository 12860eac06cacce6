"""The times of Prefect's server in Postgres: the same whichever way they are encoded."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prefect.types._datetime import now
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import Pool

from deployments.timestamps import decoded, encode_plainly, set_codec
from tests.flows.asyncpg_address import asyncpg_address

TIMES = [
    datetime(2026, 11, 29, 20, 15, 1, 123456, UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
    datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999998, UTC),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
]


pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="Prefect's times are plain: nothing is done"
)


@contextmanager
def plainly() -> Iterator[None]:
    encode_plainly()
    yield
    event.remove(Pool, "connect", set_codec)


def kept(address: SecretStr, times: list[Any]) -> list[tuple[Any, str]]:
    """Each time as it comes back, and as Postgres writes it down."""

    async def ask() -> list[tuple[Any, str]]:
        engine = create_async_engine(asyncpg_address(address))
        query = text("select cast(:at as timestamptz), cast(cast(:at as timestamptz) as text)")
        try:
            async with engine.connect() as connection:
                await connection.execute(text("set timezone = 'UTC'"))
                rows = [(await connection.execute(query, {"at": at})).one() for at in times]
        finally:
            await engine.dispose()
        return [(at, written) for at, written in rows]

    return asyncio.run(ask())


def test_a_time_is_kept_as_asyncpg_keeps_it(database: SecretStr) -> None:
    times = [*TIMES, now("UTC")]

    before = kept(database, times)
    with plainly():
        after = kept(database, times)

    assert after == before
    assert [at.timestamp() for at, _ in after] == [at.timestamp() for at in times]
    assert all(at.tzinfo == UTC for at, _ in after)


def test_prefects_own_subtraction_is_not_called(
    database: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> None:
    time, calls = now("UTC"), []
    monkeypatch.setattr(type(time), "__sub__", lambda *both: calls.append(both))

    with plainly():
        ((at, _),) = kept(database, [time])

    assert at == time
    assert calls == []


def test_an_infinite_time_is_the_first_or_the_last(database: SecretStr) -> None:
    times = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]

    assert [written for _, written in kept(database, times)] == ["-infinity", "infinity"]
    assert [decoded((at,)) for at in (-(2**63), 2**63 - 1)] == times


@pytest.mark.parametrize(
    "time",
    [
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    ],
)
def test_a_time_that_could_not_be_read_is_refused(database: SecretStr, time: datetime) -> None:
    with plainly(), pytest.raises(DBAPIError, match="out of range"):
        kept(database, [time])


def test_a_time_without_a_zone_is_refused(database: SecretStr) -> None:
    with plainly(), pytest.raises(DBAPIError, match="naive"):
        kept(database, [datetime(2026, 11, 29)])  # noqa: DTZ001 - what is refused
