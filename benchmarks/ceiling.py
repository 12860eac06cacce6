"""How fast it sends where no pace holds it, what that costs, and how others do on the same work.

Pace 0, 50 ms latency, a 100 KB PDF, 32 in flight, 4 accounts. A rate is the number of mails over
the time from the start of the flow (or of the script) until the last outcome is recorded. The
product is measured three times, since the machine is not the same all the time: the medians.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median, median_low
from typing import Any

import httpx

from benchmarks import peers
from benchmarks.harness import World, world
from benchmarks.table import Line, at_least, at_most, holds, told

RATES = {
    ("send", False): 200.0,
    ("send", True): 110.0,
    ("modify", False): 100.0,
    ("modify", True): 55.0,
}
"""Mails a second, by scope and whether each lead is a task run of its own."""
CPU = {False: 4.0, True: 14.0}
"""Milliseconds a mail, of sender, Prefect server and Postgres together."""
RECORDED_SECONDS = 30.0


def run(*, quick: bool) -> Iterator[Line]:
    leads = 400 if quick else 2000
    with world(send_concurrency=32) as there:
        # A server's first flow run costs it some 0.6 s of CPU, once in its life.
        there.send(there.campaign(20, there.accounts(1)))
        there.posts()
        cpu = {}
        for scope, rows in RATES:
            trials = [_sent(there, leads, scope, rows=rows) for _ in range(1 if quick else 3)]
            cpu[scope, rows] = median_low(trial.cpu for trial in trials)
            yield from _told(trials, cpu[scope, rows], leads, scope, rows=rows)
        has_redis = shutil.which("redis-server") is not None
        yield from peers.compared(there, leads, cpu["send", False], has_redis=has_redis)


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


def _told(trials: list[Trial], cpu: float, leads: int, scope: str, *, rows: bool) -> Iterator[Line]:
    """`cpu` is the trials' median."""
    delivery = "direct" if scope == "send" else "drafts"
    name = f"{delivery}, {'a task run a lead' if rows else 'grouped'}"
    rate = median(trial.rate for trial in trials)
    yield at_least(f"ceiling: {name}", rate, RATES[scope, rows], "/s")
    yield holds(f"ceiling: {name}, mails", leads, min(trial.mails for trial in trials))
    recorded = max(trial.recorded for trial in trials)
    yield at_most(
        f"ceiling: {name}, all task runs in Prefect after", recorded, RECORDED_SECONDS, " s"
    )
    yield (
        at_most(f"CPU a mail: {name}", cpu, CPU[rows], " ms")
        if scope == "send"
        else told(f"CPU a mail: {name}", cpu, " ms")
    )
    cost = next(trial.cost for trial in trials if trial.cpu == cpu)
    yield told(f"CPU a mail: {name}, where", ", ".join(f"{k} {v:.2f} ms" for k, v in cost.items()))


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
