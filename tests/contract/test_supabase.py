"""A Supabase project: what its keys may do, how it is adopted, and that nobody is mailed by that."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from outreach.errors import ConfigurationError, Rejected
from outreach.settings import Settings
from outreach.store import release_sql
from outreach.store import schema as schema_module
from outreach.store.migrate import migrate
from outreach.store.postgres import Postgres
from outreach.store.postgrest import PostgREST
from outreach.store.schema import migrations, release
from outreach.store.store import Store
from tests.older import migrated_by_it
from tests.postgrest.fixtures import ROLES, Node, Project, new_keys, signed

ORIGINAL = """
{types}
create table companies (
  id uuid primary key default gen_random_uuid(), user_id uuid not null, name text not null,
  domain text, email_subject text, email_template text, created_at timestamptz default now()
);
create table leads (
  id uuid primary key default gen_random_uuid(), user_id uuid not null,
  company_id uuid references companies on delete cascade, email text not null, name text, role text,
  tag text, custom_fields jsonb default '{{}}'
);
create table accounts (
  id uuid primary key default gen_random_uuid(), user_id uuid not null, email text not null,
  provider text default 'gmail', refresh_token text, access_token text
);
create table campaigns (
  id uuid primary key default gen_random_uuid(), user_id uuid not null, name text not null,
  status {campaign_status} not null default 'draft', scheduled_at timestamptz, error text,
  inngest_run_ids text[], created_at timestamptz default now()
);
create table campaign_accounts (
  campaign_id uuid references campaigns on delete cascade,
  account_id uuid references accounts on delete cascade, primary key (campaign_id, account_id)
);
create table campaign_leads (
  id uuid primary key default gen_random_uuid(),
  campaign_id uuid not null references campaigns on delete cascade,
  lead_id uuid not null references leads on delete cascade,
  status {lead_status} not null default 'pending', assigned_account_id uuid references accounts,
  sent_at timestamptz, thread_id text, message_id text, error text, opened_at timestamptz
);
"""
ENUMS = """
create type campaign_status as enum ('draft', 'scheduled', 'running', 'completed', 'error', 'cancelled');
create type lead_status as enum ('pending', 'sent', 'failed', 'cancelled');
"""
FORMS = {
    "text": {"types": "", "campaign_status": "text", "lead_status": "text"},
    "enums": {"types": ENUMS, "campaign_status": "campaign_status", "lead_status": "lead_status"},
}
TABLES = ("companies", "leads", "accounts", "campaigns", "campaign_accounts", "campaign_leads")
HELD = """
insert into companies (id, user_id, name) values ('c0000000-0000-4000-8000-000000000000', '{user}', 'Acme');
insert into accounts (id, user_id, email, refresh_token)
values ('a0000000-0000-4000-8000-000000000000', '{user}', 'ann@us.test', 'hush');
insert into leads (user_id, company_id, email)
select '{user}', 'c0000000-0000-4000-8000-000000000000', n || '@acme.test' from generate_series(1, 6) n;
insert into campaigns (user_id, name, status, scheduled_at, inngest_run_ids) values
  ('{user}', 'mid-send', 'running', null, '{{01J}}'),
  ('{user}', 'due', 'scheduled', now() - interval '1 minute', null),
  ('{user}', 'draft', 'draft', null, null),
  ('{user}', 'done', 'completed', null, '{{01H}}');
insert into campaign_accounts select id, 'a0000000-0000-4000-8000-000000000000' from campaigns;
insert into campaign_leads (campaign_id, lead_id, assigned_account_id)
select c.id, l.id, 'a0000000-0000-4000-8000-000000000000' from campaigns c, leads l;
update campaign_leads cl set status = 'sent', sent_at = now(), message_id = 'm', opened_at = now()
from leads l, campaigns c
where l.id = cl.lead_id and c.id = cl.campaign_id
  and (c.name = 'done' or (c.name = 'mid-send' and l.email < '4'));
"""
"""A web app's day: one campaign half mailed, one whose time came a minute ago."""

Migrate = Callable[[SecretStr], object]


@pytest.fixture
def empty(server: SecretStr) -> Iterator[SecretStr]:
    """A new Supabase project's database; since 30 October 2026 its API is granted nothing."""
    name = f"supabase_{uuid4().hex}"
    with psycopg.connect(server.get_secret_value(), autocommit=True) as db:
        db.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        parts = conninfo_to_dict(server.get_secret_value())
        address = SecretStr(make_conninfo("", **{**parts, "dbname": name}))
        with psycopg.connect(address.get_secret_value(), autocommit=True) as own:
            own.execute(ROLES.encode())
        yield address
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(params=FORMS)
def original(empty: SecretStr, request: pytest.FixtureRequest) -> SecretStr:
    """One with the original's tables and data, in the two forms that are out there."""
    with psycopg.connect(empty.get_secret_value(), autocommit=True) as db:
        db.execute(ORIGINAL.format(**FORMS[request.param]).encode())
        db.execute(HELD.format(user=uuid4()).encode())
    return empty


