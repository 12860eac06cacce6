"""Applies missing migrations to a database, in one transaction."""

import time
from typing import NamedTuple

import psycopg
from psycopg import errors
from pydantic import SecretStr

from outreach import commands
from outreach.errors import ConfigurationError, SchemaMismatch
from outreach.store.results import Exposed
from outreach.store.schema import Migration, SchemaVersion, difference, migrations, release

_LOG = """
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
  version text primary key, statements text[], name text
);
"""
LOCK_SECONDS = 5
"""How long it waits for the lock of a table in use; calls behind it wait as long."""
TRIES = 6
COUNTS = "20261129131000"
"""The migration from which on mails are counted."""
_BUSY = (errors.LockNotAvailable, errors.DeadlockDetected)


class Migrated(NamedTuple):
    applied: list[str]
    """The versions that were newly applied."""
    mended: bool
    """Whether functions that were changed by hand were restored."""


def migrate(url: SecretStr) -> Migrated:
    """Apply all missing migrations, or none: after an error the schema is unchanged.

    Of several releases of the functions only the newest runs, and runs again when functions were
    changed by hand since. Applied versions are recorded where the Supabase CLI records them, so
    that either tool may be used. Waits for another migration at the same time. Raises
    ConfigurationError when the database cannot be reached, refuses, or is newer.
    """
    for _ in range(TRIES):
        try:
            return _migrate(url)
        except _BUSY:
            time.sleep(1)
    raise ConfigurationError(
        "The database's tables were in use for too long",
        f"nothing was changed. Run {commands.MIGRATE} again, or end what holds them "
        "(pg_stat_activity shows it)",
    )


def exposed_tokens(url: SecretStr) -> list[Exposed]:
    """Roles of the web app's users that can read accounts' tokens, in a migrated database."""
    try:
        with psycopg.connect(url.get_secret_value(), connect_timeout=10) as db:
            rows = db.execute("select * from public.exposed_tokens()").fetchall()
    except psycopg.OperationalError as error:
        raise _unreachable(error) from None
    return [Exposed.model_validate(row) for (row,) in rows]


def is_current(url: SecretStr) -> bool:
    """Whether every migration of this version was applied.

    Raises ConfigurationError when the database cannot be reached.
    """
    try:
        with psycopg.connect(url.get_secret_value(), connect_timeout=10) as db:
            return {migration.version for migration in migrations()} <= _noted(db)
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return False
    except psycopg.OperationalError as error:
        raise _unreachable(error) from None


def _migrate(url: SecretStr) -> Migrated:
    try:
        db = psycopg.connect(url.get_secret_value(), connect_timeout=10)
    except psycopg.OperationalError as error:
        raise _unreachable(error) from None
    try:
        with db, db.transaction():
            return _apply(db)
    except _BUSY:
        raise
    except errors.RaiseException as error:
        raise ConfigurationError(str(error.diag.message_primary)) from None
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The database refuses to be migrated by this user ({error.diag.message_primary})",
            "nothing was changed. DATABASE_URL needs the owner of the schema and its tables, on "
            "Supabase the user postgres",
        ) from None
    except psycopg.Error as error:
        raise ConfigurationError(
            f"The migration was stopped ({error.diag.message_primary or type(error).__name__})",
            f"nothing was changed. Mend that, then run {commands.MIGRATE} again",
        ) from None


def _apply(db: psycopg.Connection) -> Migrated:
    db.execute("select pg_advisory_xact_lock(hashtext('outreach.migrate'))")
    db.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
    db.execute("set local client_min_messages = warning")
    db.execute(_LOG)
    noted = _noted(db)
    missing = [migration for migration in migrations() if migration.version not in noted]
    installed = _installed(db)
    if installed is not None and installed.version > release():
        raise SchemaMismatch(*difference("newer", installed.version))
    edited = installed is not None and installed.hash != installed.release_hash
    for migration in migrations():
        is_newest = migration.version == release()
        if (migration in missing and not migration.is_release) or (
            is_newest and (edited or migration in missing)
        ):
            db.execute(migration.text.encode())
    for migration in missing:
        _note(db, migration)
        if migration.version == COUNTS and _has_counts(db):
            db.execute("select public.recount_mails()")  # what was mailed before it was counted
    # Supabase may have added roles since.
    db.execute("select public.lock_down()")
    return Migrated([migration.version for migration in missing], mended=edited)


def _installed(db: psycopg.Connection) -> SchemaVersion | None:
    """The version of the database's functions; None before the first release."""
    if db.execute("select to_regclass('public.schema_releases')").fetchone() == (None,):
        return None
    newest = "from public.schema_releases r order by r.version desc limit 1"
    found = db.execute(f"select r.version, r.hash {newest}").fetchone()
    if found is None or not found[1]:
        return None
    try:
        with db.transaction():
            live = db.execute(f"select public.functions_hash(r.functions) {newest}").fetchone()
    except psycopg.Error:
        live = None  # the function that computes it was changed, too
    return SchemaVersion(version=found[0], release_hash=found[1], hash=str(live and live[0]))


def _has_counts(db: psycopg.Connection) -> bool:
    found = db.execute("select to_regprocedure('public.recount_mails()') is not null").fetchone()
    return found == (True,)


def _noted(db: psycopg.Connection) -> set[str]:
    rows = db.execute("select version from supabase_migrations.schema_migrations")
    return {version for (version,) in rows}


def _note(db: psycopg.Connection, migration: Migration) -> None:
    db.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements)"
        " values (%s, %s, array[%s]) on conflict (version) do nothing",
        (migration.version, migration.name, migration.text),
    )


def _unreachable(error: psycopg.OperationalError) -> ConfigurationError:
    return ConfigurationError(
        f"The database cannot be reached ({type(error).__name__})", "check DATABASE_URL"
    )
