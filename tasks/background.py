"""What the runs of this process tell Prefect beside their mails: one thread does it, in order.

Each request costs Prefect's server some 8 ms: at the start of many campaigns the first mails come
before all that only people read.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import cache
from typing import NamedTuple
from uuid import UUID

import httpx
from prefect import runtime
from prefect.logging.loggers import get_logger

from tasks.token import StopRequest

BETWEEN_SECONDS = 0.25
"""Between two jobs of this process."""
PREFECT_AWAY_SECONDS = 60.0
"""Until the next attempt."""

Key = tuple[UUID, str]
"""A flow run, and the kind of a job."""


class Job(NamedTuple):
    do: Callable[[], None]
    context: Context
    """Prefect's settings, the run and its client."""


class BackgroundJobs:
    """Jobs that no mail waits for. A job that found Prefect away is repeated later."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Job] = {}
        self._current: Key | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, run: UUID, kind: str, do: Callable[[], None]) -> None:
        """Do it soon, in a copy of this context; it replaces a waiting one of the same kind."""
        with self._changed:
            self._waiting[run, kind] = Job(do, copy_context())
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="background", daemon=True)
                thread.start()
                self._thread = thread
            self._changed.notify_all()

    def complete(self, run: UUID) -> None:
        """Do the run's waiting jobs now, in this thread; returns when none is left or under way."""
        with self._changed:
            own = [key for key in self._waiting if key[0] == run]
            jobs = [self._waiting.pop(key) for key in own]
        for job in jobs:
            if not _do(job):
                break
        with self._changed:
            self._changed.wait_for(lambda: self._current is None or self._current[0] != run)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                self._current = next(iter(self._waiting))
                job = self._waiting.pop(self._current)
            answered = _do(job)
            with self._changed:
                if not answered:
                    self._waiting.setdefault(self._current, job)
                self._current = None
                self._changed.notify_all()
            time.sleep(BETWEEN_SECONDS if answered else PREFECT_AWAY_SECONDS)


def _do(job: Job) -> bool:
    """False when Prefect's server is away. Another failure is logged, and the job is over."""
    try:
        job.context.run(job.do)
    except Exception as error:  # noqa: BLE001 - no mail depends on it
        get_logger("outreach.background").warning(
            "Prefect is not told for now (%s)", type(error).__name__
        )
        return not isinstance(error, httpx.TransportError)
    return True


@cache
def background() -> BackgroundJobs:
    """Of this process."""
    return BackgroundJobs()


@contextmanager
def completed_at_end() -> Iterator[None]:
    """Complete this flow run's jobs at the end of the block, whose own error goes on.

    Not where the run is interrupted, or told to stop: its campaign is given back first, and
    Prefect's server may be away. A process that lives on does them all the same.
    """
    run = UUID(str(runtime.flow_run.id))
    try:
        yield
    except StopRequest:
        raise
    except Exception:
        background().complete(run)
        raise
    background().complete(run)