@pytest.fixture(params=["outreach db migrate", "supabase db push"])
def adopt(request: pytest.FixtureRequest) -> Migrate:
    """Either tool."""
    if request.param == "outreach db migrate":
        return migrate
    found: Migrate = request.getfixturevalue("db_push")
    return found


def rows(database: SecretStr, query: str) -> list[Any]:
    with psycopg.connect(database.get_secret_value(), autocommit=True) as db:
        return db.execute(query.encode()).fetchall()


def schema(database: SecretStr) -> list[Any]:
    """All that migrations make: columns, constraints, indexes, functions, rights, versions."""
    return [
        rows(
            database,
            "select table_name, column_name, udt_name, column_default"
            " from information_schema.columns where table_schema = 'public' order by 1, 2",
        ),
        rows(
            database,
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where connamespace = 'public'::regnamespace order by 1, 2",
        ),
        rows(database, "select indexdef from pg_indexes where schemaname = 'public' order by 1"),
        rows(
            database,
            "select pg_get_functiondef(oid), proacl::text from pg_proc"
            " where pronamespace = 'public'::regnamespace order by 1",
        ),
        rows(
            database,
            "select relname, relacl::text, relrowsecurity from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1",
        ),
        rows(
            database, "select version, name from supabase_migrations.schema_migrations order by 1"
        ),
    ]


def data(database: SecretStr, columns: dict[str, list[str]]) -> list[Any]:
    """The rows of the original's tables, in its columns."""
    return [
        rows(database, f"select {', '.join(own)} from {table} order by 1, 2")  # noqa: S608
        for table, own in columns.items()
    ]


def columns_of(database: SecretStr) -> dict[str, list[str]]:
    found = rows(
        database,
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'public' order by ordinal_position",
    )
    return {table: [name for at, name in found if at == table] for table in TABLES}


# --- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["secret", "service_role"])
def test_either_kind_of_service_key_may_call(postgrest: Project, kind: str) -> None:
    """`sb_secret_…`, and the JWT that older projects still have."""
    key = SecretStr(getattr(postgrest.keys, kind))
    with closing(PostgREST(postgrest.url, key)) as transport:
        assert transport.call("schema_version")[0]["version"] == release()


@pytest.mark.parametrize("kind", ["publishable", "anon", "wrong"])
def test_any_other_key_is_refused_in_one_sentence(postgrest: Project, kind: str) -> None:
    """Which names the setting, and does not repeat the key."""
    key = getattr(postgrest.keys, kind, "sb_secret_of_another_project")
    with (
        closing(PostgREST(postgrest.url, SecretStr(key))) as transport,
        pytest.raises(ConfigurationError, match="SUPABASE_SERVICE_ROLE_KEY") as caught,
    ):
        transport.call("schema_version")
    assert key not in str(caught.value)


# --- locked down, as whoever has the publishable key sees it ----------------------------------------


@pytest.mark.parametrize("user", [None, UUID(int=7)], ids=["anon", "authenticated"])
def test_no_function_can_be_called_with_the_publishable_key(
    postgrest: Project, db: psycopg.Connection, user: UUID | None
) -> None:
    """Not one, with or without a user's session, but for the default of ids, which tells nothing."""
    functions = db.execute(
        "select proname, coalesce(proargnames[:pronargs], '{}') from pg_proc"
        " where pronamespace = 'public'::regnamespace and proname <> 'time_ordered_id'"
        " and not proisstrict"  # of null they are null, and never called
        " and prorettype <> 'trigger'::regtype"  # nobody can call it
    ).fetchall()

    with postgrest.client(postgrest.keys.publishable, user=user) as client:
        answers = {
            name: client.post(f"/rpc/{name}", json=dict.fromkeys(arguments))
            for name, arguments in functions
        }

    assert len(answers) > 30
    assert {name: answer.json().get("code") for name, answer in answers.items()} == dict.fromkeys(
        answers, "42501"
    )


