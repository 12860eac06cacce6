# ruff: noqa: E501 - lines of SQL
"""Writes a release of the SQL functions: `make release-sql`, for developers.

A release is one new migration. It holds every function of `supabase/sql`, their signatures, and a
hash of them as stored by Postgres. Signatures and hash come from a real Postgres, because the text
alone does not give the catalogue's form. By the signatures a later release distinguishes our own
superseded functions, which it drops, from the project's functions, which it refuses to replace.
"""

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from outreach.local import postgres
from outreach.store.schema import RELEASE, migrations, release

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "supabase" / "sql"
MIGRATIONS = ROOT / "supabase" / "migrations"
BEFORE_RELEASES = "20261124009900"
"""The schema version before there were releases. Its workers cannot refuse a newer release, so
their calls have to work until a release ends that.
"""

_BEGINS, _ENDS = "-- Functions.\n\n", "\n-- End of functions.\n"

_HEAD = """\
-- Release {version} of the functions: `make release-sql` wrote it from supabase/sql; no hand edits it.

do $$
declare
  ours constant text[] := array[
{ours}
  ];
  known text[];
  path constant text := pg_catalog.current_setting('search_path');
  f record;
begin
  select array_agg(x.signature) into known
  from public.schema_releases r cross join unnest(r.functions) x (signature);
  perform pg_catalog.set_config('search_path', '', true); -- signatures with their schemas, as above
  for f in
    select p.oid::regprocedure::text as signature
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
        select split_part(split_part(x.signature, '(', 1), '.', 2) from unnest(ours || known) x (signature))
  loop
    if f.signature <> all (known) then
      raise exception
        'The database has a function of its own with a name of ours: %; rename or drop it, then migrate again.',
        f.signature;
    elsif f.signature <> all (ours) then
      execute 'drop function ' || f.signature; -- superseded
    end if;
  end loop;
  perform pg_catalog.set_config('search_path', path, true);

  insert into public.schema_releases (version, hash, functions, calls_since)
  values ('{version}', '{hash}', ours, '{calls_since}')
  on conflict (version) do update
  set hash = excluded.hash, functions = excluded.functions, calls_since = excluded.calls_since;
end
$$;

-- In the order of their files, whoever calls whom.
set check_function_bodies = off;

"""
_FOOT = """
reset check_function_bodies;
select public.lock_down();
notify pgrst, 'reload schema';
"""


class Call(NamedTuple):
    """The signature of a function for calls with named arguments."""

    arguments: dict[str, str]
    """Type by name."""
    needed: frozenset[str]
    """Those without a default."""

    def serves(self, earlier: "Call") -> bool:
        """Whether a caller of the earlier signature may call this one."""
        return earlier.arguments.items() <= self.arguments.items() and self.needed <= earlier.needed


def functions() -> str:
    """All functions of the working tree, one file after another."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.sql")))


def is_released() -> bool:
    """Whether the newest release has exactly the working tree's functions."""
    _, begins, rest = _newest().partition(_BEGINS)
    return bool(begins) and rest.rpartition(_ENDS)[0] == functions()


def build(server: SecretStr, version: str, calls_since: str) -> str:
    """The text of a release of the working tree's functions, built on a database of this server."""
    with _database(server) as db:
        db.execute("set check_function_bodies = off")
        db.execute(functions().encode())
        db.execute("set check_function_bodies = on")
        db.execute(functions().encode())  # all exist now, so their bodies are checked
        db.execute("set search_path = ''")
        ours = [name for (name,) in db.execute(
            "select p.oid::regprocedure::text from pg_proc p"
            " where p.pronamespace = 'public'::regnamespace order by 1"
        )]  # fmt: skip
        computed = db.execute("select public.functions_hash(%s)", (ours,)).fetchone()
    assert computed is not None  # noqa: S101 - a scalar function answers with one row
    head = _HEAD.format(
        version=version,
        hash=computed[0],
        calls_since=calls_since,
        ours=_lines(ours),
    )
    return f"{head}{_BEGINS}{functions()}{_ENDS}{_FOOT}"


