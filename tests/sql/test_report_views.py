"""The views of the reports: their numbers agree, and a reader sees them and nothing else."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from outreach.errors import Rejected
from outreach.store.reader import GROUP, address_of, make_reader

CHROME = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"
VIEWS = ("accounts", "campaigns", "cohorts", "days", "failures", "steps", "templates", "upcoming")
DAY = 86_400
MAILS = ("sent", "refused", "put_off", "unclear")
OPENED = ("opened_people", "opened_unclassified", "opened_machines")


@pytest.fixture
def campaign(build: Any) -> UUID:
    """With every outcome, from two accounts and two templates, over two days."""
    accounts = [build.account(f"{name}@us.test") for name in ("ann", "bob")]
    made: UUID = build.campaign(*accounts, leads=12)
    run = build.begin(made, lease=1e6)
    outcomes = ["sent"] * 5 + ["refused", "unclear", "not_sent"]
    for n, became in enumerate(outcomes):
        content = {"template": "ab"[n % 2] * 64, "own": False, "subject": "s", "filled": []}
        at = n * 6 * 3600
        attempt, lead = build.open(made, run, at=at, content=content)
        build.record(attempt, became, at=at, why=became, again_after=9e9, message="m", thread="t")
        if n < 3:
            agent = (CHROME, "Mozilla/5.0", "curl/8")[n]
            build.sql.record_open(lead=lead, at=at + 60, user_agent=agent)
    claim = build.claim(made, run, at=2 * DAY, most=1)["claims"][0]
    build.sql.fail_lead(
        lead=UUID(claim["id"]), claim=UUID(claim["token"]), why="no subject", at=2 * DAY
    )
    return made


def seen(build: Any, view: str, columns: tuple[str, ...]) -> dict[str, int]:
    """The sums of a view's columns."""
    query = sql.SQL("select {} from outreach_report.{}").format(
        sql.SQL(", ").join(
            sql.SQL("coalesce(sum({}), 0)::bigint").format(sql.Identifier(c)) for c in columns
        ),
        sql.Identifier(view),
    )
    return dict(zip(columns, build.db.execute(query).fetchone(), strict=True))


def agreed(build: Any, campaign: UUID) -> dict[str, Any]:
    """The numbers, having checked that every view, the report and the status have the same."""
    numbers = build.sql.report_numbers()
    totals = {name: numbers["totals"][name] for name in MAILS}
    opened = {f"opened_{name}": n for name, n in numbers["totals"]["opened"].items()}
    for view in ("days", "accounts", "templates"):
        assert seen(build, view, (*MAILS, *OPENED)) == {**totals, **opened}, view
    assert seen(build, "campaigns", ("sent", "unclear", *OPENED)) == {
        "sent": totals["sent"], "unclear": totals["unclear"], **opened,
    }  # fmt: skip
    assert seen(build, "cohorts", ("sent", *OPENED)) == {"sent": totals["sent"], **opened}
    for name in ("days", "accounts", "templates", "campaigns"):
        assert sum(row["sent"] for row in numbers[name]) == totals["sent"], name
    status = build.sql.campaign_status(campaign=campaign)
    leads = build.lead_states(campaign)
    assert numbers["campaigns"][0]["leads"] == status["leads"]
    assert status["leads"]["sent"] == totals["sent"] == leads.get("sent", 0)
    assert status["opened"] == numbers["totals"]["opened"]
    assert seen(build, "failures", ("failures",))["failures"] == sum(
        row["failures"] for row in numbers["failures"]
    )
    return {**totals, **opened}


def test_numbers_agree_before_and_after_retry_and_resolve(build: Any, campaign: UUID) -> None:
    """Views, report and status; the log and its recount."""
    first = agreed(build, campaign)
    build.sql.resolve_lead(was_sent=True, lead=unclear(build, campaign), at=2 * DAY)
    second = agreed(build, campaign)
    build.sql.retry_failed(campaign=campaign)
    third = agreed(build, campaign)
    assert first == {
        "sent": 5, "refused": 1, "put_off": 1, "unclear": 1,
        "opened_people": 1, "opened_unclassified": 1, "opened_machines": 1,
    }  # fmt: skip
    assert second == {**first, "sent": 6, "unclear": 0}
    assert third == second
    assert build.sql.recount_mails()["changed"] == 0


