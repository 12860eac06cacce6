"""Real parts for every test: Postgres, the Gmail sandbox. Nothing is taken from outside."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox, serve
from outreach.local import postgres
from outreach.settings import Settings
from outreach.store import release_sql
from outreach.store.migrate import migrate
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.browser import browser, new_page  # noqa: F401 - what pytest finds here
from tests.postgrest.fixtures import (  # noqa: F401 - what pytest finds here
    db_push,
    node,
    postgrest,
    project,
    pytest_terminal_summary,
    supabase_database,
)

TEMPLATE = "outreach_template"
MEMORY = "/dev/shm"  # noqa: S108 - what is made in it has a name of its own
ROOM = 2 * 1024**3
"""Octets for the servers of a few test processes, with what they write ahead."""

# A job in a shell's background ignores Ctrl-C, one of `nohup` a closed terminal, and so would all that
# a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# Whatever is exported here: a test reads no setting, and reaches no server that it did not start.
for name in [*os.environ]:
    if name.startswith(
        ("SUPABASE_", "NEXT_PUBLIC_", "DATABASE_", "GOOGLE_", "GMAIL_", "PREFECT_", "DNS_")
    ):
        del os.environ[name]
os.environ["DOMAIN_CHECKS"] = "0"
os.environ["TZ"] = "UTC"  # times of day are told in this machine's zone
time.tzset()
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


@pytest.fixture(scope="session")
def server() -> Iterator[SecretStr]:
    """A Postgres with a migrated template database; its address."""
    with (
        tempfile.TemporaryDirectory(prefix="outreach-test-", dir=_in_memory()) as home,
        postgres.temporary(_passable(Path(home)), durable=False) as running,
    ):
        with psycopg.connect(running.url.get_secret_value(), autocommit=True) as db:
            db.execute("alter system set max_wal_size = '128MB'")
            db.execute("select pg_reload_conf()")
            db.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        migrate(_address(running.url, TEMPLATE))
        release_sql.install_working_tree(running.url, _address(running.url, TEMPLATE))
        yield running.url


@contextmanager
def new_database(server: SecretStr) -> Iterator[SecretStr]:
    """A migrated, empty database, for as long as the block lasts."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server.get_secret_value(), autocommit=True) as db:
        db.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    yield _address(server, name)
    with psycopg.connect(server.get_secret_value(), autocommit=True) as db:
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database(server: SecretStr) -> Iterator[SecretStr]:
    """The address of a migrated, empty database of this test alone."""
    with new_database(server) as address:
        yield address


@pytest.fixture
def db(database: SecretStr) -> Iterator[psycopg.Connection]:
    """A connection of the test's own, to look behind the Store's back."""
    with psycopg.connect(database.get_secret_value(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(database: SecretStr, tmp_path: Path) -> Settings:
    """Settings on this test's database, with waits and paces that a test can afford."""
    return Settings.only(
        database_url=database, outreach_home=tmp_path / "home", send_pace_seconds=0
    )


@pytest.fixture
def store(database: SecretStr, settings: Settings) -> Iterator[Store]:
    opened = Store(Postgres(database), settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with serve() as running:
        yield running


def _in_memory() -> str | None:
    """A folder in memory, where this machine has room in one; None: in its temporary files.

    A test has a database of its own, which is a hundred files: they come and go faster there.
    """
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK):
            return MEMORY
    return None


def _passable(home: Path) -> Path:
    """As root, Postgres runs as somebody else, who has to get to its data."""
    home.chmod(0o711)
    return home


def _address(url: SecretStr, database: str) -> SecretStr:
    parts = conninfo_to_dict(url.get_secret_value())
    return SecretStr(make_conninfo("", **{**parts, "dbname": database}))