@pytest.mark.parametrize("user", [None, UUID(int=7)], ids=["anon", "authenticated"])
def test_no_token_and_no_attempt_can_be_read_with_the_publishable_key(
    postgrest: Project, db: psycopg.Connection, user: UUID | None
) -> None:
    """On a new project, where the tables are ours: locked until somebody writes a policy."""
    db.execute("insert into accounts (email, refresh_token) values ('ann@us.test', 'hush')")
    db.execute("insert into leads (email) values ('bob@acme.test')")

    with postgrest.client(postgrest.keys.publishable, user=user) as client:
        read = {table: client.get(f"/{table}?select=*") for table in (*TABLES, "send_attempts")}
        written = client.post("/accounts", json={"email": "eve@evil.test"})

    assert {t: a.json() for t, a in read.items() if t != "send_attempts"} == {t: [] for t in TABLES}
    assert read["send_attempts"].json()["code"] == "42501"
    assert written.json()["code"] == "42501"


def test_a_users_own_policies_still_work(postgrest: Project, db: psycopg.Connection) -> None:
    """The web app's users see and change their own rows, and nobody else's."""
    ann, eve = uuid4(), uuid4()
    db.execute(
        "create policy own on campaigns to authenticated"
        " using (user_id = auth.uid()) with check (user_id = auth.uid())"
    )
    db.execute(
        "insert into campaigns (user_id, name) values (%s, 'hers'), (%s, 'other')", (ann, eve)
    )

    with postgrest.client(postgrest.keys.publishable, user=ann) as client:
        seen = client.get("/campaigns?select=name").json()
        mine = client.patch("/campaigns?name=eq.hers", json={"status": "scheduled"})
        other = client.patch("/campaigns?name=eq.other", json={"status": "scheduled"})

    assert (seen, mine.status_code, other.status_code) == ([{"name": "hers"}], 204, 204)
    assert db.execute("select name, status from campaigns order by 1").fetchall() == [
        ("hers", "scheduled"),
        ("other", "draft"),
    ]


def test_a_forged_session_is_nobody(postgrest: Project) -> None:
    """Signed with another secret, it opens nothing."""
    forged = signed(role="service_role").rpartition(".")[0] + ".c2lnbmF0dXJl"
    with postgrest.client(postgrest.keys.publishable) as client:
        headers = {"Authorization": f"Bearer {forged}"}
        answer = client.post("/rpc/schema_version", json={}, headers=headers)
    assert answer.status_code == 401


# --- adoption, by either tool -------------------------------------------------------------------------


def test_a_new_project_is_ready_after_the_migrations(
    empty: SecretStr, adopt: Migrate, node: Node, settings: Settings
) -> None:
    """The service role has the rights that it needs, where Supabase gives none by itself."""
    adopt(empty)
    project = node.open(empty, new_keys())

    with closing(Store(PostgREST(project.url, project.key), settings)) as store:
        store.import_leads([{"email": "bob@acme.test", "company": "Acme"}], "spring")
        store.save_account(uuid4(), "ann@us.test", refresh_token="t")
        store.create_campaign(uuid4(), "Spring", ["ann@us.test"], tag="spring")
        pending = [campaign.leads.pending for campaign in store.list_campaigns()]

    node.close(project)
    assert pending == [1]


def test_either_tool_makes_the_same_schema_and_the_other_has_nothing_to_do(
    empty: SecretStr, database: SecretStr, db_push: Callable[[SecretStr], str]
) -> None:
    """`supabase db push`, then `outreach db migrate`, then both once more."""
    told = db_push(empty)
    pushed = schema(empty)

    assert told.count("Applying migration") == len(migrations())
    assert migrate(empty).applied == []
    assert "up to date" in db_push(empty)
    assert schema(empty) == pushed
    # What the tests' template holds was made by `outreach db migrate`, before there were roles.
    with psycopg.connect(database.get_secret_value(), autocommit=True) as own:
        own.execute(ROLES.encode())
    migrate(database)
    assert "up to date" in db_push(database)
    assert schema(database) == pushed


def test_either_tool_takes_over_a_database_of_before_releases(
    empty: SecretStr, adopt: Migrate
) -> None:
    """And the other one finds nothing to do."""
    migrated_by_it(empty)
    adopt(empty)
    ((told,),) = rows(empty, "select schema_version()")
    assert (told["version"], told["hash"]) == (release(), told["release_hash"])
    assert migrate(empty).applied == []


