"""Releases of the functions: whole or not at all, told apart, and good to older callers."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from outreach.errors import ConfigurationError, SchemaMismatch
from outreach.settings import Settings
from outreach.store import release_sql
from outreach.store.migrate import Migrated, migrate
from outreach.store.postgres import Postgres
from outreach.store.release_sql import BEFORE_RELEASES, Call, calls
from outreach.store.schema import migrations, release
from outreach.store.store import Store
from tests import older as older_build
from tests.older import migrated_by_it

CALLS = json.loads(Path(__file__).with_name("calls_before_releases.json").read_text())


def everything(db: psycopg.Connection) -> list[Any]:
    """Tables, functions and what is noted: to see that nothing was changed."""
    return [
        db.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
            " where table_schema in ('public', 'supabase_migrations') order by 1, 2, 3"
        ).fetchall(),
        db.execute(
            "select oid::regprocedure::text, prosrc from pg_proc"
            " where pronamespace = 'public'::regnamespace order by 1"
        ).fetchall(),
    ]


def state(db: psycopg.Connection) -> Any:
    """How the database's schema is told to a caller of this version."""
    answer = db.execute("select installed_release(%s)", (release(),)).fetchone()
    assert answer is not None
    return answer[0]


def change_by_hand(db: psycopg.Connection) -> None:
    db.execute(
        "create or replace function release_run(campaign uuid, run uuid) returns setof jsonb"
        " language sql set search_path = '' as $$ select '{}'::jsonb $$"
    )


@pytest.fixture
def old(bare: SecretStr, older: Any) -> Any:
    """A database that the build of before there were releases has migrated."""
    migrated_by_it(bare)
    return older


# --- released -----------------------------------------------------------------------------------


def test_the_functions_are_those_of_the_newest_release() -> None:
    """`make release-sql` writes one; without it no database would have them."""
    assert release_sql.is_released(), "run `make release-sql`"


def test_the_hash_of_a_release_is_that_of_its_functions(db: psycopg.Connection) -> None:
    """On whatever Postgres this is: it was computed on another one."""
    assert state(db) is None


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_workers_that_cannot_refuse_go_on_working(
    db: psycopg.Connection, name: str
) -> None:
    """Same names, same types, and no argument more that is needed."""
    now = calls(db)[name]
    earlier = Call(CALLS[name]["arguments"], frozenset(CALLS[name]["needed"]))
    assert now.serves(earlier), (now, earlier)


def test_a_function_that_lost_an_argument_serves_no_earlier_call() -> None:
    """Nor one that needs another, or has another type."""
    earlier = Call({"a": "uuid", "b": "text"}, frozenset({"a"}))
    assert [
        Call({"a": "uuid", "b": "text", "c": "text"}, frozenset({"a"})).serves(earlier),
        Call({"a": "uuid"}, frozenset({"a"})).serves(earlier),
        Call({"a": "uuid", "b": "text", "c": "text"}, frozenset({"a", "c"})).serves(earlier),
        Call({"a": "uuid", "b": "integer"}, frozenset({"a"})).serves(earlier),
    ] == [True, False, False, False]


# --- taken over ---------------------------------------------------------------------------------


def test_a_database_of_before_is_taken_over_with_a_campaign_in_flight(
    bare: SecretStr, old: Any
) -> None:
    """Its rows stay, its superseded functions go, and the same run goes on with both calls."""
    account = old.account()
    campaign = old.campaign(account, leads=3)
    run = old.begin(campaign)
    old.mail(campaign, run)
    attempt, lead = old.open(campaign, run)
    rows = old.everything()

    applied = migrate(bare).applied
    kept = old.everything()
    old.record(attempt, "sent")
    third = old.mail(campaign, run)
    ended = old.sql.finish_run(campaign=campaign, run=run)

    # What it did not know is all that is new to it.
    assert [one.version for one in migrations() if one.version > BEFORE_RELEASES] == applied
    assert in_columns_of(kept, rows) == json.loads(rows)
    assert (ended["status"], old.lead_states(campaign)) == ("completed", {"sent": 3})
    assert lead != third
    overloads = old.db.execute(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " group by 1 having count(*) > 1"
    ).fetchall()
    assert (overloads, state(old.db)) == ([], None)


def in_columns_of(kept: str, rows: str) -> Any:
    """The rows as JSON, without columns that have come since."""
    now = json.loads(kept)
    return {
        table: [
            was and [{k: row[k] for k in old} for row, old in zip(now[table][0], was, strict=True)]
        ]
        for table, (was,) in json.loads(rows).items()
    }


def test_a_migration_of_before_that_stopped_half_way_is_taken_over(
    bare: SecretStr, old: Any
) -> None:
    """It ran each file in a transaction of its own, and was ended before the last ones."""
    old.db.execute(
        "delete from supabase_migrations.schema_migrations where version > '20261124000600';"
        "drop function take_due, campaign_progress, list_mails, schema_version"
    )
    migrate(bare)
    assert (state(old.db), migrate(bare)) == (None, Migrated([], mended=False))


