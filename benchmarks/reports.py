# ruff: noqa: E501 - lines of SQL
"""How long views and the report take over a million leads and three million events."""

import time
import tracemalloc
from collections.abc import Callable, Iterator

from psycopg import sql

from benchmarks.harness import World, world
from benchmarks.table import Line, at_most, figure, holds
from outreach.store.postgres import Postgres
from outreach.store.store import Store

VIEWS = ("days", "campaigns", "steps", "accounts", "templates", "failures", "upcoming", "cohorts")
PAGE_SECONDS, REPORT_SECONDS = 1.0, 2.0
MEMORY_MB = 50
FILL = """
with account as (
  insert into accounts (email, refresh_token)
  select 'sender' || n || '@us.example', 't' from generate_series(1, 20) n returning id
), campaign as (
  insert into campaigns (name, status, created_at, started_at)
  select 'Campaign ' || n, case when n %% 10 = 0 then 'running' else 'completed' end, now(), now()
  from generate_series(1, 200) n returning id
), senders as (select array_agg(id) as ids from account),
campaigns as (select array_agg(id) as ids from campaign),
company as (
  insert into companies (name, email_subject, email_template)
  values ('Filler', 'A deck', 'Hello {{ name }}') returning id
), lead as (
  insert into leads (company_id, email, name)
  select company.id, 'filler' || n || '@filler' || n / 50 || '.example', 'Lead ' || n
  from company, generate_series(1, %(rows)s) n returning id
), numbered as (select id, row_number() over () as n from lead)
insert into campaign_leads (
  campaign_id, lead_id, status, assigned_account_id, sent_at, opened_at, open_class)
select
  campaigns.ids[1 + n %% 200], numbered.id, case when n %% 30 = 0 then 'failed' else 'sent' end,
  senders.ids[1 + n %% 20], moment.at,
  case when n %% 3 = 0 then moment.at end,
  case n %% 3 when 0 then 'person' when 1 then 'machine' end
from numbered, senders, campaigns
cross join lateral (select timestamptz '2026-09-01 09:00Z' + n %% 60 * interval '1 day' as at) moment
"""
MAILS = """
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token, finished_at,
  outcome, template, own_text, subject)
select
  gen_random_uuid(), campaign_id, id, assigned_account_id, gen_random_uuid(), id || '@x.example', sent_at,
  'o' || id, sent_at, case when status = 'failed' then 'refused' else 'sent' end,
  md5((ascii(id::text) %% 50)::text), false, 'A deck'
from campaign_leads
"""
EVENTS = """
insert into mail_events (campaign_lead_id, at, class, rule)
select id, sent_at + n * interval '1 hour', 'person', 'a mail reader or a browser'
from campaign_leads, generate_series(1, 2) n
"""
FAILURES = """
insert into lead_failures (campaign_lead_id, failed_at, reason)
select id, sent_at, 'Gmail refuses the address number ' || ascii(id::text) %% 40
from campaign_leads where status = 'failed'
"""


def run(*, quick: bool) -> Iterator[Line]:
    rows = 50_000 if quick else 1_000_000
    with world(prefect=False) as there:
        _fill(there, rows)
        took = _timed(lambda: there.one("select recount_mails()"))
        yield figure(f"reports: counting {rows:,} mails anew", took, " s")
        for view in VIEWS:
            query = sql.SQL("select * from outreach_report.{} limit 1000").format(
                sql.Identifier(view)
            )
            there.db.execute(query).fetchall()
            took = _timed(lambda query=query: there.db.execute(query).fetchall())
            name = f"reports: a page of outreach_report.{view}, {rows:,} leads"
            yield at_most(name, took, PAGE_SECONDS, " s")
        store = Store(Postgres(there.settings.database_url), there.settings)  # type: ignore[arg-type]
        tracemalloc.start()
        took = _timed(store.report)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        sent = store.report().totals.sent
        store.close()
        counted = there.one("select count(*) from campaign_leads where status = 'sent'")
        yield at_most("reports: the whole report", took, REPORT_SECONDS, " s")
        yield at_most("reports: its memory", peak, MEMORY_MB, " MB")
        yield holds("reports: mails that it counts", counted, sent)


def _fill(there: World, rows: int) -> None:
    """Without the triggers, which count a mail as it is recorded."""
    there.db.execute("alter table send_attempts disable trigger user")
    for statement in (FILL, MAILS, EVENTS, FAILURES):
        there.db.execute(statement.encode(), {"rows": rows})
    there.db.execute("alter table send_attempts enable trigger user")
    there.db.execute("vacuum analyze")


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
