"""The migrations: additive on the web app's own tables, and locked down."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from outreach.store import release_sql
from outreach.store.migrate import Migrated, migrate
from outreach.store.release_sql import install_working_tree
from outreach.store.schema import migrations, release

WEB_APP = """
{types}
create table companies (
  id uuid primary key default gen_random_uuid(), user_id uuid, name {text}, domain {text},
  email_subject {text}, email_template {text}, logo bytea
);
create table leads (
  id uuid primary key default gen_random_uuid(), user_id uuid, company_id uuid, email {text}, name {text},
  role {text}, tag {text}, custom_fields jsonb, created_at timestamptz default now()
);
create table accounts (
  id uuid primary key default gen_random_uuid(), user_id uuid, email {text}, provider {text},
  refresh_token {text}, access_token {text}
);
create table campaigns (
  id uuid primary key default gen_random_uuid(), user_id uuid, name {text}, status {campaign} default 'draft',
  scheduled_at timestamptz, error {text}, created_at timestamptz default now(), inngest_run_ids text[],
  email_subject text
);
create table campaign_accounts (
  id uuid default gen_random_uuid(), campaign_id uuid references campaigns, account_id uuid references accounts
);
create table campaign_leads (
  id uuid primary key default gen_random_uuid(), campaign_id uuid references campaigns, lead_id uuid,
  status {lead} default 'pending', assigned_account_id uuid, sent_at timestamptz, thread_id {text},
  message_id {text}, error {text}, opened_at timestamptz, inngest_run_ids text[], created_at timestamptz
);
"""
ENUMS = """
create type campaign_status as enum ('draft', 'scheduled', 'running', 'completed', 'error', 'cancelled');
create type lead_status as enum ('pending', 'sent', 'failed', 'cancelled');
"""
KINDS = {
    "text": {"types": "", "text": "text", "campaign": "text", "lead": "text"},
    "varchar": {
        "types": "",
        "text": "varchar(500)",
        "campaign": "varchar(20)",
        "lead": "varchar(20)",
    },
    "enum": {"types": ENUMS, "text": "text", "campaign": "campaign_status", "lead": "lead_status"},
}
TABLES = ("companies", "leads", "accounts", "campaigns", "campaign_accounts", "campaign_leads")
OURS = (
    "send_attempts",
    "lead_failures",
    "dispatchers",
    "suppressions",
    "audit",
    "address_hash_key",
    "web_addresses",
    "mailboxes",
    "inbound",
    "inbound_mails",
    "unread_mails",
    "absences",
    "erasures",
    "template_versions",
    "mail_events",
    "daily_counts",
    "daily_failures",
    "digests",
)
STATUSES = ("draft", "scheduled", "running", "completed", "error", "cancelled")
ROLES = """
do $$ begin
  if not exists (select from pg_roles where rolname = 'anon') then
    create role anon; create role authenticated; create role service_role bypassrls;
  end if;
