"""Many campaigns at once: how soon each begins, how long all take, what they cost."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.harness import ROOT, World, cpu_of, world
from benchmarks.machines import api
from benchmarks.table import Line, at_most, figure, holds

CAMPAIGNS, LEADS, PACE = 30, 20, 2.0


@dataclass
class Measured:
    seconds: float
    first_mails: float
    """Median seconds from the campaigns' start to their first mail."""
    last_begun: float
    cpu: dict[str, float]
    """Seconds, by part."""
    memory: float
    """Octets at most, above the idle ones."""
    twice: int
    gaps: float
    """The longest campaign from its first mail to its last, over the ideal."""


def run(*, quick: bool) -> Iterator[Line]:
    count = 5 if quick else CAMPAIGNS
    with world(send_pace_seconds=PACE) as there, worker(there) as process:
        found = measure(there, process, count, 3 if quick else LEADS)
    name = f"many: {count} campaigns x {LEADS} leads x {PACE:.0f} s"
    yield at_most(name, found.seconds, 45, " s")
    yield at_most(f"{name}: first mail, median", found.first_mails, 4, " s")
    yield figure(f"{name}: first mail of the last", found.last_begun, " s")
    yield figure(f"{name}: a campaign from its first mail on, over the ideal", found.gaps, "")
    yield at_most(f"{name}: CPU", sum(found.cpu.values()), 49, " s")
    for part, seconds in found.cpu.items():
        yield figure(f"{name}: CPU of {part}", seconds, " s")
    yield at_most(f"{name}: memory above idle", found.memory / 1e6, 101, " MB")
    yield holds(f"{name}: mailed twice", 0, found.twice)


def measure(there: World, process: psutil.Process, count: int, leads: int) -> Measured:
    accounts = [there.accounts(1, pace=PACE) for _ in range(count)]
    campaigns = [there.campaign(leads, own) for own in accounts]
    deployment = api(there, "get", "/deployments/name/send-campaign/send-campaign")["id"]
    there.rest()
    idle, spent = memory(there, process), cpu(there, process)
    began, most = time.monotonic(), idle
    for campaign in campaigns:
        api(
            there,
            "post",
            f"/deployments/{deployment}/create_flow_run",
            {"parameters": {"campaign_id": str(campaign)}},
        )
    while there.one(ENDED, campaigns) < count:
        most = max(most, memory(there, process))
        time.sleep(0.5)
    seconds = time.monotonic() - began
    there.rest()
    posts = there.posts()
    by_account: dict[str, list[float]] = {}
    for at, account, _ in posts:
        by_account.setdefault(account, []).append(at)
    firsts = [min(at) - began for at in by_account.values()]
    longest = max(max(at) - min(at) for at in by_account.values())
    return Measured(
        seconds=seconds,
        first_mails=statistics.median(firsts),
        last_begun=max(firsts),
        cpu={part: now - spent[part] for part, now in cpu(there, process).items()},
        memory=most - idle,
        twice=len(posts) - len({to for _, _, to in posts}),
        gaps=longest / ((leads - 1) * PACE),
    )


ENDED = "select count(*) from campaigns where id = any (%s) and status = 'completed'"


def cpu(there: World, process: psutil.Process) -> dict[str, float]:
    return {**there.cpu(), "worker": cpu_of(process)}


def memory(there: World, process: psutil.Process) -> float:
    """Octets, of the worker with its children, Prefect's server and Postgres."""
    roots = [process, psutil.Process(there.prefect.process.pid)]
    total = 0
    for one in (found for root in roots for found in [root, *root.children(recursive=True)]):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def worker(there: World) -> Iterator[psutil.Process]:
    environment = there.environment()
    for command in (
        ["-m", "deployments.provision"],
        ["-m", "prefect", "--no-prompt", "deploy", "--all"],
    ):
        subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    dispatcher = api(there, "get", "/deployments/name/dispatch-campaigns/dispatch-campaigns")["id"]
    api(there, "post", f"/deployments/{dispatcher}/pause_deployment")
    with (there.folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.worker", "outreach"],
            cwd=there.folder,
            env=environment | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING"},
            stdout=log,
            stderr=log,
        )
    try:
        while not api(there, "post", "/work_pools/outreach/workers/filter", {}):
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)
        print((there.folder / "worker.log").read_text()[-4000:], file=sys.stderr)
