"""The send loop: tracks sends in flight, and decides when to claim the next leads."""

import time
from collections.abc import Iterable
from queue import Empty, SimpleQueue
from typing import Any

from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.results import ResultRecord  # type: ignore[attr-defined]

from outreach.store.results import Batch
from tasks.plan import CampaignPlan
from tasks.progress import Progress
from tasks.run import CampaignRun

TICK_SECONDS = 1.0
SHORTEST_WAIT_SECONDS = 0.25
PATIENCE_SECONDS = 120.0
"""How long a run waits for deferred leads before it hands its worker back."""


class Delivery:
    """One run's sends in flight."""

    def __init__(self, run: CampaignRun, plan: CampaignPlan) -> None:
        self._token = run.token
        self._spare = max(plan.threads, 2 * plan.accounts)
        self._in_flight = 0
        self._ended: SimpleQueue[PrefectFuture[Any]] = SimpleQueue()
        self._idle = 0.0
        self._progress = Progress(run, plan)

    def add(self, sends: Iterable[PrefectFuture[Any]]) -> None:
        self._idle = 0.0
        for future in sends:
            self._in_flight += 1
            future.add_done_callback(self._ended.put)

    def until_next_claim(self) -> None:
        """Wait until the senders soon run out of leads: no account idles."""
        while self._in_flight > self._spare:
            self._collect(TICK_SECONDS)

    def wait_for(self, later: Batch) -> bool:
        """Wait for deferred leads, or for sends in flight; False when that takes too long."""
        if self._in_flight:
            self._until(later.wait_seconds, or_all_ended=True)
            return True
        self._idle += max(later.wait_seconds, SHORTEST_WAIT_SECONDS)
        if self._idle > PATIENCE_SECONDS:
            return False
        self._until(max(later.wait_seconds, SHORTEST_WAIT_SECONDS))
        return True

    def finish(self) -> None:
        """Wait for the sends in flight."""
        while self._in_flight and self._token.in_flight_seconds > 0:
            self._collect(TICK_SECONDS)
        self._progress.close()

    def _until(self, seconds: float, *, or_all_ended: bool = False) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._token.stopped:
            self._collect(min(left, TICK_SECONDS))
            if or_all_ended and not self._in_flight:
                return

    def _collect(self, seconds: float) -> None:
        """Remove a send that ends within `seconds`; raises its unexpected error, if any."""
        self._progress.show()
        try:
            future = self._ended.get(timeout=seconds)
        except Empty:
            return
        self._in_flight -= 1
        if isinstance(future, PrefectConcurrentFuture) and future.wrapped_future.cancelled():
            return  # the run was stopped before it was due
        future.wait()
        # A send returns a state of its own: an exception means an unexpected error.
        data = future.state.data
        error = data.result if isinstance(data, ResultRecord) else data
        if isinstance(error, BaseException):
            self._token.stop()
            raise error
