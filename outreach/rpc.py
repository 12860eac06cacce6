"""How a SQL function is called: over psycopg.

A transport is one method. Every SQL function returns a set of JSON objects, so that both
transports answer alike, and is repeatable, so that a call whose answer was lost is made again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import SecretStr

from outreach.errors import ConfigurationError, StoreUnavailable

Row = dict[str, Any]

PAUSES = (0.05, 0.2, 0.5)
"""Seconds between the tries of one call; what lasts longer is for the caller to wait out."""


class Transport(Protocol):
    def call(self, function: str, **arguments: Any) -> list[Row]:
        """Call a SQL function by name with named arguments; the rows that it returns.

        Raises StoreUnavailable when the database is away and ConfigurationError when the address,
        the rights or the schema are wrong.
        """
        ...

    def close(self) -> None: ...


class Postgres:
    """Calls over a psycopg pool; also through Supabase's pooler, so nothing is prepared."""

    def __init__(self, url: SecretStr, *, most: int = 12, patience: float = 10.0) -> None:
        """`most` connections at once; a call waits `patience` seconds for one of them."""
        self._url = url
        self._pool = ConnectionPool(
            url.get_secret_value(),
            min_size=0,
            max_size=most,
            timeout=patience,
            open=True,
            kwargs={"autocommit": True, "prepare_threshold": None, "connect_timeout": 10},
        )

    def call(self, function: str, **arguments: Any) -> list[Row]:
        query = sql.SQL("select * from public.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in arguments
            ),
        )
        values = {name: _adapted(value) for name, value in arguments.items()}
        return repeated(lambda: self._fetch(query, values))

    def close(self) -> None:
        self._pool.close()

    def _fetch(self, query: sql.Composed, values: Row) -> list[Row]:
        try:
            with self._pool.connection() as connection:
                return [row[0] for row in connection.execute(query, values)]
        except PoolTimeout:
            self._explain()
            raise
        except (errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedColumn) as error:
            raise ConfigurationError(
                f"The database lacks what this version needs ({error.diag.message_primary}); "
                "run `outreach db migrate`."
            ) from None
        except errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"The database refuses its user ({error.diag.message_primary}); "
                "DATABASE_URL needs the owner of the tables or the service role."
            ) from None

    def _explain(self) -> None:
        """The pool keeps the cause of a failed connection to itself: ask for it once more."""
        try:
            psycopg.connect(self._url.get_secret_value(), connect_timeout=5).close()
        except (errors.InvalidPassword, errors.InvalidAuthorizationSpecification):
            raise ConfigurationError(
                "The database refuses the user or password in DATABASE_URL; correct it."
            ) from None
        except errors.InvalidCatalogName:
            raise ConfigurationError(
                "The database that DATABASE_URL names does not exist; create it or correct the name."
            ) from None
        except psycopg.ProgrammingError:
            raise ConfigurationError(
                "DATABASE_URL is not a Postgres address; it looks like postgresql://user:…@host/db."
            ) from None
        except psycopg.OperationalError:
            return


def repeated(call: Callable[[], list[Row]], pauses: Sequence[float] = PAUSES) -> list[Row]:
    """Make the call again when the database was away, overloaded or broke a deadlock."""
    for pause in (*pauses, None):
        try:
            return call()
        except psycopg.OperationalError as error:
            if pause is None:
                raise StoreUnavailable(f"The database is away ({_cause(error)}).") from None
            time.sleep(pause)
    raise AssertionError


def _cause(error: psycopg.OperationalError) -> str:
    """The kind of failure alone: libpq's messages may hold the connection string."""
    return type(error).__name__


def _adapted(value: Any) -> Any:
    holds_json = isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )
    return Jsonb(value) if holds_json else value
