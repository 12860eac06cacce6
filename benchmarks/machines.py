"""Three workers on one work pool send three campaigns at once over shared accounts."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import UUID

import httpx

from benchmarks.harness import World, world
from benchmarks.table import Line, at_least, at_most, holds

WORKERS = 3
ACCOUNTS = 6
PACE = 0.5
MINUTE = 60.0


def run(*, quick: bool) -> Iterator[Line]:
    each = 60 if quick else 200
    with world(send_pace_seconds=PACE) as there, _workers(there):
        accounts = there.accounts(ACCOUNTS, pace=PACE)
        campaigns = [there.campaign(each * ACCOUNTS // WORKERS, accounts) for _ in range(WORKERS)]
        start(there, campaigns)
        ended = "select count(*) from campaigns where id = any (%s) and status = 'completed'"
        while there.one(ended, campaigns) < WORKERS:
            time.sleep(0.2)
        posts = there.posts()
        name = f"machines: {WORKERS} workers, {WORKERS} campaigns, {ACCOUNTS} accounts"
        spent = posts[-1][0] - posts[0][0] + PACE
        yield at_most(f"{name}: {len(posts)} mails", spent, 1.02 * each * PACE, " s")
        yield at_least(
            f"{name}: least share of a campaign in any minute",
            _fairness(there, campaigns),
            0.5,
            " of its fair share",
        )
        yield holds(f"{name}: mailed twice", 0, len(posts) - len({to for _, _, to in posts}))


def start(there: World, campaigns: list[UUID]) -> None:
    """By Prefect's API, one after the other."""
    deployment = api(there, "get", "/deployments/name/send-campaign/send-campaign")["id"]
    for campaign in campaigns:
        api(
            there,
            "post",
            f"/deployments/{deployment}/create_flow_run",
            {"parameters": {"campaign_id": str(campaign)}},
        )


def _fairness(there: World, campaigns: list[UUID]) -> float:
    """The least share in a minute in which all of them had something to send, over the fair one."""
    rows = there.db.execute(
        "select extract(epoch from started_at)::float8, campaign_id from send_attempts "
        "where campaign_id = any (%s) order by 1",
        [campaigns],
    ).fetchall()
    times = {campaign: [at for at, own in rows if own == campaign] for campaign in campaigns}
    begin = max(own[0] for own in times.values())
    end = min(own[-1] for own in times.values())
    least, start = 1.0, begin
    while start <= max(end - MINUTE, begin):
        counts = [sum(start <= at < start + MINUTE for at in own) for own in times.values()]
        least = min(least, min(counts) / (sum(counts) / len(counts)))
        start += 1
    return least


@contextmanager
def _workers(there: World) -> Iterator[None]:
    environment = there.environment() | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    there.deploy()
    # Nothing but these campaigns: the dispatcher's runs would take a worker's turn.
    dispatcher = api(there, "get", "/deployments/name/dispatch-campaigns/dispatch-campaigns")["id"]
    api(there, "post", f"/deployments/{dispatcher}/pause_deployment")
    workers = []
    try:
        for number in range(WORKERS):
            folder = there.folder / f"worker{number}"
            folder.mkdir()
            workers.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "prefect",
                        "worker",
                        "start",
                        "--pool",
                        "outreach",
                        "--limit",
                        "1",
                    ],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        while len(api(there, "post", "/work_pools/outreach/workers/filter", {})) < WORKERS:
            time.sleep(0.2)
        yield
    finally:
        for worker in workers:
            worker.kill()  # idle; on SIGTERM a worker may wait for what is long over
        for worker in workers:
            worker.wait()


@cache
def _client() -> httpx.Client:
    """One for all requests, as a program has it that starts many campaigns."""
    return httpx.Client(trust_env=False, timeout=120)


def api(there: World, method: str, path: str, content: object = None) -> dict[str, str]:
    answer = _client().request(method, f"{there.prefect.api}{path}", json=content)
    answer.raise_for_status()
    found: dict[str, str] = answer.json() if answer.content else {}
    return found