@pytest.fixture
def edited(project: Path, server: SecretStr, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The project after an edit: a function has an argument more, and that is released."""
    sources, version = project / "supabase" / "sql", f"{int(release()) + 1}"
    file = sources / "runs.sql"
    text = file.read_text().replace(
        "function public.release_run(campaign uuid, run uuid)",
        "function public.release_run(campaign uuid, run uuid, reason text default null)",
    )
    file.write_text(text)
    monkeypatch.setattr(release_sql, "SOURCES", sources)
    made = release_sql.build(server, version, release())
    (project / "supabase" / "migrations" / f"{version}_functions.sql").write_text(made)
    monkeypatch.setattr(schema_module, "packaged", lambda *_: project / "supabase" / "migrations")
    forget_migrations()
    yield version
    monkeypatch.undo()
    forget_migrations()


def forget_migrations() -> None:
    migrations.cache_clear()
    release.cache_clear()


@pytest.mark.parametrize("order", ["push then migrate", "migrate then push"])
def test_either_tool_applies_a_release_and_the_other_has_nothing_to_do(
    empty: SecretStr,
    edited: str,
    db_push: Callable[[SecretStr], str],
    project: Path,
    order: str,
) -> None:
    """After an edit: one signature, the new one, and the hash that the release says."""
    newest = project / "supabase" / "migrations" / f"{edited}_functions.sql"
    aside = newest.rename(project / newest.name)
    forget_migrations()
    db_push(empty)
    aside.rename(newest)
    forget_migrations()

    if order == "push then migrate":
        pushed, applied = db_push(empty), migrate(empty).applied
        assert (pushed.count("Applying migration"), applied) == (1, [])
    else:
        applied, pushed = migrate(empty).applied, db_push(empty)
        assert (applied, "up to date" in pushed) == ([edited], True)

    assert rows(
        empty, "select pg_get_function_arguments(oid) from pg_proc where proname = 'release_run'"
    ) == [("campaign uuid, run uuid, reason text DEFAULT NULL::text",)]
    ((told,),) = rows(empty, "select schema_version()")
    assert (told["version"], told["hash"]) == (edited, told["release_hash"])


def test_the_originals_rows_stay_as_they_are(original: SecretStr, adopt: Migrate) -> None:
    """Every value of every column that it has, statuses and run ids too; again and again."""
    own = columns_of(original)
    before = data(original, own)

    adopt(original)
    adopted = schema(original)
    adopt(original)
    migrate(original)

    assert data(original, own) == before
    assert schema(original) == adopted


@pytest.fixture
def adopted(original: SecretStr, adopt: Migrate, settings: Settings) -> Iterator[Store]:
    """The Store on the original's database, after the cut-over."""
    adopt(original)
    with closing(Store(Postgres(original), settings)) as store:
        yield store


def test_rows_that_need_an_owner_ask_for_one(adopted: Store) -> None:
    """The web app's do; with one they are made."""
    store, owner, lead = adopted, uuid4(), {"email": "bob@acme.test"}

    with pytest.raises(Rejected, match="--user-id"):
        store.save_account(uuid4(), "eve@us.test", refresh_token="t")
    with pytest.raises(Rejected, match="--user-id"):
        store.import_leads([lead], "spring")
    store.save_account(uuid4(), "eve@us.test", refresh_token="t", owner=owner)
    store.import_leads([lead], "spring", owner)
    with pytest.raises(Rejected, match="--user-id"):
        store.create_campaign(uuid4(), "Spring", ["eve@us.test"], tag="spring")
    made = store.create_campaign(uuid4(), "Spring", ["eve@us.test"], tag="spring", owner=owner)

    assert made.leads == 1


def test_nobody_is_mailed_by_the_cut_over(original: SecretStr, adopted: Store) -> None:
    """What the old sender may be at waits for a person, who is told why; then it goes on."""
    store, run = adopted, uuid4()
    campaigns = {campaign.name: campaign.id for campaign in store.list_campaigns()}

    due = store.take_due()
    begun = {name: store.begin_run(campaigns[name], run, 60).answer for name in ("mid-send", "due")}
    claimed = {
        name: store.claim_leads(uuid4(), campaigns[name], run, 100).claims
        for name in ("mid-send", "due")
    }
    why = rows(original, "select distinct waiting_for from campaigns where paused_at is not null")
    store.resume_campaign(campaigns["mid-send"])
    goes_on = [campaign.id for campaign in store.take_due()]

    assert due == []
    assert begun == {"mid-send": "paused", "due": "paused"}
    assert claimed == {"mid-send": [], "due": []}
    assert "previous sender" in why[0][0]
    assert goes_on == [campaigns["mid-send"]]
    assert store.campaign_status(campaigns["mid-send"]).leads.sent == 3


# --- what Supabase has and this Postgres has not -------------------------------------------------------


def test_no_statement_of_ours_is_one_that_safeupdate_refuses() -> None:
    """Supabase loads it for its API: an update or delete without a condition fails."""
    for migration in migrations():
        bare = re.sub(r"--[^\n]*|'[^']*'", "", migration.text)
        changes = re.findall(r"\b(?:update|delete from)\s+(?:public|pg_temp)\.[^;]+;", bare)
        assert [change for change in changes if " where " not in " ".join(change.split())] == [], (
            migration.name
        )
