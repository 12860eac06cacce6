"""What a mail costs the database among a million, beside the build before mails were counted."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from benchmarks.builds import Build, builds
from benchmarks.harness import ROOT
from benchmarks.table import Line, at_most, figure
from outreach.local import postgres
from outreach.store import release_sql

BEFORE = "9eecf3e"
"""Without daily_counts, mail_events, and what each mail was made from."""
LIMIT = 1.05
MAILS, FIRST = 4000, 200
"""Mails of each build, alternately, one by one; the first ones are not counted."""
STEPS = ("claim", "begin", "record")
QUIET = {"autovacuum": "off", "checkpoint_timeout": "1d", "max_wal_size": "30GB"}
"""What else Postgres does is in neither figure."""
FILL = """
insert into accounts (email, refresh_token, daily_limit, pace_seconds)
  select 'sender' || n || '@us.example', 't', 10000000, 0 from generate_series(1, 20) n;
insert into campaigns (name, status)
  select 'Past ' || n, 'completed' from generate_series(1, 200) n;
insert into companies (name, domain, email_subject, email_template)
  select 'Acme ' || n, 'acme' || n || '.example', 'A deck', '<p>Hello {{ name }}</p>'
  from generate_series(1, 50) n;
with company as (select array_agg(id) as ids from companies)
insert into leads (company_id, email, name)
  select company.ids[1 + n % 50], 'past' || n || '@acme' || n % 50 || '.example', 'Lead ' || n
  from company, generate_series(1, {rows}) n;
with sender as (select array_agg(id) as ids from accounts),
past as (select array_agg(id) as ids from campaigns),
numbered as (select id, row_number() over () as n from leads)
insert into campaign_leads (campaign_id, lead_id, status, assigned_account_id, sent_at)
  select past.ids[1 + n % 200], numbered.id, 'sent', sender.ids[1 + n % 20],
    now() - (2 + n % 60) * interval '1 day'
  from numbered, sender, past;
alter table send_attempts disable trigger user;
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
  select gen_random_uuid(), cl.campaign_id, cl.id, cl.assigned_account_id, gen_random_uuid(),
    l.email, cl.sent_at, 'o' || cl.id, cl.sent_at, 'sent'
  from campaign_leads cl join leads l on l.id = cl.lead_id;
alter table send_attempts enable trigger user;
"""
LEADS = """
with lead as (
  insert into leads (company_id, email, name)
  select (select id from companies limit 1), 'new' || n || '@acme' || n %% 50 || '.example', 'Lead'
  from generate_series(1, %(rows)s) n returning id
), numbered as (select id, row_number() over () as n from lead)
insert into campaign_leads (campaign_id, lead_id, status, assigned_account_id)
select %(campaign)s, id, 'pending', (%(senders)s::uuid[])[1 + n %% 4] from numbered
"""
CAMPAIGN = "insert into campaigns (id, name, status) values (%(campaign)s, 'Now', 'running')"
ACCOUNTS = "insert into campaign_accounts select %(campaign)s, unnest(%(senders)s::uuid[])"
TAKES_CONTENT = "select 'content' = any (proargnames) from pg_proc where proname = 'begin_attempt'"
CLAIM = "select claim_leads(%s, %s, %s, 50, 600, 0, 10000000)"
BEGIN = """
select begin_attempt(
  %s, %s, %s, %s, %s, %s, 30, 0, 10000000, sender => %s, knows_cancelled => true{content})
