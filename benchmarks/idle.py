"""What `outreach up` costs while nothing happens: fresh, and after heavy use; and its database.

A thousand runs are this build's alone: campaigns made by an older one's command take hours.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

from benchmarks.builds import Build, Machine, builds, machine
from benchmarks.harness import ROOT, completed, lead
from benchmarks.table import Line, at_most, figure
from deployments.server import KEPT
from outreach.local import postgres
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store

CAMPAIGNS, LEADS = 34, 12
"""Of the work whose events are counted."""
RUNS = 1000
"""Of campaigns of one lead, before it is idle once more."""
REST_SECONDS = 60
CPU, MEMORY = 2.0, 400.0
EVENTS = 0.25
"""Of the older build's events."""
SPREAD_SECONDS = 6000.0
"""The time over which the work of the comparison is spread."""
_VACUUM = "PREFECT_SERVER_SERVICES_DB_VACUUM_"
RETENTION = json.loads(KEPT[f"{_VACUUM}EVENT_RETENTION_OVERRIDES"])
"""Seconds, by the event's name; the others are kept for days."""
ROUND_SECONDS = float(KEPT[f"{_VACUUM}LOOP_SECONDS"])
"""Between two deletions."""
GROWTH_SECONDS, A_DAY = 600, 86_400
GROWTH = 15.0
"""MB of an idle day."""


def run(*, quick: bool) -> Iterator[Line]:
    found: dict[str, dict[str, float]] = {}
    with builds(beside=not quick) as all_builds:
        for build in all_builds:
            found[build.name] = _measured(build, quick=quick)
    ours = found["this build"]
    yield at_most("idle: CPU a minute, fresh", ours["fresh"], CPU, " s")
    yield at_most("idle: CPU a minute, after use", ours["used"], CPU, " s")
    yield at_most(f"idle: CPU a minute, after {RUNS} runs", ours["repeated"], CPU, " s")
    yield at_most("idle: memory", ours["memory"] / 1e6, MEMORY, " MB")
    yield at_most(
        "idle: growth of Prefect's database in a day", ours["growth"] / 1e6, GROWTH, " MB"
    )
    for build, figures in found.items():
        if build != "this build":
            limit = EVENTS * figures["kept"] / 1e6
            yield at_most("idle: events kept of the same work", ours["kept"] / 1e6, limit, " MB")
        shown = ", ".join(f"{name} {value:,.2f}" for name, value in figures.items())
        yield figure(f"idle: {build}", shown)


def _measured(build: Build, *, quick: bool) -> dict[str, float]:
    campaigns = 3 if quick else CAMPAIGNS
    with machine(build, pace=0.2) as there:
        there.outreach("db", "migrate")
        made = [there.campaign(f"work{number}", LEADS) for number in range(campaigns)]
        there.up()
        fresh, memory = _cpu_a_minute(there), there.memory()
        growth = _growth_a_day(there, GROWTH_SECONDS / 10 if quick else GROWTH_SECONDS)
        before, size, began = _events(there), _octets(there), time.monotonic()
        with there.database() as db:
            db.execute("update campaigns set status = 'running'")
            while completed(db) < len(made):
                time.sleep(1)
        worked = time.monotonic() - began
        used = _cpu_a_minute(there)
        after = _events(there)
        events = after - before
        octets = _octets(there) - size
        repeated = {}
        if build.root == ROOT:
            _run_small_campaigns(there, 10 if quick else RUNS)
            repeated["repeated"] = _cpu_a_minute(there)
        return repeated | {
            "fresh": fresh,
            "used": used,
            "memory": memory,
            "growth": growth,
            "worked": worked,
            "events": events.total(),
            "octets": octets,
            "kept": octets * _kept(build, events) + growth * SPREAD_SECONDS / A_DAY,
        }


def _run_small_campaigns(there: Machine, count: int) -> None:
    """One after another, as its limit of campaigns at once lets them."""
    if (running := postgres.running(there.folder / "home")) is None:
        raise SystemExit("Its Postgres does not run.")
    store = Store(Postgres(running.url), Settings.only(database_url=running.url))
    sender, tags = "repeated@ours.example", [f"repeated{number}" for number in range(count)]
    store.save_account(
        uuid4(),
        sender,
        refresh_token=f"bench:{sender}:send",
        sender_name="Ada Lovelace",
        pace_seconds=0,
        daily_limit=10 * count,
    )
    for number, tag in enumerate(tags):
        store.import_leads([lead(number, tag)], tag=tag)
        store.create_campaign(uuid4(), tag, [sender], tag=tag)
    store.close()
    with there.database() as db:
        before = completed(db)
        db.execute("update campaigns set status = 'running' where status = 'draft'")
        while completed(db) < before + count:
            time.sleep(1)


def _kept(build: Build, events: Counter[str]) -> float:
    """The share of the events that is still there when the work was spread over SPREAD_SECONDS."""
    kept = 0.0
    for name, number in events.items():
        seconds = RETENTION.get(name) if build.root == ROOT else None
        kept += number * min(1, (seconds + ROUND_SECONDS) / SPREAD_SECONDS if seconds else 1)
    return kept / events.total()


def _cpu_a_minute(there: Machine) -> float:
    time.sleep(REST_SECONDS / 3)  # what was begun before ends
    before = there.cpu()
    time.sleep(REST_SECONDS)
    return there.cpu() - before


def _growth_a_day(there: Machine, seconds: float) -> float:
    """Octets; what autovacuum will reuse is growth here, so that a day's is less."""
    before = _size(there)
    time.sleep(seconds)
    return (_size(there) - before) * A_DAY / seconds


def _size(there: Machine) -> int:
    with there.prefect_database() as db:
        row = db.execute("select pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def _events(there: Machine) -> Counter[str]:
    """The events in the database of Prefect's server, by their names."""
    with there.prefect_database() as db:
        rows = db.execute("select event, count(*) from events group by event").fetchall()
    return Counter(dict(rows))


def _octets(there: Machine) -> int:
    """Of the events' tables, with their indexes."""
    with there.prefect_database() as db:
        row = db.execute(
            "select pg_total_relation_size('events') + pg_total_relation_size('event_resources')"
        ).fetchone()
    return int(row[0]) if row else 0
