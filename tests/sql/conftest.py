"""Rows to begin with, and calls of the SQL functions as they are: with a time, on any connection."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb
from pydantic import SecretStr

T0 = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
IN_ORDER = count(15 << 124)
"""For the ids of a campaign's leads, by which they are claimed: behind those of the database's own."""


class Sql:
    """The functions, called by name with named arguments; `at` is seconds since the test's T0."""

    def __init__(self, db: psycopg.Connection) -> None:
        self.db = db

    def __getattr__(self, function: str) -> Callable[..., Any]:
        return lambda **arguments: self.call(function, **arguments)

    def call(self, function: str, *, at: float | None = None, **arguments: Any) -> Any:
        """The one answer; None where the function gives no row."""
        rows = self.rows(function, at=at, **arguments)
        return rows[0] if rows else None

    def rows(self, function: str, *, at: float | None = None, **arguments: Any) -> list[Any]:
        if at is not None:
            arguments["now"] = T0 + timedelta(seconds=at)
        query = sql.SQL("select * from public.{}({})").format(
            sql.Identifier(function),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in arguments
            ),
        )
        values = {
            name: Jsonb(value)
            if name in {"rows", "entries", "fetches"} or isinstance(value, dict)
            else value
            for name, value in arguments.items()
        }
        return [row[0] for row in self.db.execute(query, values)]