end $$;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
"""


def columns(db: psycopg.Connection) -> list[Any]:
    return db.execute(
        "select table_name, column_name, udt_name from information_schema.columns"
        " where table_schema = 'public' order by 1, 2"
    ).fetchall()


def described(db: psycopg.Connection) -> list[Any]:
    """Columns, indexes, constraints, functions and rights of the schema."""
    return [
        columns(db),
        db.execute(
            "select indexdef from pg_indexes where schemaname = 'public' order by 1"
        ).fetchall(),
        db.execute(
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where connamespace = 'public'::regnamespace order by 1, 2"
        ).fetchall(),
        db.execute(
            "select pg_get_functiondef(oid), proacl::text from pg_proc"
            " where pronamespace = 'public'::regnamespace order by 1"
        ).fetchall(),
        db.execute(
            "select relname, relacl::text, relrowsecurity from pg_class"
            " where relnamespace = 'public'::regnamespace order by 1"
        ).fetchall(),
    ]


def story(build: Any) -> dict[str, int]:
    """Every function once, on two campaigns, with each outcome of a lead; the lead counts of the first."""
    call = build.sql
    call.save_account(account=uuid4(), address="ann@us.test", token="t")
    rows = [{"email": f"{n}@x.test", "company": "Acme", "email_subject": "s"} for n in range(7)]
    call.import_leads(rows=rows, list_tag="x")
    made = uuid4()
    call.create_campaign(
        campaign=made, campaign_name="c", account_addresses=["ann@us.test"], lead_tag="x"
    )
    call.start_campaign(campaign=made)
    crashed = build.begin(made)
    call.crash_run(campaign=made, run=crashed, cause="x")
    run = build.begin(made)
    for outcome in ("sent", "refused", "unclear", "not_sent"):
        build.mail(made, run, outcome, why="x", again_after=900)
    claim, other = build.claim(made, run, most=2, pace=1)["claims"]
    call.fail_lead(lead=UUID(claim["id"]), claim=UUID(claim["token"]), why="x")
    call.defer_lead(
        attempt=uuid4(), lead=UUID(other["id"]), claim=UUID(other["token"]), run=run, mail_address="x", why="x"
    )  # fmt: skip
    build.claim(made, run, pace=1)
    account = UUID(call.list_accounts()["id"])
    call.read_credentials(account=account)
    call.campaign_account_summary(campaign=made, run=run)
    call.pause_account(account=account, seconds=1, at=0)
    call.renew_run(campaign=made, run=run, lease_seconds=60.0)
    call.check_campaign(campaign=made)
    for function in ("list_campaigns", "list_open_attempts"):
        call.rows(function)
    for function in (
        "campaign_status",
        "campaign_facts",
        "list_campaign_leads",
        "failure_reasons",
    ):
        call.rows(function, campaign=made)
    call.campaign_progress(campaign=made, default_pace=2.0, default_per_day=500)
    call.rows("list_mails", campaign=made, cooldown_seconds=86400.0, every=True)
    call.finish_run(campaign=made, run=run)
    for end in ("fail_run", "cancel_run", "release_run", "finish_run"):
        campaign = build.campaign(account, status="draft")
        owner = build.begin(campaign)
        call.call(
            end, campaign=campaign, run=owner, **({"reason": "x"} if end == "fail_run" else {})
        )
    call.mark_account_unusable(account=account, reason="x")
    run = build.begin(made, at=100)
    build.claim(made, run, at=1000)
    call.finish_run(campaign=made, run=run)
    call.cancel_campaign(campaign=build.campaign(account, leads=1))
    call.remove_account(address="ann@us.test")
    return dict(build.lead_states(made))


# --- once -------------------------------------------------------------------------------


def test_migrating_again_changes_nothing(database: SecretStr, db: psycopg.Connection) -> None:
    """What was applied is not applied again; rights are given anew."""
    migrate(database)  # Supabase's roles may have come since the template was made
    before = described(db)
    assert (migrate(database), described(db)) == (Migrated([], mended=False), before)


def test_the_newest_version_is_noted_where_supabase_looks(db: psycopg.Connection) -> None:
    """Each file once, and the function tells the last one."""
    noted = db.execute(
        "select version from supabase_migrations.schema_migrations order by 1"
    ).fetchall()
    told = db.execute("select schema_version() ->> 'version'").fetchone()
    assert (noted, told) == ([(one.version,) for one in migrations()], (release(),))


@pytest.mark.parametrize("kind", KINDS)
def test_the_web_apps_tables_keep_their_columns_rows_and_statuses(
    bare: SecretStr, older: Any, kind: str
) -> None:
    """Text or enum, with columns of its own and rows that break our rules; twice."""
    older.db.execute(WEB_APP.format(**KINDS[kind]))
    for status in STATUSES:
        older.insert("campaigns", name=None, status=status)
    for status in ("pending", "sent", "failed", "cancelled"):
        older.insert("campaign_leads", status=status)
    older.insert("leads", email=None)
    seen, rows = columns(older.db), [older.db.execute(f"table {t}").fetchall() for t in TABLES]
    applied = migrate(bare).applied
    first = described(older.db)
    again = migrate(bare).applied
    names = [[c for t, c, _ in seen if t == table] for table in TABLES]
    kept = [
        older.db.execute(
            sql.SQL("select {} from {}").format(
                sql.SQL(", ").join(map(sql.Identifier, in_order(older.db, table, own))),
                sql.Identifier(table),
            )
        ).fetchall()
        for table, own in zip(TABLES, names, strict=True)
    ]
    assert (len(applied), again, described(older.db)) == (len(migrations()), [], first)
    assert set(seen) <= set(columns(older.db))
    assert [sorted(map(str, x)) for x in kept] == [sorted(map(str, x)) for x in rows]


def in_order(db: psycopg.Connection, table: str, own: list[str]) -> list[str]:
    return [
        name
        for (name,) in db.execute(
            "select column_name from information_schema.columns"
            " where table_schema = 'public' and table_name = %s order by ordinal_position",
            (table,),
        )
        if name in own
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_old_rows_that_break_our_rules_can_still_be_updated_by_the_web_app(
    bare: SecretStr, older: Any, kind: str
) -> None:
    """No check or unique index of ours stands on its columns."""
    older.db.execute(WEB_APP.format(**KINDS[kind]))
    migrate(bare)
    older.insert("campaign_leads", status="sent")
    older.insert("accounts", email=None)
    older.db.execute("update campaign_leads set opened_at = now()")
    older.db.execute("update accounts set email = null, refresh_token = null")
    assert older.db.execute(
        "select count(*) from campaign_leads where opened_at is not null"
    ).fetchone() == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_function_works_on_the_web_apps_own_tables(
    bare: SecretStr, older: Any, kind: str
) -> None:
    """Whatever the type of its status columns."""
    older.db.execute(WEB_APP.format(**KINDS[kind]))
    migrate(bare)
    assert story(older) == {"sent": 1, "failed": 6}


def test_columns_that_are_named_like_our_arguments_confuse_nothing(build: Any) -> None:
    """The web app's tables have columns that we do not know."""
    functions = build.db.execute(
        "select proargnames, prosrc from pg_proc where pronamespace = 'public'::regnamespace"
    ).fetchall()
    names = {name for arguments, _ in functions for name in arguments or []}
    for _, source in functions:
        declared = re.search(r"\ndeclare\n(.*?)\nbegin\n", source, re.DOTALL)
        names |= set(re.findall(r"^  (\w+) ", declared[1] if declared else "", re.MULTILINE))
    for table in TABLES:
        for name in sorted(names):
            build.db.execute(
                sql.SQL("alter table {} add column if not exists {} text").format(
                    sql.Identifier(table), sql.Identifier(name)
                )
            )
    build.db.execute(release_sql.functions().encode())
    assert story(build) == {"sent": 1, "failed": 6}