def install_working_tree(server: SecretStr, database: SecretStr) -> None:
    """Replace a migrated database's functions by those of the working tree.

    For tests, so that they use the edited functions. `server` is any database of the same server.
    """
    if is_released():
        return
    text = build(server, release(), _calls_since(_newest()))
    with psycopg.connect(database.get_secret_value()) as db:
        db.execute(text.encode())


def write(*, breaks: bool = False) -> Path | None:
    """Write the release; None when nothing has changed.

    `breaks`: calls of earlier releases need not work; their workers stop. Raises SystemExit when
    such calls would fail and `breaks` was not given.
    """
    _forget_uncommitted()
    if is_released():
        return None
    version = max(f"{datetime.now(UTC):%Y%m%d%H%M%S}", str(int(migrations()[-1].version) + 1))
    with (
        tempfile.TemporaryDirectory(prefix="outreach-release-") as home,
        postgres.temporary(_passable(Path(home)), durable=False) as running,
    ):
        text = build(running.url, version, version if breaks else _calls_since(_newest()))
        earlier = _calls(running.url, _newest())
        now = _calls(running.url, text)
    broken = [
        name for name, call in earlier.items() if not (name in now and now[name].serves(call))
    ]
    if broken and not breaks:
        raise SystemExit(
            f"Calls of the release before would fail: {', '.join(sorted(broken))}. Keep the names "
            "of their arguments and give new ones a default, or run `make release-sql BREAKS=1`: "
            "workers of earlier releases then refuse to go on."
        )
    path = MIGRATIONS / f"{version}_{RELEASE}.sql"
    path.write_text(text, encoding="utf-8")
    return path


def calls(db: psycopg.Connection) -> dict[str, Call]:
    """The signature of each function in the schema public."""
    rows = db.execute(
        "select p.proname, coalesce(p.proargnames, '{}'),"
        " array(select replace(t::regtype::text, 'public.', '') from unnest(p.proargtypes) t),"
        " p.pronargdefaults from pg_proc p where p.pronamespace = 'public'::regnamespace"
    )
    return {
        # Names of returned table columns follow those of the arguments.
        name: Call(dict(zip(names, types, strict=False)), frozenset(names[: len(types) - defaults]))
        for name, names, types, defaults in rows
    }


def _calls(server: SecretStr, release_text: str) -> dict[str, Call]:
    with _database(server) as db:
        db.execute(release_text.encode())
        return calls(db)


@contextmanager
def _database(server: SecretStr) -> Iterator[psycopg.Connection]:
    """A new database with our tables and only the functions that they need."""
    parts = conninfo_to_dict(server.get_secret_value())
    name = f"release_{uuid4().hex}"
    with psycopg.connect(server.get_secret_value(), autocommit=True) as above:
        above.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            with psycopg.connect(make_conninfo("", **{**parts, "dbname": name})) as db:
                for migration in migrations():
                    if not migration.is_release:
                        db.execute(migration.text.encode())
                yield db
        finally:
            above.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _newest() -> str:
    """The text of the newest release; empty before the first one."""
    found = [migration.text for migration in migrations() if migration.is_release]
    return found[-1] if found else ""


def _forget_uncommitted() -> None:
    """Delete an uncommitted release: it is rewritten, not followed by another one."""
    listed = subprocess.run(  # noqa: S603
        ["git", "ls-files", "--others", "--", str(MIGRATIONS)],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if name.endswith(f"_{RELEASE}.sql"):
            (ROOT / name).unlink()
    migrations.cache_clear()
    release.cache_clear()


def _calls_since(text: str) -> str:
    found = re.search(r"ours, '(\d+)'\)\n", text)
    return found[1] if found else BEFORE_RELEASES


def _lines(signatures: list[str]) -> str:
    return ",\n".join(f"    '{signature}'" for signature in signatures)


def _passable(home: Path) -> Path:
    """As root, Postgres runs as another user, who has to reach its data."""
    home.chmod(0o711)
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description="Release the SQL functions of supabase/sql.")
    parser.add_argument("--breaks", action="store_true", help="calls of earlier releases may fail")
    written = write(breaks=parser.parse_args().breaks)
    print(f"{written.relative_to(ROOT)} is new: commit it." if written else "Nothing has changed.")  # noqa: T201


if __name__ == "__main__":
    main()
