"""Transport over psycopg, for any Postgres and Supabase's pooler."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import Semaphore
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb, set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import SecretStr
from pydantic_core import from_json

from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store.calls import Row
from outreach.store.errors import TransientError, of_code, repeated

KEEPALIVES: dict[str, Any] = {
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Of libpq: a peer that is gone ends the connection after 35 s, with unsent data after 20 s."""
IDLE_SECONDS = 30.0
"""The pool closes one connection that nobody needed after each of these; its process in Postgres
holds 22 MB once it has planned every function. With the pool's own ten minutes, seven of them stay
for an hour.
"""
PATIENCE_SECONDS = 0.02
"""A call waits so long for those under way before it takes a connection beside theirs: most end
sooner, and a new connection costs more than that.
"""


class Postgres:
    """Calls over a psycopg pool; Supabase's pooler may be between, so no prepared statements."""

    def __init__(self, url: SecretStr, *, limit: int = 12, timeout: float = 10.0) -> None:
        """`limit`: connections at once; a call waits at most `timeout` seconds for one.

        Raises ConfigurationError; does not connect yet.
        """
        _refuse_no_address(url)
        self._url = url
        self._in_turn = Semaphore()
        self._pool = ConnectionPool(
            url.get_secret_value(),
            min_size=0,
            max_size=limit,
            max_idle=IDLE_SECONDS,
            timeout=timeout,
            open=True,
            configure=_with_fast_json,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "connect_timeout": 10,
                **KEEPALIVES,  # else a half-open one holds its thread for minutes or hours
            },
        )

    def call(self, function: str, **arguments: Any) -> list[Row]:
        query = _query(function, tuple(arguments))
        values = {name: _as_postgres(value) for name, value in arguments.items()}
        return repeated(lambda: self._fetch(query, values))

    def close(self) -> None:
        self._pool.close()

    def _fetch(self, query: bytes, values: Row) -> list[Row]:
        try:
            with self._turn(), self._pool.connection() as connection:
                return [row[0] for row in connection.execute(query, values)]
        except PoolTimeout:
            # The pool has waited and retried the connection several times.
            self._explain()
            raise StoreUnavailable("The database is away (no connection).") from None
        except psycopg.Error as error:
            raise _failure(error) from None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One call at a time; others go beside it after PATIENCE_SECONDS, as it may be long."""
        alone = self._in_turn.acquire(timeout=PATIENCE_SECONDS)
        try:
            yield
        finally:
            if alone:
                self._in_turn.release()

    def _explain(self) -> None:
        """Raise ConfigurationError for a wrong DATABASE_URL. Connects, as the pool hides errors."""
        try:
            psycopg.connect(self._url.get_secret_value(), connect_timeout=5).close()
        except (errors.InvalidPassword, errors.InvalidAuthorizationSpecification):
            raise ConfigurationError(
                "The database refuses the user or password in DATABASE_URL", "correct it"
            ) from None
        except errors.InvalidCatalogName:
            raise ConfigurationError(
                "The database that DATABASE_URL names does not exist", "create it or correct it"
            ) from None
        except psycopg.OperationalError:
            return


def _with_fast_json(connection: psycopg.Connection[Any]) -> None:
    """Read JSON with pydantic's parser, in half of the time: a page of leads repeats its keys."""
    set_json_loads(partial(from_json, cache_strings="keys"), connection)


@cache
def _query(function: str, arguments: tuple[str, ...]) -> bytes:
    query = sql.SQL("select * from public.{}({})").format(
        sql.Identifier(function),
        sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name in arguments
        ),
    )
    return query.as_bytes()


def _refuse_no_address(url: SecretStr) -> None:
    try:
        conninfo_to_dict(url.get_secret_value())
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "DATABASE_URL is not a Postgres address", "it looks like postgresql://user:…@host/db"
        ) from None


def _failure(error: psycopg.Error) -> Exception:
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(
            f"The database refuses its user ({error.diag.message_primary})",
            "DATABASE_URL needs the owner of the tables or the service role",
        )
    if error.sqlstate is not None:
        return of_code(error.sqlstate, error.diag.message_primary)
    # The kind of failure alone: libpq's messages may hold the connection string.
    return TransientError(type(error).__name__)


def _as_postgres(value: Any) -> Any:
    holds_json = isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )
    return Jsonb(value) if holds_json else value