def test_a_build_of_before_that_migrates_again_is_told_of_and_put_right(
    bare: SecretStr, old: Any
) -> None:
    """It brings its own functions back, beside ours: calls would be ambiguous."""
    migrate(bare)
    migrated_by_it(bare)
    told = state(old.db)
    again = migrate(bare)
    assert told["state"] == "edited"
    assert (again, state(old.db)) == (Migrated([], mended=True), None)


# --- all or nothing -----------------------------------------------------------------------------


@pytest.fixture
def held(old: Any) -> Iterator[psycopg.Connection]:
    """The database of before, with the last table that a migration needs in somebody's hands."""
    with psycopg.connect(old.db.info.dsn, password=old.db.info.password) as holder:
        holder.execute("create table public.schema_releases (version text)")
        yield holder


def test_a_killed_migration_leaves_everything_as_it_was(
    bare: SecretStr, old: Any, held: psycopg.Connection
) -> None:
    """SIGKILL in the middle: it waits for a table when it dies; the next one does it all."""
    before = everything(old.db)
    program = (
        "import sys; from pydantic import SecretStr; from outreach.store.migrate import migrate;"
        "migrate(SecretStr(sys.stdin.read()))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(bare.get_secret_value().encode())
    process.stdin.close()
    old.until_blocked()
    process.send_signal(signal.SIGKILL)
    process.wait()
    held.rollback()
    after = everything(old.db)
    applied = migrate(bare).applied
    assert (after, bool(applied), state(old.db)) == (before, True, None)


def test_a_lost_connection_leaves_everything_as_it_was(
    bare: SecretStr, old: Any, held: psycopg.Connection
) -> None:
    """And says so in a sentence."""
    before = everything(old.db)
    with ThreadPoolExecutor() as side:
        migrating = side.submit(migrate, bare)
        old.until_blocked()
        old.db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        error = migrating.exception()
    held.rollback()
    assert isinstance(error, ConfigurationError)
    assert "nothing was changed" in str(error)
    assert everything(old.db) == before


@pytest.mark.parametrize("command", ["CREATE TABLE", "CREATE FUNCTION"])
def test_a_full_disk_leaves_everything_as_it_was(bare: SecretStr, old: Any, command: str) -> None:
    """Postgres' own error, wherever it comes; with what to do."""
    old.db.execute(
        "create function full_disk() returns event_trigger language plpgsql as $$ begin"
        " raise disk_full using message = 'could not extend file: No space left on device';"
        " end $$"
    )
    old.db.execute(
        sql.SQL(
            "create event trigger fills on ddl_command_end when tag in ({})"
            " execute function full_disk()"
        ).format(command)
    )
    before = everything(old.db)
    with pytest.raises(ConfigurationError, match=r"No space left.*nothing was changed"):
        migrate(bare)
    assert everything(old.db) == before


def test_of_two_migrations_at_once_one_waits(bare: SecretStr, older: Any) -> None:
    """And has nothing left to do."""
    with ThreadPoolExecutor() as side:
        both = [side.submit(migrate, bare) for _ in range(2)]
        applied = sorted(len(done.result().applied) for done in both)
    assert (applied, state(older.db)) == ([0, len(migrations())], None)


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theirs",
    ["take_due()", "campaign_status(campaign uuid)", "cancel_run(campaign uuid, run uuid)"],
)
def test_a_projects_own_function_is_not_replaced(bare: SecretStr, older: Any, theirs: str) -> None:
    """With other arguments or with the very same: nothing is changed, and it is named."""
    older.db.execute(
        f"create function {theirs} returns setof jsonb language sql as $$ select '1'::jsonb $$".encode()
    )
    before = everything(older.db)
    with pytest.raises(ConfigurationError, match=theirs.partition("(")[0]) as caught:
        migrate(bare)
    assert "rename or drop it" in str(caught.value)
    assert everything(older.db) == before


@pytest.mark.parametrize("theirs", ["lock_down()", "claim_leads(campaign uuid)"])
def test_a_projects_own_function_is_not_replaced_by_an_update(
    bare: SecretStr, old: Any, theirs: str
) -> None:
    """A name that is new in a release, and an overload that was never ours."""
    old.db.execute(f"create function {theirs} returns int language sql as 'select 1'".encode())
    before = everything(old.db)
    with pytest.raises(ConfigurationError, match="a function of its own"):
        migrate(bare)
    assert everything(old.db) == before


def test_a_role_that_may_not_create_functions_is_told_what_it_lacks(
    bare: SecretStr, older: Any
) -> None:
    """And nothing is changed."""
    name, parts = f"web_{uuid4().hex}", conninfo_to_dict(bare.get_secret_value())
    older.db.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(name)))
    older.db.execute(
        sql.SQL("grant create on database {} to {}").format(
            sql.Identifier(str(parts["dbname"])), sql.Identifier(name)
        )
    )
    before = everything(older.db)
    url = SecretStr(make_conninfo("", **{**parts, "user": name, "password": "x"}))
    with pytest.raises(ConfigurationError, match="permission denied for schema public"):
        migrate(url)
    assert everything(older.db) == before
    older.db.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(name)))