class Build:
    """Rows as the web app writes them, and the steps of a run with defaults for what is not told."""

    def __init__(self, db: psycopg.Connection) -> None:
        self.db = db
        self.sql = Sql(db)

    def time(self, at: float) -> datetime:
        """What `at` means."""
        return T0 + timedelta(seconds=at)

    # --- rows ---------------------------------------------------------------------------

    def insert(self, table: str, **values: Any) -> UUID:
        made: UUID = values.setdefault("id", uuid4())
        self.db.execute(
            sql.SQL("insert into public.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(sql.Identifier(name) for name in values),
                sql.SQL(", ").join(sql.Placeholder() for _ in values),
            ),
            [Jsonb(value) if isinstance(value, dict) else value for value in values.values()],
        )
        return made

    def account(self, email: str = "ann@us.test", **values: Any) -> UUID:
        return self.insert("accounts", email=email, refresh_token="t", **values)

    def company(self, name: str = "Acme", **values: Any) -> UUID:
        return self.insert(
            "companies", name=name, email_subject="Hello", email_template="Hi {name}", **values
        )

    def lead(self, email: str | None = None, **values: Any) -> UUID:
        return self.insert("leads", email=email or f"{uuid4().hex}@acme.test", **values)

    def campaign(
        self,
        *accounts: UUID,
        leads: int | list[str] = 0,
        status: str = "running",
        **values: Any,
    ) -> UUID:
        """A campaign whose leads take turns over its accounts."""
        made = self.insert("campaigns", name="Spring", status=status, **values)
        for account in accounts:
            self.db.execute(
                "insert into campaign_accounts (campaign_id, account_id) values (%s, %s)",
                (made, account),
            )
        addresses = leads if isinstance(leads, list) else [None] * leads
        company = self.company() if addresses else None
        for number, address in enumerate(addresses):
            self.in_campaign(
                made, self.lead(address, company_id=company), accounts[number % len(accounts)]
            )
        return made

    def in_campaign(
        self, campaign: UUID, lead: UUID | None, account: UUID | None, **values: Any
    ) -> UUID:
        return self.insert(
            "campaign_leads",
            **{"id": UUID(int=next(IN_ORDER)), "campaign_id": campaign, "lead_id": lead,
               "assigned_account_id": account, "status": "pending", **values},
        )  # fmt: skip

    # --- looks --------------------------------------------------------------------------

    def row(self, table: str, made: UUID) -> dict[str, Any]:
        """The row as JSON, so that text and enum columns look alike."""
        found = self.db.execute(
            sql.SQL("select to_jsonb(x) from public.{} x where id = %s").format(
                sql.Identifier(table)
            ),
            (made,),
        ).fetchone()
        assert found is not None
        return dict(found[0])

    def fields(self, table: str, made: UUID, *names: str) -> tuple[Any, ...]:
        row = self.row(table, made)
        return tuple(row[name] for name in names)

    def lead_states(self, campaign: UUID) -> dict[str, int]:
        return dict(
            self.db.execute(
                "select status::text, count(*) from campaign_leads where campaign_id = %s group by 1",
                (campaign,),
            ).fetchall()
        )

    def everything(self) -> str:
        """All rows of all tables, to see that a call changed nothing.

        Without what is null: a migration may add a column.
        """
        tables = self.db.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and relkind = 'r' and relname <> 'schema_releases' order by 1"
        ).fetchall()
        rows = {
            table: self.db.execute(
                sql.SQL(
                    "select jsonb_agg(jsonb_strip_nulls(to_jsonb(x)) order by to_jsonb(x))"
                    " from public.{} x"
                ).format(sql.Identifier(table))
            ).fetchone()
            for (table,) in tables
        }
        return json.dumps({table: found for table, found in rows.items() if found != (None,)})

    def rows_read(self) -> int:
        """Rows that were fetched so far, in whatever way."""
        self.db.execute("select pg_stat_force_next_flush()")
        read = self.db.execute(
            "select sum(seq_tup_read + idx_tup_fetch)::int from pg_stat_user_tables"
        ).fetchone()
        return int(read[0]) if read else 0

    def until_blocked(self) -> None:
        """Come back when another connection waits for a lock."""
        query = (
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        )
        while self.db.execute(query).fetchone() == (0,):
            pass

    # --- steps --------------------------------------------------------------------------

    def begin(
        self, campaign: UUID, run: UUID | None = None, *, at: float = 0, lease: float = 60
    ) -> UUID:
        """The run that owns the campaign now."""
        run = run or uuid4()
        answer = self.sql.begin_run(campaign=campaign, run=run, lease_seconds=lease, at=at)
        assert answer["answer"] in {"begun", "wait"}, answer
        return run

    def claim(
        self, campaign: UUID, run: UUID, *, at: float = 0, most: int = 100, pace: float = 0,
        per_day: int = 500, batch: UUID | None = None, db: Sql | None = None, **more: Any,
    ) -> Any:  # fmt: skip
        return (db or self.sql).claim_leads(
            batch=batch or uuid4(), campaign=campaign, run=run, most=most, claim_seconds=120.0,
            default_pace=float(pace), default_per_day=per_day, at=at, **more,
        )  # fmt: skip

    def attempt(
        self, claim: dict[str, Any], run: UUID, *, at: float = 0, attempt: UUID | None = None,
        pace: float = 0, per_day: int = 500, draft: str | None = None, token: str = "o1",  # noqa: S107
        db: Sql | None = None, **more: Any,
    ) -> Any:  # fmt: skip
        return (db or self.sql).begin_attempt(
            attempt=attempt or uuid4(), lead=UUID(claim["id"]), claim=UUID(claim["token"]), run=run,
            mail_address=claim["lead"]["email"], token=token, budget_seconds=30.0,
            default_pace=float(pace), default_per_day=per_day, draft=draft, at=at, **more,
        )  # fmt: skip

    def open(self, campaign: UUID, run: UUID, *, at: float = 0, **more: Any) -> tuple[UUID, UUID]:
        """The next lead, claimed and begun: (attempt, campaign lead)."""
        attempt = uuid4()
        claim = self.claim(campaign, run, at=at, most=1)["claims"][0]
        begun = self.attempt(claim, run, at=at, attempt=attempt, **more)
        assert begun["answer"] == "go", begun
        return attempt, UUID(claim["id"])

    def record(self, attempt: UUID, became: str, *, at: float = 0, **more: Any) -> str:
        answer = self.sql.record_outcome(attempt=attempt, became=became, at=at, **more)
        return str(answer["answer"])

    def mail(
        self, campaign: UUID, run: UUID, became: str = "sent", *, at: float = 0, **more: Any
    ) -> UUID:
        """The next lead, all the way; its campaign lead."""
        attempt, lead = self.open(campaign, run, at=at)
        assert self.record(attempt, became, at=at, **more) == became
        return lead

    def past_mails(self, account: UUID, *ages: float, outcome: str | None = "sent") -> None:
        """Mails of the account, so many seconds before T0, in a campaign of no interest."""
        for age in ages:
            started = T0 - timedelta(seconds=age)
            self.db.execute(
                "insert into send_attempts (id, campaign_id, campaign_lead_id, account_id, run_id,"
                " address, started_at, search_token, finished_at, outcome)"
                " values (%s, %s, %s, %s, %s, %s, %s, 'o', %s, %s)",
                (uuid4(), uuid4(), uuid4(), account, uuid4(), f"{uuid4().hex}@past.test",
                 started, started if outcome else None, outcome),
            )  # fmt: skip


@pytest.fixture
def build(db: psycopg.Connection) -> Build:
    return Build(db)


@pytest.fixture
def call(build: Build) -> Sql:
    """The SQL functions on the connection of `build`."""
    return build.sql


@pytest.fixture
def another(database: SecretStr) -> Iterator[Callable[[], Sql]]:
    """Makes the SQL functions on one more connection, each time."""
    with ExitStack() as opened:
        yield lambda: Sql(
            opened.enter_context(psycopg.connect(database.get_secret_value(), autocommit=True))
        )


@pytest.fixture
def bare(server: SecretStr) -> Iterator[SecretStr]:
    """The address of a database that no migration has seen."""
    name = f"bare_{uuid4().hex}"
    with psycopg.connect(server.get_secret_value(), autocommit=True) as db:
        db.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        parts = conninfo_to_dict(server.get_secret_value())
        yield SecretStr(make_conninfo("", **{**parts, "dbname": name}))
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def older(bare: SecretStr) -> Iterator[Build]:
    """On that database."""
    with psycopg.connect(bare.get_secret_value(), autocommit=True) as db:
        yield Build(db)


@pytest.fixture
def t0() -> datetime:
    """What `at=0` means."""
    return T0
