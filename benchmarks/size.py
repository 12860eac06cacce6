"""Whether one mail costs the same among a million rows, and how often a 5 MB PDF is in memory."""

import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg

from benchmarks.harness import World, world
from benchmarks.table import Line, at_most, figure, holds
from outreach.campaign.models import Claim
from outreach.store.postgres import Postgres
from outreach.store.store import Store

FILL = """
with company as (
  insert into companies (name, domain, email_subject, email_template)
  select 'Filler', 'filler.example', 'A deck', '<p>Hello {{ name }}</p>' returning id
), lead as (
  insert into leads (company_id, email, name)
  select company.id, 'filler' || n || '@filler.example', 'Lead ' || n
  from company, generate_series(1, %(rows)s) n returning id
)
insert into campaign_leads (campaign_id, lead_id, status, assigned_account_id)
select %(campaign)s, lead.id, 'pending', %(account)s from lead
"""
FOLLOWED = """
with account as (
  update accounts set daily_limit = 1.5 * %(mails)s
  where id in (select account_id from campaign_accounts where campaign_id = %(step)s) returning id
)
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
select
  gen_random_uuid(), %(step)s, gen_random_uuid(), account.id, gen_random_uuid(),
  gen_random_uuid() || '@x.example', now() - interval '1 hour', 'token', now(), 'sent'
from account, generate_series(1, %(mails)s)
"""
TABLES = ("campaign_leads", "leads", "send_attempts", "companies")
SLACK = 1.25
"""What two measurements of the same thing differ by on a machine that does other things too."""


def run(*, quick: bool) -> Iterator[Line]:
    rows = 50_000 if quick else 1_000_000
    with world(prefect=False) as few, world(prefect=False) as many:
        one_campaign = _fill(many, rows)
        small = Steps(few, few.campaign(1000, few.accounts(4)))
        beside = Steps(many, many.campaign(1000, many.accounts(4)))
        within = Steps(many, one_campaign)
        shared = Steps(many, _sharing(many, 1000))
        _forget(many)
        for _ in range(45):  # in turns, since the machine is not the same all the time
            for steps in (small, beside, within, shared):
                steps.send(20)
        time.sleep(1.1)  # a session tells its statistics once a second
        for steps in (small, beside, within, shared):
            steps.send(1)
        scans = _sequential_scans(many)
        for steps in (small, beside, within, shared):
            steps.finish()
        base = small.cost()
        for step, cost in beside.cost().items():
            name = f"size: {step}, {rows:,} rows beside {base[step]:.2f} ms at 1,000"
            yield at_most(name, cost, SLACK * base[step], " ms")
        for step, cost in shared.cost().items():
            name = f"size: {step}, {rows:,} rows, accounts shared with follow-ups"
            yield at_most(name, cost, SLACK * base[step], " ms")
        for step, cost in within.cost().items():
            name = f"size: {step}, all {rows:,} of them in its campaign"
            if step == "finish":
                yield figure(f"{name}, which it counts", cost, " ms")
            else:
                yield at_most(name, cost, SLACK * base[step], " ms")
        plans = _plans(many)
        yield holds("size: rows of large tables read by sequential scans", 0, scans)
        sequential = [table for kind, table in plans if kind == "SEQSCAN" and table in TABLES]
        yield holds("size: plans of a mail with a sequential scan of them", [], sequential)
        kinds = Counter(kind for kind, table in plans if table in TABLES)
        shown = ", ".join(f"{count} {kind.lower()}" for kind, count in kinds.most_common())
        yield figure("size: scans of them in the plans of a mail", shown)
    yield from _attachment(quick=quick)


