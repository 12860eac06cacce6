"""Whether memory stays flat: 100,000 leads beside 1,000, as fast as they go."""

import time
from collections.abc import Iterator

import httpx
import psycopg

from benchmarks.harness import World, world
from benchmarks.sender import peak_mb
from benchmarks.table import Line, at_most, figure, holds

SENDER_MB = 250.0


def run(*, quick: bool) -> Iterator[Line]:
    few, many = 1000, 3000 if quick else 100_000
    with world(latency=0, pdf=1000, send_concurrency=32) as there:
        small = there.send(there.campaign(few, there.accounts(20)))
        at_first = _database_mb(there)
        campaign = there.campaign(many, there.accounts(20))
        large = there.send(campaign)
        yield at_most(
            f"memory: sender, {many:,} leads beside {small['peak_mb']:.0f} MB for {few:,}",
            large["peak_mb"],
            1.2 * small["peak_mb"],
            " MB",
        )
        yield at_most(f"memory: sender, {many:,} leads", large["peak_mb"], SENDER_MB, " MB")
        yield holds(
            f"memory: mailed of {many:,}",
            many,
            there.one(
                "select count(*) from campaign_leads where campaign_id = %s and status = 'sent'",
                campaign,
            ),
        )
        recorded, expected = _recorded(there, large["run"], large["task_runs"]), large["task_runs"]
        yield holds("memory: task runs that Prefect's queue kept", expected, recorded)
        yield figure(
            "memory: Prefect's server, without its Postgres",
            peak_mb(str(there.prefect.process.pid)),
            " MB",
        )
        grown = _database_mb(there) - at_first
        yield figure(f"memory: Prefect's database, {many:,} leads more", grown, " MB")
        yield figure(f"memory: {many:,} leads took", many / (large["ended"] - large["began"]), "/s")


def _recorded(there: World, run: str, expected: int) -> int:
    chosen = {
        "flow_runs": {"id": {"any_": [run]}},
        "task_runs": {"name": {"like_": "send "}, "state": {"type": {"any_": ["COMPLETED"]}}},
    }
    found = 0
    for _ in range(60):
        found = int(
            httpx.post(f"{there.prefect.api}/task_runs/count", json=chosen, timeout=60).json()
        )
        if found == expected:
            break
        time.sleep(1)
    return found


def _database_mb(there: World) -> float:
    with psycopg.connect(there.prefect.database.url.get_secret_value()) as db:
        ((size,),) = db.execute("select pg_database_size(current_database())").fetchall()
    return float(size) / 2**20