def unclear(build: Any, campaign: UUID) -> UUID:
    (lead,) = build.db.execute(
        "select campaign_lead_id from send_attempts where outcome = 'unclear' and campaign_id = %s",
        (campaign,),
    ).fetchone()
    found: UUID = lead
    return found


def test_a_report_is_of_days_and_of_a_campaign(build: Any, campaign: UUID) -> None:
    other = build.campaign(build.account("eve@us.test"), leads=1)
    build.mail(other, build.begin(other), at=9 * DAY)
    days = {row["day"]: row["sent"] for row in build.sql.report_numbers()["days"]}
    of_one = build.sql.report_numbers(campaign=campaign, since="2026-11-25", until="2026-11-25")
    assert days == {"2026-11-24": 3, "2026-11-25": 2, "2026-11-26": 0, "2026-12-03": 1}
    assert (of_one["totals"]["sent"], len(of_one["days"]), len(of_one["accounts"])) == (2, 1, 2)
    assert [row["id"] for row in of_one["campaigns"]] == [str(campaign)]


@pytest.mark.usefixtures("campaign")
def test_failures_have_their_day_and_reason(build: Any) -> None:
    rows = build.db.execute(
        "select reason, failures, day::text from outreach_report.failures order by reason"
    ).fetchall()
    assert [row[0] for row in rows] == ["may have been sent: unclear", "no subject", "refused"]
    assert [row[1:] for row in rows] == [(1, "2026-11-25"), (1, "2026-11-26"), (1, "2026-11-25")]


def test_a_rate_has_its_interval(build: Any) -> None:
    """Wilson, checked against published values; nothing sent: no rate."""
    got = [
        build.db.execute("select * from outreach_report.opened(%s, %s, %s)", given).fetchone()
        for given in ((100, 20, 0), (100, 20, 30), (10, 0, 0), (50, 50, 0), (0, 0, 0))
    ]
    assert got == [
        (0.2, 0.2, 0.1334, 0.2888, "ok"),
        (0.2, 0.5, 0.1334, 0.5962, "ok"),
        (0, 0, 0, 0.2775, "too few"),
        (1, 1, 0.9287, 1, "ok"),
        (None, None, None, None, "too few"),
    ]


def test_upcoming_campaigns_are_told_by_name_and_time(build: Any, t0: Any) -> None:
    account = build.account()
    build.campaign(account, leads=2, status="scheduled", scheduled_at="2027-01-02 09:00Z")
    build.campaign(account, leads=1, status="running", resume_at="2027-01-01 09:00Z")
    build.campaign(account, status="scheduled", paused_at=t0)
    build.campaign(account, status="completed")
    build.campaign(account, leads=3)
    late = build.campaign(account, leads=4, status="running", scheduled_at="2026-01-02 09:00Z")
    build.db.execute("update campaigns set name = 'Summer' where id = %s", (late,))
    rows = build.sql.rows("report_upcoming")
    assert [(row["what"], row["pending"], (row["starts_at"] or "")[:10]) for row in rows] == [
        ("sending", 3, ""),
        ("sending", 4, ""),
        ("goes on", 1, "2027-01-01"),
        ("starts", 2, "2027-01-02"),
        ("paused", 0, ""),
    ]


def test_steps_are_the_mails_of_a_chain(build: Any, campaign: UUID) -> None:
    """The first campaign is step 1; a campaign without a follow-up is none."""
    build.campaign(build.account("eve@us.test"), leads=1)
    step = build.campaign(parent_id=campaign, step=2, delay_days=3, status="scheduled")
    rows = build.db.execute(
        "select campaign_id, step, step_id, delay_days, sent from outreach_report.steps order by step"
    ).fetchall()
    assert rows == [(campaign, 1, campaign, None, 5), (campaign, 2, step, 3, 0)]


def test_the_digest_of_a_day_is_taken_once(build: Any) -> None:
    answers = [build.sql.take_digest(of_day="2026-11-24")["answer"] for _ in range(2)]
    assert answers == ["taken", "published"]


# --- who may read -----------------------------------------------------------------------------