# --- cut-over -----------------------------------------------------------------------------------


def test_what_the_old_sender_may_be_at_is_paused_once(
    server: SecretStr, bare: SecretStr, older: Any
) -> None:
    """Running and scheduled, with the reason; resumed by a person, it stays resumed."""
    older.db.execute(WEB_APP.format(**KINDS["enum"]))
    made = {status: older.insert("campaigns", name="c", status=status) for status in STATUSES}
    migrate(bare)
    paused = {
        status: older.fields("campaigns", made[status], "waiting_for")[0]
        for status in STATUSES
        if older.fields("campaigns", made[status], "paused_at") != (None,)
    }
    install_working_tree(server, bare)
    cut_over = {status for status in STATUSES if _is_cut_over(older, made[status])}
    older.db.execute("update campaigns set paused_at = null, waiting_for = null")
    migrate(bare)
    reason = (
        "The previous sender may have mailed some of the pending leads: check them, then resume."
    )
    assert paused == {"scheduled": reason, "running": reason}
    assert cut_over == set(paused)
    assert not any(_is_cut_over(older, made[status]) for status in STATUSES)
    assert older.db.execute("select count(paused_at) from campaigns").fetchone() == (0,)


def _is_cut_over(older: Any, campaign: UUID) -> bool:
    progress = older.sql.campaign_progress(campaign=campaign, default_pace=2.0, default_per_day=500)
    return bool(progress["cut_over"])


# --- locked down ------------------------------------------------------------------------------------


def rights(db: psycopg.Connection, role: str) -> set[str]:
    """The functions of the schema that this role may call."""
    return {
        name
        for (name,) in db.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace"
            " and has_function_privilege(%s, oid, 'execute')",
            (role,),
        )
    }


@pytest.fixture
def on_supabase(server: SecretStr, bare: SecretStr, older: Any) -> Any:
    """Migrated where the public roles are let at whatever is new."""
    older.db.execute(ROLES)
    migrate(bare)
    install_working_tree(server, bare)
    return older


def test_every_function_is_for_the_service_role_alone(on_supabase: Any) -> None:
    """But for the default of ids: each one is in the list of the lock-down."""
    everything = {
        name
        for (name,) in on_supabase.db.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace"
        )
    }
    held = [rights(on_supabase.db, role) for role in ("anon", "authenticated", "service_role")]
    ids = {"time_ordered_id()"}
    assert (held, len(everything) > 30) == ([ids, ids, everything], True)


def test_every_function_is_invoker_with_an_empty_search_path(db: psycopg.Connection) -> None:
    """Nobody's schema can stand in for ours, nobody's rights are borrowed.

    Those that the planner puts in the place of their call may set nothing, and name no table.
    """
    unset = db.execute(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace"
        " and (prosecdef or not coalesce(proconfig, '{}') @> array['search_path=\"\"'])"
        " order by 1"
    ).fetchall()
    assert [name for (name,) in unset] == [
        "daily_limit_of",
        "has_window",
        "limit_on_day",
        "mail_domain",
        "mailbox_key",
        "mails_left",
        "may_have_left",
        "may_pass_share",
        "pace_of",
        "seconds_paused",
        "share_of_kind",
        "suppression_key",
        "suppression_lock",
        "template_key",
        "told_act",
        "why_unable",
    ]


def outermost(source: str) -> str:
    """The source without its strings and what stands in parentheses."""
    source, before = re.sub(r"'[^']*'|--.*", "", source), ""
    while source != before:
        source, before = re.sub(r"\((?!\s*update )[^()]*\)", "", source), source
    return source


