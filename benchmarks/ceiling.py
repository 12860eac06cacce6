"""How fast it sends where no pace holds it, what that costs, and how others do on the same machine.

Pace 0, 50 ms latency, a 100 KB PDF, 32 in flight, 4 accounts. A rate is the number of mails over
the time from the start of the flow (or of the script) until the last outcome is recorded. The
machine is not the same all the time, so each is measured five times, in turns: the medians.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx

from benchmarks import peers
from benchmarks.harness import World, world
from benchmarks.table import Line, at_least, at_most, figure, holds

RATES = {
    ("send", False): 200.0,
    ("send", True): 110.0,
    ("modify", False): 100.0,
    ("modify", True): 55.0,
}
"""Mails a second, by scope and whether each lead is a task run of its own."""
CPU = {False: 4.0, True: 14.0}
"""Milliseconds a mail, of sender, Prefect server and Postgres together."""
BESIDE = {("send", False): (peers.SCRIPT, 1.0), ("send", True): (peers.PREFECT, 1.4)}
"""What that is beside others, whatever the machine: no more than a script without any engine;
with a task run a lead 14 ms, where Prefect alone takes 10."""
TURNS = 5
RECORDED_SECONDS = 30.0


def run(*, quick: bool) -> Iterator[Line]:
    leads = 400 if quick else 2000
    ours: dict[tuple[str, bool], list[Trial]] = {mode: [] for mode in RATES}
    others: dict[str, list[peers.Taken]] = {peer: [] for peer in peers.there_are()}
    with world(send_concurrency=32) as there:
        # A server's first flow run costs it some 0.6 s of CPU, once in its life.
        there.send(there.campaign(20, there.accounts(1)))
        for _ in range(1 if quick else TURNS):
            for (scope, rows), trials in ours.items():
                trials.append(_sent(there, leads, scope, rows=rows))
                if (scope, rows) in BESIDE:
                    peer = BESIDE[scope, rows][0]
                    others[peer].append(peers.ALL[peer](there, leads))
            if peers.CELERY in others:
                others[peers.CELERY].append(peers.celery(there, leads))
    for (scope, rows), trials in ours.items():
        yield from _told(trials, leads, scope, rows=rows)
        if (scope, rows) in BESIDE:
            yield _beside(trials, others, scope, rows=rows)
    for peer, taken in others.items():
        yield figure(f"peer: {peer}", median(one.rate for one in taken), "/s")
        yield figure(f"peer: {peer}, CPU", median(one.cpu for one in taken), " ms")
    if peers.CELERY not in others:
        yield figure(
            f"peer: {peers.CELERY}", "not measured: no redis-server, or no Celery in .venv"
        )


@dataclass(frozen=True)
class Trial:
    rate: float
    """Mails a second."""
    mails: int
    recorded: float
    """Seconds until Prefect's server showed every task run as Completed."""
    cost: dict[str, float]
    """CPU, milliseconds a mail by part."""

    @property
    def cpu(self) -> float:
        return sum(self.cost.values())


def _sent(there: World, leads: int, scope: str, *, rows: bool) -> Trial:
    campaign = there.campaign(leads, there.accounts(4, scope=scope))
    there.posts()  # of the peer before us
    before = there.cpu()
    sender = there.send(campaign, *(["--rows"] if rows else []))
    recorded = _until_recorded(there, sender)
    there.rest()
    spent = {part: seconds - before[part] for part, seconds in there.cpu().items()}
    spent["sender"] = sender["cpu"]
    last = there.one(
        "select extract(epoch from max(finished_at)) from send_attempts where campaign_id = %s",
        campaign,
    )
    return Trial(
        rate=leads / (float(last) - sender["began_at"]),
        mails=len({to for _, _, to in there.posts()}),
        recorded=recorded,
        cost={part: 1000 * seconds / leads for part, seconds in spent.items()},
    )


def _told(trials: Sequence[Trial], leads: int, scope: str, *, rows: bool) -> Iterator[Line]:
    name = _name(scope, rows=rows)
    rate = median(trial.rate for trial in trials)
    yield at_least(f"ceiling: {name}", rate, RATES[scope, rows], "/s")
    mails = next((trial.mails for trial in trials if trial.mails != leads), leads)
    yield holds(f"ceiling: {name}, mails", leads, mails)
    recorded = max(trial.recorded for trial in trials)
    yield at_most(
        f"ceiling: {name}, all task runs in Prefect after", recorded, RECORDED_SECONDS, " s"
    )
    middle = sorted(trials, key=lambda trial: trial.cpu)[len(trials) // 2]
    yield (
        at_most(f"CPU a mail: {name}", middle.cpu, CPU[rows], " ms")
        if scope == "send"
        else figure(f"CPU a mail: {name}", middle.cpu, " ms")
    )
    where = ", ".join(f"{part} {cost:.2f} ms" for part, cost in middle.cost.items())
    yield figure(f"CPU a mail: {name}, where", where)


def _beside(
    trials: Sequence[Trial], others: dict[str, list[peers.Taken]], scope: str, *, rows: bool
) -> Line:
    """Of each turn by itself: what came right after one another met the same machine."""
    peer, limit = BESIDE[scope, rows]
    times = median(trial.cpu / taken.cpu for trial, taken in zip(trials, others[peer], strict=True))
    name = _name(scope, rows=rows)
    return at_most(f"CPU a mail: {name}, beside {peer}", times, limit, " times")


def _name(scope: str, *, rows: bool) -> str:
    delivery = "direct" if scope == "send" else "drafts"
    return f"{delivery}, {'a task run a lead' if rows else 'grouped'}"


def _until_recorded(there: World, sender: dict[str, Any]) -> float:
    """Seconds from the flow's end until its server shows every task run as Completed."""
    chosen = {
        "flow_runs": {"id": {"any_": [sender["run"]]}},
        "task_runs": {"name": {"like_": "send "}, "state": {"type": {"any_": ["COMPLETED"]}}},
    }
    while time.monotonic() < sender["ended"] + 4 * RECORDED_SECONDS:
        answer = httpx.post(f"{there.prefect.api}/task_runs/count", json=chosen, timeout=60)
        if answer.json() == sender["task_runs"]:
            return float(time.monotonic() - sender["ended"])
        time.sleep(0.5)
    return float("inf")
