"""Memory, threads, open files and connections of processes, and whether they stay flat."""

import time
from collections.abc import Iterator
from statistics import linear_regression, median
from typing import NamedTuple

import psutil

from benchmarks.table import Line, at_most

WARMING = 1 / 3
"""Of the samples: caches, pools and a library's first use of everything."""
SHARE = 0.1
"""Of the median: what the line through the other samples may rise from its begin to its end."""
LEAST = {"MB": 5.0, "threads": 3.0, "open files": 5.0, "connections": 3.0}
"""A rise that is allowed whatever the median."""


class Sample(NamedTuple):
    at: float
    """Seconds of the monotonic clock."""
    values: dict[str, float]
    """By the names of LEAST."""


class Watched:
    """One process with its children, looked at again and again."""

    def __init__(self, name: str, pid: int, port: int) -> None:
        """`port`: the database's, whose connections count."""
        self.name = name
        self.samples: list[Sample] = []
        self._process = psutil.Process(pid)
        self._port = port

    def look(self) -> None:
        every = [self._process, *self._process.children(recursive=True)]
        found = [one for process in every if (one := _values(process, self._port)) is not None]
        if found:
            total = {name: sum(one[name] for one in found) for name in LEAST}
            self.samples.append(Sample(time.monotonic(), total))

    def lines(self) -> Iterator[Line]:
        for what in LEAST:
            yield flat(self.name, what, [(at, values[what]) for at, values in self.samples])


def flat(name: str, what: str, samples: list[tuple[float, float]]) -> Line:
    """Whether the values grew, by a straight line through those after the first third."""
    warm = samples[int(len(samples) * WARMING) :]
    times, values = [at for at, _ in warm], [value for _, value in warm]
    rise = linear_regression(times, values).slope * (times[-1] - times[0])
    allowed = max(LEAST[what], SHARE * median(values))
    of = f"{name}: rise of {what} beside {median(values):.0f} (most {max(values):.0f})"
    return at_most(of, rise, allowed)


def _values(process: psutil.Process, port: int) -> dict[str, float] | None:
    """None: it has ended meanwhile."""
    try:
        with process.oneshot():
            connections = process.net_connections("tcp")
            return {
                "MB": process.memory_full_info().pss / 1e6,
                "threads": process.num_threads(),
                "open files": process.num_fds(),
                "connections": sum(
                    1 for one in connections if one.raddr and one.raddr.port == port
                ),
            }
    except psutil.NoSuchProcess:
        return None