# --- told ---------------------------------------------------------------------------------------


@pytest.fixture
def seen(database: SecretStr) -> Iterator[Store]:
    """A store on a database whose release the test may change."""
    store = Store(Postgres(database), Settings.only(database_url=database))
    yield store
    store.close()


@pytest.mark.parametrize("how", ["changed", "dropped", "added"])
def test_a_function_that_a_hand_changed_is_told_and_put_back(
    database: SecretStr, db: psycopg.Connection, seen: Store, how: str
) -> None:
    """Its source, its absence, or one of an earlier release beside it."""
    migrate(database)
    match how:
        case "changed":
            change_by_hand(db)
        case "dropped":
            db.execute("drop function release_run")
        case "added":
            db.execute(
                "create function begin_run(uuid, uuid, float, timestamptz)"
                " returns setof jsonb language sql as 'select null::jsonb'"
            )
    told = seen.compare_schema()
    again = migrate(database)
    assert told is not None
    assert "run `outreach db migrate`" in str(told)
    assert (again, seen.compare_schema()) == (Migrated([], mended=True), None)


def test_even_what_tells_it_is_put_back(database: SecretStr, db: psycopg.Connection) -> None:
    """Changed by hand, it cannot be asked."""
    db.execute("drop function functions_hash")
    assert (migrate(database).mended, state(db)) == (True, None)


def test_a_newer_release_is_told_and_left_alone(
    database: SecretStr, db: psycopg.Connection, seen: Store
) -> None:
    """Its calls work: the worker goes on, and its `db migrate` changes nothing."""
    newer(db, calls_since=release())
    told = seen.compare_schema()
    with pytest.raises(SchemaMismatch, match="update outreach here"):
        migrate(database)
    assert told is not None
    assert "newer than this version" in str(told)


def newer(db: psycopg.Connection, *, calls_since: str) -> None:
    """As if another machine had released the same functions under a later version."""
    db.execute(
        "insert into schema_releases (version, hash, functions, calls_since)"
        " select '29990101000000', hash, functions, %s from schema_releases"
        " order by version desc limit 1",
        (calls_since,),
    )


def test_a_worker_that_a_newer_release_no_longer_serves_gives_everything_back(
    build: Any, db: psycopg.Connection, seen: Store
) -> None:
    """Refused at its next claim; what it had claimed goes to the next worker, nothing in error."""
    campaign = build.campaign(build.account(), leads=3)
    run, another = uuid4(), uuid4()
    seen.begin_run(campaign, run, 60)
    held = seen.claim_leads(uuid4(), campaign, run, 2).claims
    newer(db, calls_since="29990101000000")

    with pytest.raises(SchemaMismatch, match="may not use"):
        seen.claim_leads(uuid4(), campaign, run, 2)
    seen.decline_run(campaign, run)
    with pytest.raises(SchemaMismatch, match="may not use"):
        seen.begin_run(campaign, uuid4(), 60)
    build.begin(campaign, another, at=None)
    anew = build.claim(campaign, another, at=None)["claims"]

    assert {claim.id for claim in held} <= {UUID(claim["id"]) for claim in anew}
    assert build.fields("campaigns", campaign, "status", "crash_count", "error") == (
        "running", 0, None,
    )  # fmt: skip


def test_a_worker_that_declines_is_not_held_against_the_campaign(
    build: Any, call: Any, seen: Store
) -> None:
    """However often an outdated worker gets its dispatch."""
    campaign = build.campaign(build.account(), leads=1)
    for round_ in range(5):
        due = call.take_due(at=round_ * 60)
        assert due["answer"] == "due"
        run = uuid4()
        call.note_dispatch(campaign=campaign, flow_run=str(run))
        seen.decline_run(campaign, run)
    assert build.fields("campaigns", campaign, "status", "dispatch_misses") == ("running", 0)


def test_an_answer_that_nobody_knows_yet_is_one_of_a_newer_release(
    db: psycopg.Connection, seen: Store
) -> None:
    """One sentence, no failure of a model."""
    db.execute(
        "create or replace function finish_run(campaign uuid, run uuid,"
        " resume_after double precision default null, reason text default null,"
        " now timestamptz default null) returns setof jsonb language sql set search_path = ''"
        """ as $$ select '{"answer": "archived"}'::jsonb $$"""
    )
    with pytest.raises(SchemaMismatch, match="'archived', which this version does not know"):
        seen.finish_run(uuid4(), uuid4(), None, None)


def test_what_was_committed_as_a_migration_is_never_edited() -> None:
    """Databases have it: what is to change comes as a new file."""
    since = older_build.since_releases()
    changed = older_build.git(
        "diff", "--name-only", "--diff-filter=M", since, "--", "supabase/migrations"
    )
    assert changed.split() == []
