"""Brings a database's schema up to date: the files of supabase/migrations, in order, repeatably."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import psycopg
from psycopg import errors
from pydantic import SecretStr

from outreach.errors import ConfigurationError

_RECORD = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text
);
"""


def migrations() -> list[tuple[str, str, str]]:
    """(version, name, SQL) of every migration, oldest first."""
    found = sorted(
        (entry for entry in packaged("migrations", "supabase/migrations").iterdir()
         if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )  # fmt: skip
    return [
        (version, name.removesuffix(".sql"), entry.read_text(encoding="utf-8"))
        for entry in found
        for version, _, name in [entry.name.partition("_")]
    ]


def migrate(url: SecretStr) -> list[str]:
    """Run every migration, each in a transaction of its own; the versions that were new.

    Each one may run again, so all of them do: that mends a schema that was changed by hand. They
    are noted where the Supabase CLI notes its own, so that either tool may be used.
    Raises ConfigurationError when the database cannot be reached or refuses.
    """
    try:
        with psycopg.connect(url.get_secret_value(), autocommit=True, connect_timeout=10) as db:
            # Two processes may start on a new database at the same moment.
            db.execute("select pg_advisory_lock(hashtext('outreach.migrate'))")
            db.execute(_RECORD)
            return [
                version for version, name, text in migrations() if _apply(db, version, name, text)
            ]
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The database refuses to be migrated ({error.diag.message_primary}); "
            "DATABASE_URL needs the owner of its tables, on Supabase the user postgres."
        ) from None
    except psycopg.OperationalError as error:
        raise _unreachable(error) from None


def is_current(url: SecretStr) -> bool:
    """Whether exactly these migrations, to the letter, were run last.

    Raises ConfigurationError when the database cannot be reached.
    """
    try:
        with psycopg.connect(url.get_secret_value(), connect_timeout=10) as db:
            noted = db.execute(
                "select version, statements[1] from supabase_migrations.schema_migrations"
            ).fetchall()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
    except psycopg.OperationalError as error:
        raise _unreachable(error) from None
    return {(version, text) for version, _, text in migrations()} <= set(noted)


def _apply(db: psycopg.Connection, version: str, name: str, text: str) -> bool:
    with db.transaction():
        db.execute("set local client_min_messages = warning")
        db.execute(text.encode())
        noted = db.execute(
            "insert into supabase_migrations.schema_migrations as noted (version, name, statements)"
            " values (%s, %s, array[%s])"
            " on conflict (version) do update set statements = excluded.statements"
            " returning xmax = 0",
            (version, name, text),
        ).fetchone()
    return noted is not None and bool(noted[0])


def _unreachable(error: psycopg.OperationalError) -> ConfigurationError:
    return ConfigurationError(
        f"The database cannot be reached ({type(error).__name__}); check DATABASE_URL."
    )


def packaged(name: str, in_checkout: str) -> Traversable:
    """A folder that the wheel carries as `outreach/NAME`, or its place in a checkout."""
    in_wheel = files("outreach") / name
    checkout = Path(__file__).parents[1] / in_checkout
    return checkout if checkout.is_dir() else in_wheel