class Steps:
    """The calls of one run of one campaign, and how long each took, as the sender sees it."""

    def __init__(self, there: World, campaign: UUID) -> None:
        url = there.settings.database_url
        self._store = Store(Postgres(url, limit=1), there.settings)  # type: ignore[arg-type]
        self._campaign, self._run = campaign, uuid4()
        self._taken: dict[str, list[float]] = {}
        self._store.begin_run(campaign, self._run, 600)

    def send(self, mails: int) -> None:
        store, run = self._store, self._run
        batch = self._timed("claim", lambda: store.claim_leads(uuid4(), self._campaign, run, mails))
        for claim in batch.claims:
            self._one(claim)

    def _one(self, claim: Claim) -> None:
        attempt, store = uuid4(), self._store
        begun = lambda: store.begin_attempt(attempt, claim, self._run, "token", None, None)  # noqa: E731
        self._timed("begin", begun)
        self._timed("record", lambda: store.record_outcome(attempt, "sent", message_id="m"))

    def finish(self) -> None:
        again = lambda: self._store.finish_run(self._campaign, self._run, 60, "the benchmark")  # noqa: E731
        for _ in range(5):  # asked again it answers the same, and counts the same
            self._timed("finish", again)
        self._store.close()

    def _timed(self, step: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        answer = call()
        self._taken.setdefault(step, []).append(1000 * (time.perf_counter() - began))
        return answer

    def cost(self) -> dict[str, float]:
        """Milliseconds by step: medians."""
        return {step: statistics.median(times) for step, times in self._taken.items()}


def _fill(there: World, rows: int) -> UUID:
    """One campaign of that many leads."""
    campaign = there.campaign(1, there.accounts(1))
    account = there.one("select account_id from campaign_accounts where campaign_id = %s", campaign)
    there.db.execute(FILL.encode(), {"rows": rows, "campaign": campaign, "account": account})
    there.db.execute("vacuum analyze")
    return campaign


def _sharing(there: World, leads: int) -> UUID:
    """A campaign over whose accounts follow-ups are due, and sent so many that each mail asks."""
    accounts = there.accounts(4)
    campaign, step = (
        there.campaign(leads, accounts),
        there.follow_up(there.campaign(leads, accounts)),
    )
    there.db.execute(FOLLOWED.encode(), {"step": step, "mails": leads})
    there.db.execute("update campaigns set status = 'running' where id = %s", [step])
    there.db.execute("vacuum analyze")
    return campaign


def _forget(there: World) -> None:
    time.sleep(11)  # an idle session, as that which made the rows, tells its statistics after ten
    there.db.execute("select pg_stat_force_next_flush()")
    there.db.execute("select pg_stat_reset()")


def _sequential_scans(there: World) -> int:
    """Rows that were read so since `_forget`."""
    there.db.execute("select pg_stat_force_next_flush()")
    return int(
        there.one(
            "select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables "
            "where relname = any (%s)",
            list(TABLES),
        )
    )


def _plans(there: World) -> list[tuple[str, str | None]]:
    """(kind of scan, table) in every plan that one mail takes, as Postgres prints them."""
    names = dict(there.db.execute("select oid::text, relname from pg_class").fetchall())
    campaign, run, attempt = there.campaign(4, there.accounts(1)), uuid4(), uuid4()
    printed: list[str] = []
    url = there.settings.database_url.get_secret_value()  # type: ignore[union-attr]
    with psycopg.connect(url, autocommit=True) as db:
        db.add_notice_handler(lambda said: printed.append(said.message_detail or ""))
        db.execute("select begin_run(%s, %s, 600)", [campaign, run])
        db.execute("set debug_pretty_print = off")
        db.execute("set debug_print_plan = on")
        db.execute("set client_min_messages = log")
        claimed = db.execute(
            "select claim_leads(%s, %s, %s, 1, 60, 0, 500)", [uuid4(), campaign, run]
        ).fetchone()
        claim = claimed[0]["claims"][0]  # type: ignore[index]
        db.execute(
            "select begin_attempt(%s, %s, %s, %s, %s, 'token', 30, 0, 500)",
            [attempt, claim["id"], claim["token"], run, claim["lead"]["email"]],
        )
        db.execute("select record_outcome(%s, 'sent', 'm', 't')", [attempt])
        db.execute("select finish_run(%s, %s)", [campaign, run])
    return [scan for plan in printed for scan in _scans(" ".join(plan.split()), names)]


def _scans(plan: str, names: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """A scan names its table by its place in the plan's list of them."""
    tables = re.findall(r"\{RANGETBLENTRY.*?:rtekind \d+(?: :relid (\d+))?", plan)
    for kind, place in re.findall(r"\{(\w*SCAN) (?:(?!\{\w*SCAN ).)*?scanrelid (\d+)", plan):
        yield kind, names.get(tables[int(place) - 1])


def _attachment(*, quick: bool) -> Iterator[Line]:
    """The sender's memory with 5 MB beside that with 1 KB."""
    peaks = {}
    for octets in (1_000, 5_000_000):
        with world(pdf=octets, send_concurrency=32) as there:
            sender = there.send(there.campaign(64 if quick else 200, there.accounts(4)))
            peaks[octets] = sender["peak_mb"]
    encoded = 5_000_000 * 78 / 57 / 2**20
    more = (peaks[5_000_000] - peaks[1_000]) / encoded
    yield at_most("size: a 5 MB PDF in memory, 32 in flight, in encoded copies", more, 1.9)
