"""How a SQL function is called: over psycopg, or over PostgREST with the supabase client.

A transport is one method. Every SQL function returns a set of JSON objects, so that both
transports answer alike, and is repeatable, so that a call whose answer was lost is made again.
"""

import time
from collections.abc import Callable
from datetime import datetime
from datetime import time as dt_time
from typing import Any
from uuid import UUID

import httpx
import psycopg
from postgrest.exceptions import APIError
from psycopg import errors, sql
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout
from pydantic import SecretStr
from supabase.client import SupabaseException

from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store import Row
from supabase import ClientOptions, create_client

PAUSES = (0.05, 0.2, 0.5)
"""Seconds between the tries of one call; what lasts longer is for the caller to wait out."""


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
        values = {name: _as_postgres(value) for name, value in arguments.items()}
        return _repeated(lambda: self._fetch(query, values))

    def close(self) -> None:
        self._pool.close()

    def _fetch(self, query: sql.Composed, values: Row) -> list[Row]:
        try:
            with self._pool.connection() as connection:
                return [row[0] for row in connection.execute(query, values)]
        except (errors.UndefinedFunction, errors.UndefinedTable, errors.UndefinedColumn) as error:
            raise _outdated(error.diag.message_primary) from None
        except errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"The database refuses its user ({error.diag.message_primary}); "
                "DATABASE_URL needs the owner of the tables or the service role."
            ) from None
        except psycopg.OperationalError as error:
            if isinstance(error, PoolTimeout):
                self._explain()
            # The kind of failure alone: libpq's messages may hold the connection string.
            raise _Away(type(error).__name__) from None

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
                "The database that DATABASE_URL names does not exist; create it or correct it."
            ) from None
        except psycopg.ProgrammingError:
            raise ConfigurationError(
                "DATABASE_URL is not a Postgres address; it looks like postgresql://user:…@host/db."
            ) from None
        except psycopg.OperationalError:
            return


class PostgREST:
    """Calls over Supabase's HTTP API with the service-role key (`sb_secret_…` or a JWT)."""

    def __init__(self, url: str, key: SecretStr, *, timeout: float = 70.0) -> None:
        """`timeout` seconds for one call: longer than the longest statement_timeout, 60 s."""
        try:
            self._client = create_client(
                url,
                key.get_secret_value(),
                ClientOptions(
                    postgrest_client_timeout=timeout,
                    postgrest_client_retry=False,
                    auto_refresh_token=False,
                    persist_session=False,
                ),
            )
        except SupabaseException as error:
            raise ConfigurationError(
                f"SUPABASE_URL or SUPABASE_SERVICE_ROLE_KEY is not usable: {error}."
            ) from None

    def call(self, function: str, **arguments: Any) -> list[Row]:
        # What is None is left out: the function's own default holds.
        values = {name: _as_json(v) for name, v in arguments.items() if v is not None}
        return _repeated(lambda: self._fetch(function, values))

    def close(self) -> None:
        self._client.postgrest.aclose()

    def _fetch(self, function: str, values: Row) -> list[Row]:
        try:
            return self._client.rpc(function, values).execute().data  # type: ignore[return-value]
        except APIError as error:
            raise _judge(error) from None
        except httpx.TransportError as error:
            raise _Away(type(error).__name__) from None


def _judge(error: APIError) -> Exception:
    """What PostgREST's error code says: https://docs.postgrest.org/en/stable/references/errors.html."""
    code = str(error.code)
    if code in {"PGRST202", "PGRST205", "42883", "42P01", "42703"}:
        return _outdated(error.message)
    if code in {"401", "403", "42501", "PGRST301", "PGRST302", "PGRST303"}:
        return ConfigurationError(
            "Supabase refuses SUPABASE_SERVICE_ROLE_KEY; copy the service-role (secret) key again."
        )
    if code == "404":
        return ConfigurationError(
            "SUPABASE_URL does not lead to a Supabase project; copy it from the project's settings."
        )
    if code.startswith(("PGRST00", "08", "40", "53", "57", "5")) or code == "429":
        return _Away(code)
    return error


class _Away(Exception):
    """This call failed for a reason that may pass; the call may be made again."""


def _outdated(what: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"The database lacks what this version needs ({what}); run `outreach db migrate`."
    )


def _repeated(call: Callable[[], list[Row]]) -> list[Row]:
    """Make the call again when the database was away, overloaded or broke a deadlock."""
    for pause in PAUSES:
        try:
            return call()
        except _Away:
            time.sleep(pause)
    try:
        return call()
    except _Away as error:
        raise StoreUnavailable(f"The database is away ({error}).") from None


def _as_postgres(value: Any) -> Any:
    holds_json = isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )
    return Jsonb(value) if holds_json else value


def _as_json(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime() | dt_time():
            return value.isoformat()
        case list():
            return [_as_json(one) for one in value]
        case _:
            return value
