"""Many campaigns at once: how soon each begins, how long all take, what they cost."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.harness import World, cpu_of, world
from benchmarks.machines import api
from benchmarks.table import Line, at_most, figure, holds

CAMPAIGNS, LEADS, PACE = 30, 20, 2.0
AT_ONCE = 200
IN_A_ROW, STEPS = 500, 5


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
    worker_memory: float
    """Of that, the worker's own."""
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
    yield from _at_once(10 if quick else AT_ONCE, 3 if quick else LEADS)
    yield from _in_a_row(10 if quick else IN_A_ROW)


def _at_once(count: int, leads: int) -> Iterator[Line]:
    with world(send_pace_seconds=PACE) as there, worker(there) as process:
        found = measure(there, process, count, leads)
    name = f"many: {count} campaigns at once"
    yield at_most(f"{name}, the last begun after", found.last_begun, 40, " s")
    yield at_most(f"{name}, the slowest once begun, over the ideal", found.gaps, 1.02, "")
    yield at_most(f"{name}, memory of the worker each", found.worker_memory / count / 1e6, 2, " MB")
    yield holds(f"{name}, mailed twice", 0, found.twice)


def _in_a_row(count: int) -> Iterator[Line]:
    """Whether anything grows with the number of campaigns that a worker has sent."""
    seen = []
    with world(send_pace_seconds=0) as there, worker(there) as process:
        account = there.accounts(1)
        for number in range(1, count + 1):
            there.campaign(1, account)
            while there.one("select count(*) from campaigns where status = 'completed'") < number:
                time.sleep(0.05)
            if number % (count // STEPS) == 0:
                seen.append((rss(process), process.num_threads(), process.num_fds()))
    name = f"many: {count} campaigns one after another"
    for what, values in zip(("MB", "threads", "open files"), zip(*seen, strict=True), strict=True):
        shown = ", ".join(f"{value:.0f}" for value in values)
        yield figure(f"{name}, {what} of the worker, after each {count // STEPS}", shown)


def rss(process: psutil.Process) -> float:
    """Megabytes."""
    return float(process.memory_info().rss) / 1e6


def measure(there: World, process: psutil.Process, count: int, leads: int) -> Measured:
    """All are started by Prefect's API; drafts until then, which the dispatcher leaves alone."""
    accounts = [there.accounts(1, pace=PACE) for _ in range(count)]
    campaigns = [there.campaign(leads, own, start=False) for own in accounts]
    deployment = api(there, "get", "/deployments/name/send-campaign/send-campaign")["id"]
    there.rest()
    idle, spent, own = memory(there, process), cpu(there, process), rss(process)
    began, most, most_own = time.monotonic(), idle, own
    for campaign in campaigns:
        api(
            there,
            "post",
            f"/deployments/{deployment}/create_flow_run",
            {"parameters": {"campaign_id": str(campaign)}},
        )
    while there.one(ENDED, campaigns) < count:
        most, most_own = max(most, memory(there, process)), max(most_own, rss(process))
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
        worker_memory=1e6 * (most_own - own),
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
    there.deploy()
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
