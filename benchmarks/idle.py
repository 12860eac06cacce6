"""What `outreach up` costs while nothing happens: fresh, and after heavy use; and its database."""

import time
from collections.abc import Iterator

import psycopg

from benchmarks.builds import Build, Machine, builds, machine
from benchmarks.table import Line, at_most, figure

CAMPAIGNS, LEADS = 34, 12
"""Of the work whose events are counted."""
REST_SECONDS = 60
CPU, MEMORY = 2.0, 400.0
EVENTS = 0.25
"""Of the older build's events."""
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
    yield at_most("idle: memory", ours["memory"] / 1e6, MEMORY, " MB")
    yield at_most(
        "idle: growth of Prefect's database in a day", ours["growth"] / 1e6, GROWTH, " MB"
    )
    for build, figures in found.items():
        if build != "this build":
            limit = EVENTS * figures["octets"] / 1e6
            yield at_most("idle: events of the same work", ours["octets"] / 1e6, limit, " MB")
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
        before, began = _events(there), time.monotonic()
        with there.database() as db:
            db.execute("update campaigns set status = 'running'")
            while _open(db, len(made)):
                time.sleep(1)
        worked = time.monotonic() - began
        used = _cpu_a_minute(there)
        after = _events(there)
        return {
            "fresh": fresh,
            "used": used,
            "memory": memory,
            "growth": growth,
            "worked": worked,
            "events": after[0] - before[0],
            "octets": after[1] - before[1],
        }


def _open(db: psycopg.Connection, count: int) -> bool:
    row = db.execute("select count(*) from campaigns where status = 'completed'").fetchone()
    return row is not None and row[0] < count


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


def _events(there: Machine) -> tuple[int, int]:
    """Rows and octets of the events in the database of Prefect's server."""
    with there.prefect_database() as db:
        row = db.execute(
            "select (select count(*) from events), pg_total_relation_size('events')"
            " + pg_total_relation_size('event_resources')"
        ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