"""
RECORD = "select record_outcome(%s, 'sent', %s, %s)"


def run(*, quick: bool) -> Iterator[Line]:
    rows, mails = (20_000, 200) if quick else (1_000_000, MAILS)
    with ExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="outreach-bench-")))
        home.chmod(0o711)
        database = opened.enter_context(postgres.temporary(home, durable=True))
        both = opened.enter_context(builds(beside=True, before=BEFORE))
        url = database.url.get_secret_value()
        with psycopg.connect(url, autocommit=True) as db:
            for name, value in QUIET.items():
                db.execute(f"alter system set {name} = '{value}'".encode())
            db.execute("select pg_reload_conf()")
        addresses = [_filled(build, url, f"build{n}", rows) for n, build in enumerate(both)]
        before, now = (opened.enter_context(Sender(at, mails + FIRST)) for at in addresses)
        for number in range(mails + FIRST):
            if number == FIRST:
                before.forget()
                now.forget()
            for sender in (before, now) if number % 2 else (now, before):
                sender.send()
        for step in STEPS:
            told = f"{now.median(step):.0f} µs beside {before.median(step):.0f}"
            name = f"recording: CPU among {rows:,}, times that of before: {step}, {told}"
            yield at_most(name, now.beside(before, step), LIMIT)
        name = f"recording: octets of WAL of a mail, beside {before.octets():,.0f}"
        yield figure(name, now.octets())


def _filled(build: Build, url: str, name: str, rows: int) -> str:
    """The address of a database of this build, in which as many mails were sent."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"create database {name}".encode())
    address = make_conninfo(url, dbname=name)
    own = {"PYTHONPATH": str(build.root), "DATABASE_URL": address}
    migrate = [sys.executable, "-m", "outreach.cli", "db", "migrate"]
    subprocess.run(migrate, cwd=build.root, env={**os.environ, **own}, check=True)
    is_ours = build.root == ROOT
    if is_ours:
        release_sql.install_working_tree(SecretStr(url), SecretStr(address))
    with psycopg.connect(address, autocommit=True) as db:
        db.execute(FILL.format(rows=rows).encode())
        if is_ours:
            db.execute("select recount_mails()")
        db.execute("vacuum analyze")
        db.execute("checkpoint")
    return address


class Sender:
    """One run of one campaign, and the CPU that its connection's process took in Postgres."""

    def __init__(self, address: str, leads: int) -> None:
        self._db = psycopg.connect(address, autocommit=True, prepare_threshold=None)
        self._pid = self._db.info.backend_pid
        self._campaign, self._run, self._version = uuid4(), uuid4(), uuid4().hex * 2
        self._notes = bool(self._one(TAKES_CONTENT))
        self._begin = BEGIN.format(content=", content => %s" if self._notes else "")
        self._claims: list[dict[str, Any]] = []
        self._fill(leads)
        self.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def _fill(self, leads: int) -> None:
        senders = self._db.execute("select id from accounts order by id limit 4").fetchall()
        given = {
            "rows": leads + 50,
            "campaign": self._campaign,
            "senders": [sender for (sender,) in senders],
        }
        for statement in (CAMPAIGN, ACCOUNTS, LEADS):
            self._db.execute(statement.encode(), given)
        self._db.execute("analyze leads, campaign_leads")
        self._one("select begin_run(%s, %s, 86400)", self._campaign, self._run)

    def forget(self) -> None:
        """What was measured so far."""
        self.took: dict[str, list[int]] = {step: [] for step in STEPS}
        self._wal_before = self._wal()

    def send(self) -> None:
        """One mail; a claim is of fifty."""
        if not self._claims:
            batch = [uuid4(), self._campaign, self._run]
            self._claims = self._timed("claim", CLAIM, *batch)["claims"]
        claim, attempt = self._claims.pop(), uuid4()
        content = {"template": self._version, "own": False, "subject": "A deck", "filled": ["name"]}
        begun = self._timed(
            "begin", self._begin, attempt, claim["id"], claim["token"], self._run,
            claim["lead"]["email"], f"o{attempt.hex}", UUID(claim["sender"]["id"]),
            *([Jsonb(content)] if self._notes else []),
        )  # fmt: skip
        recorded = self._timed("record", RECORD, attempt, attempt.hex[:16], attempt.hex[16:])
        if (begun["answer"], recorded["answer"]) != ("go", "sent"):
            raise SystemExit(f"{begun}, {recorded}")

    def _timed(self, step: str, call: str, *arguments: Any) -> Any:
        before = self._cpu()
        answer = self._one(call, *arguments)
        self.took[step].append(self._cpu() - before)
        return answer

    def _one(self, query: str, *arguments: Any) -> Any:
        row = self._db.execute(query.encode(), arguments).fetchone()
        return row and row[0]

    def _cpu(self) -> int:
        """Nanoseconds on a CPU; psutil's times have ticks of ten milliseconds."""
        return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[0])

    def _wal(self) -> float:
        self._db.execute("select pg_stat_force_next_flush()")
        return float(self._one("select wal_bytes from pg_stat_get_backend_wal(%s)", self._pid))

    def octets(self) -> float:
        """Of WAL, a mail."""
        return (self._wal() - self._wal_before) / len(self.took["record"])

    def median(self, step: str) -> float:
        """Microseconds of a call."""
        return statistics.median(self.took[step]) / 1000

    def beside(self, other: "Sender", step: str) -> float:
        """The median of the ratios of calls that were made one after the other."""
        pairs = zip(self.took[step], other.took[step], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)
