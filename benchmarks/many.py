"""Many campaigns at once: how soon each begins, how long all take, what they cost.

Beside an older build, a process a campaign, each from outside; and beside a script without an
engine and Celery, which keep the same pace of each account.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks import peers
from benchmarks.builds import Build, builds, machine
from benchmarks.harness import World, completed, rest, world
from benchmarks.machines import api, start
from benchmarks.table import Line, at_most, figure, holds

CAMPAIGNS, LEADS, PACE = 30, 20, 2.0
AT_ONCE = 200
IN_A_ROW, STEPS = 500, 5
CPU, MEMORY = 0.35, 0.15
"""Of the older build's."""


@dataclass
class Measured:
    seconds: float
    firsts: list[float]
    """Seconds from the start of all to the first mail of each."""
    cpu: float
    """Seconds."""
    memory: float
    """Octets at most, above the idle ones."""
    twice: int
    gaps: float
    """The longest campaign from its first mail to its last, over the ideal."""


def run(*, quick: bool) -> Iterator[Line]:
    count, leads = (5, 3) if quick else (CAMPAIGNS, LEADS)
    with builds(beside=not quick) as all_builds:
        found = {build.name: _together(build, count, leads) for build in all_builds}
    name = f"many: {count} campaigns x {leads} leads x {PACE:.0f} s"
    ours = found.pop("this build")
    yield at_most(name, ours.seconds, 45, " s")
    yield at_most(f"{name}: first mail, median", statistics.median(ours.firsts), 4, " s")
    yield figure(f"{name}: first mail of the last", max(ours.firsts), " s")
    yield figure(f"{name}: a campaign from its first mail on, over the ideal", ours.gaps, "")
    yield holds(f"{name}: mailed twice", 0, ours.twice)
    for build, older in found.items():
        yield at_most(f"{name}: CPU", ours.cpu, CPU * older.cpu, " s")
        yield at_most(
            f"{name}: memory above idle", ours.memory / 1e6, MEMORY * older.memory / 1e6, " MB"
        )
        shown = (
            f"{older.seconds:.0f} s, first mails {statistics.median(older.firsts):.1f} s median, "
            f"{older.cpu:.1f} s of CPU, {older.memory / 1e6:.0f} MB above idle"
        )
        yield figure(f"{name}: {build}", shown)
    with world() as there:
        for peer in peers.there_are(peers.PACED):
            took = peers.PACED[peer](there, count, leads, PACE)
            yield figure(f"{name}: {peer}", f"{took.seconds:.1f} s, {took.cpu:.1f} s of CPU")
    yield from _at_once(10 if quick else AT_ONCE, leads)
    yield from _in_a_row(10 if quick else IN_A_ROW)


def _together(build: Build, count: int, leads: int) -> Measured:
    """All are started by Prefect's API of `outreach up`; drafts until then."""
    with machine(build, pace=PACE) as there:
        there.outreach("db", "migrate")
        campaigns = [there.campaign(f"many{number}", leads) for number in range(count)]
        there.up()
        deployment = there.deployment()
        rest(there.cpu)
        idle, spent = there.memory(), there.cpu()
        began, most = time.monotonic(), idle
        for campaign in campaigns:
            there.ask(
                f"deployments/{deployment}/create_flow_run",
                {"parameters": {"campaign_id": campaign}},
            )
        with there.database() as db:
            look_at = began
            while completed(db) < count:
                if time.monotonic() >= look_at:  # it costs more CPU than the other look
                    most = max(most, there.memory())
                    look_at = time.monotonic() + 2
                time.sleep(0.1)
        seconds = time.monotonic() - began
        rest(there.cpu)
        return _measured(there.posts(), began, seconds, there.cpu() - spent, most - idle, leads)


def _measured(
    posts: list[list[Any]], began: float, seconds: float, cpu: float, memory: float, leads: int
) -> Measured:
    by_account: dict[str, list[float]] = {}
    for at, account, _ in posts:
        by_account.setdefault(account, []).append(at)
    return Measured(
        seconds=seconds,
        firsts=[min(times) - began for times in by_account.values()],
        cpu=cpu,
        memory=memory,
        twice=len(posts) - len({to for _, _, to in posts}),
        gaps=max(max(times) - min(times) for times in by_account.values()) / ((leads - 1) * PACE),
    )


def _at_once(count: int, leads: int) -> Iterator[Line]:
    with world(send_pace_seconds=PACE) as there, worker(there) as process:
        accounts = [there.accounts(1, pace=PACE) for _ in range(count)]
        campaigns = [there.campaign(leads, own, start=False) for own in accounts]
        there.rest()
        before = most = rss(process)
        spent, began = sum(there.cpu().values()), time.monotonic()
        start(there, campaigns)
        while completed(there.db) < count:
            most = max(most, rss(process))
            time.sleep(0.5)
        seconds = time.monotonic() - began
        there.rest()
        spent = sum(there.cpu().values()) - spent
        found = _measured(there.posts(), began, seconds, spent, 1e6 * (most - before), leads)
    name = f"many: {count} campaigns at once"
    yield at_most(f"{name}, the last begun after", max(found.firsts), 40, " s")
    yield figure(f"{name}, half of them begun after", statistics.median(found.firsts), " s")
    yield at_most(f"{name}, the slowest once begun, over the ideal", found.gaps, 1.02, "")
    yield at_most(f"{name}, memory of the worker each", found.memory / count / 1e6, 2, " MB")
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