def test_every_update_and_delete_has_a_condition(db: psycopg.Connection) -> None:
    """Supabase's safeupdate refuses the others, inside functions too."""
    sources = db.execute(
        "select prosrc from pg_proc where pronamespace = 'public'::regnamespace"
    ).fetchall()
    changes = [
        change
        for (source,) in sources
        for change in re.findall(
            r"^ *(?:update|delete from) (?:public|pg_temp)\.[^;]*;", outermost(source), re.MULTILINE
        )
    ]
    bare = [change for change in changes if "where" not in change]
    assert (bare, len(changes) > 30) == ([], True)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_public_roles_see_nothing_of_a_new_schema(on_supabase: Any, role: str) -> None:
    """Tokens and addresses are behind row-level security, the log has no right at all."""
    on_supabase.account()
    on_supabase.lead()
    on_supabase.db.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
    seen = [
        on_supabase.db.execute(
            sql.SQL("select count(*) from {}").format(sql.Identifier(t))
        ).fetchone()
        for t in TABLES
    ]
    for ours in OURS:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on_supabase.db.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(ours)))
    assert seen == [(0,)] * len(TABLES)


def test_a_user_of_the_web_app_sees_whom_their_own_campaigns_do_not_mail(
    bare: SecretStr, older: Any
) -> None:
    """Where Supabase says who is asking; and changes nothing of it."""
    older.db.execute(ROLES)
    older.db.execute(
        "create schema auth; grant usage on schema auth to authenticated;"
        " create function auth.uid() returns uuid language sql stable as"
        " 'select ''00000000-0000-0000-0000-000000000007''::uuid'"
    )
    migrate(bare)
    install_working_tree(bare, bare)
    older.insert("suppressions", key="mia@acme.test", user_id=UUID(int=7))
    older.insert("suppressions", key="noa@acme.test", user_id=UUID(int=8))
    older.insert("suppressions", key="liv@acme.test")
    older.db.execute("set role authenticated")
    assert older.db.execute("select key from suppressions").fetchall() == [("mia@acme.test",)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        older.db.execute("delete from suppressions")


def test_the_web_apps_own_tables_keep_their_row_level_security_as_it_is(
    bare: SecretStr, older: Any
) -> None:
    """Turned on, its users would see nothing any more; ours alone is locked."""
    older.db.execute(WEB_APP.format(**KINDS["text"]))
    migrate(bare)
    secured = older.db.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relrowsecurity"
    ).fetchall()
    assert {table for (table,) in secured} == {*OURS, "schema_releases"}


def test_the_service_role_can_do_the_whole_job(on_supabase: Any) -> None:
    """With the rights that Supabase gives it and ours, and no more."""
    on_supabase.db.execute("set role service_role")
    assert story(on_supabase) == {"sent": 1, "failed": 6}


# --- paging -----------------------------------------------------------------------------------------


def test_what_lists_rows_gives_every_row_once(build: Any, store: Any) -> None:
    """1,203 of each, through the Store's pages of 500."""
    account, campaign = build.account(), build.campaign()
    build.db.execute(
        "insert into accounts (email) select n || '@us.test' from generate_series(1, 1202) n"
    )
    build.db.execute("insert into campaigns (name) select 'c' from generate_series(1, 1202)")
    build.db.execute(
        "with l as (insert into leads (email, tag) select n || '@x.test', 'listed' from generate_series(1, 1203) n returning id)"
        " insert into campaign_leads (campaign_id, lead_id, assigned_account_id) select %s, id, %s from l",
        (campaign, account),
    )
    build.db.execute(
        "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id, address,"
        " started_at, search_token) select gen_random_uuid(), %s, id, %s, %s, id::text, now(), 'o'"
        " from campaign_leads",
        (campaign, account, uuid4()),
    )
    listed: list[Callable[[], Any]] = [
        lambda: {a.email for a in store.list_accounts()},
        lambda: {c.id for c in store.list_campaigns()},
        lambda: {c.id for c in store.recent_campaigns()},
        lambda: {x.id for x in store.list_leads()},
        lambda: {x.id for x in store.list_leads(tag="listed")},
        lambda: {x.email for x in store.list_campaign_leads(campaign)},
        lambda: {x.email for x in store.list_campaign_leads(campaign, "pending")},
        lambda: {x.email for x in store.export_leads(campaign, "pending")},
        lambda: {m.id for m in store.list_mails(campaign, cooldown_seconds=86400)},
        lambda: {o.id for o in store.list_open_attempts()},
        lambda: {o.id for o in store.list_open_attempts(campaign)},
    ]
    assert [len(rows()) for rows in listed] == [1203] * len(listed)