@pytest.fixture
def reader(database: SecretStr, db: psycopg.Connection, campaign: UUID) -> Any:
    """A connection of the role that `outreach db reader` makes; its roles go with the test."""
    assert campaign
    address = make_reader(database, "metabase_test")
    with psycopg.connect(address.get_secret_value(), autocommit=True) as connection:
        yield connection
    db.execute("drop owned by metabase_test")
    db.execute("drop role metabase_test")


def test_a_reader_reads_the_views_and_nothing_else(reader: Any, db: psycopg.Connection) -> None:
    """Every table and function is tried; it writes nothing, not even a table of its own."""
    for view in VIEWS:
        query = sql.SQL("select count(*) from outreach_report.{}").format(sql.Identifier(view))
        assert reader.execute(query).fetchone() is not None
    assert reader.execute("select sum(sent) from outreach_report.days").fetchone() == (5,)
    tables = db.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'v', 'm', 'p', 'S')"
    ).fetchall()
    assert len(tables) > 15
    for (table,) in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(sql.SQL("select count(*) from public.{}").format(sql.Identifier(table)))
    reader.execute("set default_transaction_read_only = off")
    for statement in (
        "create table public.mine (id integer)",
        "create table outreach_report.mine (id integer)",
        "update outreach_report.campaigns set status = 'cancelled'",
        "delete from outreach_report.days",
        "set role postgres",
    ):
        with pytest.raises(psycopg.Error):
            reader.execute(statement)


def test_no_view_has_a_token_or_a_leads_address(db: psycopg.Connection) -> None:
    """Nor a text of a mail as sent."""
    columns = db.execute(
        "select table_name || '.' || column_name from information_schema.columns"
        " where table_schema = 'outreach_report'"
    ).fetchall()
    names = [name for (name,) in columns]
    assert len(names) > 70
    assert [name for name in names if any(x in name for x in ("token", "email", "address"))] == []
    assert db.execute(
        "select count(*) from pg_class where relnamespace = 'outreach_report'::regnamespace"
        " and relkind = 'v' and not 'security_barrier=true' = any (reloptions)"
    ).fetchone() == (0,)


def test_the_public_roles_have_no_way_to_the_views(db: psycopg.Connection) -> None:
    db.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'anon') then"
        " create role anon; create role authenticated; create role service_role bypassrls;"
        " end if; end $$"
    )
    db.execute("select lock_down()")
    held = [
        db.execute(
            "select has_schema_privilege(%s, 'outreach_report', 'usage')", (role,)
        ).fetchone()
        for role in ("anon", "authenticated", "service_role")
    ]
    assert held == [(False,), (False,), (True,)]


def test_views_that_were_dropped_come_back(db: psycopg.Connection) -> None:
    """A web app that changes the type of a column has to drop them first."""
    db.execute("drop schema outreach_report cascade")
    db.execute("alter table campaigns alter column name type varchar(300)")
    db.execute("select lock_down()")
    assert db.execute("select count(*) from outreach_report.campaigns").fetchone() == (0,)


@pytest.mark.parametrize("name", ["", "Bob", "a b", "pg_x", GROUP, "x" * 64, "a;drop"])
def test_a_reader_needs_a_plain_name(database: SecretStr, name: str) -> None:
    with pytest.raises(Rejected):
        make_reader(database, name)


def test_a_role_that_is_no_reader_is_left_alone(
    database: SecretStr, db: psycopg.Connection
) -> None:
    """Its password would change."""
    db.execute("create role somebody_else login")
    try:
        with pytest.raises(Rejected):
            make_reader(database, "somebody_else")
    finally:
        db.execute("drop role somebody_else")


def test_the_address_keeps_what_the_databases_has() -> None:
    """Host, port and options; behind a pooler the project stays behind the user."""
    url = SecretStr("postgresql://postgres.abc:pw@pool.example:6543/postgres?sslmode=require")
    parts = conninfo_to_dict(address_of(url, "meta", "new").get_secret_value())
    assert parts == {
        "user": "meta.abc", "password": "new", "host": "pool.example", "port": "6543",
        "dbname": "postgres", "sslmode": "require",
    }  # fmt: skip
