"""From the word to the first mail, in each of the ways to start a campaign; median and worst."""

import time
from collections.abc import Callable, Iterator
from statistics import median

from benchmarks.builds import Build, Machine, builds, machine
from benchmarks.table import Line, at_most, figure

TIMES = 8
LIMIT = 1.5
"""Seconds, by a row and by Prefect's API."""
LOCAL = 0.5
"""Of the older build's time."""


def run(*, quick: bool) -> Iterator[Line]:
    took: dict[str, dict[str, list[float]]] = {}
    with builds(beside=not quick) as all_builds:
        for build in all_builds:
            took[build.name] = _times(build, 1 if quick else TIMES)
    ours = took["this build"]
    yield at_most("fresh: row to first mail", median(ours["row"]), LIMIT, " s")
    yield at_most("fresh: REST to first mail", median(ours["REST"]), LIMIT, " s")
    for build, ways in took.items():
        for way, seconds in ways.items():
            shown = f"{median(seconds):.2f} s, worst of {len(seconds)} {max(seconds):.2f} s"
            yield figure(f"fresh: {way}, {build}", shown)
    for build, ways in took.items():
        if build != "this build":
            limit = LOCAL * median(ways["--local"])
            yield at_most("fresh: --local to first mail", median(ours["--local"]), limit, " s")


def _times(build: Build, times: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {}
    with machine(build) as there:
        there.outreach("db", "migrate")
        took["--local"] = [
            _took(there, f"local{number}", _locally) for number in range(max(1, times // 2))
        ]
        there.up()
        _took(there, "warm", _by_row)  # its first run costs a server something once in its life
        for name, way in (("row", _by_row), ("REST", _by_api), ("campaigns start", _by_command)):
            took[name] = [
                _took(there, f"{name[:3].lower()}{number}", way) for number in range(times)
            ]
    return took


def _took(there: Machine, name: str, start: Callable[[Machine, str], float]) -> float:
    campaign = there.campaign(name, leads=1)
    time.sleep(3)  # not always at the same moment of a dispatcher's minute
    return there.first_mail(start(there, campaign))


# Each gives the moment at which it began, in seconds of the monotonic clock.


def _by_row(there: Machine, campaign: str) -> float:
    with there.database() as db:
        began = time.monotonic()
        db.execute("update campaigns set status = 'running' where id = %s", [campaign])
    return began


def _by_api(there: Machine, campaign: str) -> float:
    path = f"deployments/{there.deployment()}/create_flow_run"
    began = time.monotonic()
    there.ask(path, {"parameters": {"campaign_id": campaign}})
    return began


def _by_command(there: Machine, campaign: str) -> float:
    began = time.monotonic()
    there.outreach("campaigns", "start", campaign, **there.known())
    return began


def _locally(there: Machine, campaign: str) -> float:
    began = time.monotonic()
    there.outreach("campaigns", "start", campaign, "--local")
    return began
