"""Keeps campaigns their runs' own: renews the leases of all runs of this process by one thread."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from functools import cache
from uuid import UUID

from outreach.errors import StoreUnavailable
from outreach.gc_tuning import rarely_collected
from outreach.wiring import current
from tasks.ending import (
    GRACE_SECONDS,
    end_process,
    ended_if_cancelled,
    watch,
    watch_no_longer,
)
from tasks.log import Logger, run_log
from tasks.orders import obey
from tasks.run import CampaignRun, flow_run_id

LEASE_SECONDS = 60.0
"""A run that does not renew its lease for this long counts as dead."""
LOOK_SECONDS = 1.5
"""How often a process checks that the campaigns are still its runs' own."""
ORDERS_SECONDS = 15.0
"""How often a run of its own process reads its state, which costs Prefect's server 24 ms."""
SILENT_SECONDS = 2 * LEASE_SECONDS
"""A process that does not keep even the leases for this long is ended."""

EndRun = Callable[[CampaignRun, Logger], None]


@contextmanager
def owned(campaign: UUID) -> Iterator[CampaignRun]:
    """The campaign that this flow run has begun, with its lease kept alive until the end."""
    run, logger = CampaignRun(campaign, flow_run_id(), current()), run_log()
    lease = leases().keep(run, logger)
    collected = nullcontext() if run.token.hosted else rarely_collected()
    try:
        with collected, ended_if_cancelled(run.id, logger):
            yield run
    finally:
        run.token.stop()
        leases().let_go(lease)


class Lease:
    """A run's lease of its campaign."""

    def __init__(self, run: CampaignRun, logger: Logger) -> None:
        self.run = run
        self.logger = logger
        self.ends_at = math.inf
        """The time on the monotonic clock by which the run has to have ended."""
        self._context = copy_context()
        """Prefect's settings and its client, for the thread that keeps the leases."""
        self._orders_at = time.monotonic() + ORDERS_SECONDS
        self._away = False

    def renewed(self, answer: str) -> None:
        """`paused`, `stopped`, or `renewed`, as the database says."""
        self._away = False
        token, longest = self.run.token, self.run.services.settings.settle_after_seconds
        if answer == "paused" or token.order is not None:
            # No other run has it, and Gmail may take its time.
            self._end_within(longest)
        elif answer == "stopped":
            # One among others leaves its mails in flight to their threads.
            self._end_within(longest if token.hosted else GRACE_SECONDS)
        elif not token.hosted and time.monotonic() >= self._orders_at:
            self._orders_at = time.monotonic() + ORDERS_SECONDS
            self._obey()

    def failed(self, reason: str) -> None:
        """Told once for an outage. It stops nothing: claims and attempts have their own fences."""
        if not self._away:
            self.inside(self.logger.warning, "The lease was not renewed: %s", reason)
        self._away = True

    def _obey(self) -> None:
        """Follow the run's state in Prefect; after an error, at the next time."""
        try:
            self.inside(obey, self.run, self.logger)
        except Exception as error:  # noqa: BLE001 - the thread survives unexpected errors
            told = "The run's state in Prefect was not followed: %s"
            self.inside(self.logger.warning, told, type(error).__name__)

    def inside(self, call: Callable[..., object], *arguments: object) -> None:
        """Call it in the run's context: in another one Prefect's log may start a server."""
        self._context.run(call, *arguments)

    @property
    def is_overdue(self) -> bool:
        """Whether the run should have ended: it would hold its slots without a purpose."""
        if self.run.token.finishing:
            self.ends_at = math.inf
        return time.monotonic() >= self.ends_at

    def _end_within(self, seconds: float) -> None:
        self.run.token.stop()
        self.ends_at = min(self.ends_at, time.monotonic() + seconds)


class Leases:
    """All leases of this process."""

    def __init__(self) -> None:
        self.end_run: EndRun = lambda _, logger: end_process(logger)
        """Ends a run that does not end when it should."""
        self.watches = True
        """End this process when this thread falls silent; where a worker does not see to it."""
        self._held: list[Lease] = []
        self._round_at = time.monotonic()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def keep(self, run: CampaignRun, logger: Logger) -> Lease:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._keep_all, name="leases", daemon=True)
                thread.start()
                self._thread = thread
            self._held.append(lease := Lease(run, logger))
            self._changed.notify()
        return lease

    @property
    def number(self) -> int:
        """Of runs of this process."""
        return len(self._held)

    @property
    def is_silent(self) -> bool:
        """Whether its thread hangs, and nobody renews what it holds."""
        return bool(self._held) and time.monotonic() > self._round_at + SILENT_SECONDS

    def let_go(self, lease: Lease) -> None:
        with self._changed:
            if lease in self._held:
                self._held.remove(lease)
            if self.watches and not self._held:
                watch_no_longer()

    def _keep_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held)
                if self.watches:
                    watch(SILENT_SECONDS)
                self._round_at = time.monotonic()
                held = list(self._held)
            for lease in held:
                if lease.is_overdue:
                    self.let_go(lease)
                    lease.inside(self.end_run, lease.run, lease.logger)
            self._renew(held)
            next_end = min((lease.ends_at for lease in held), default=math.inf)
            time.sleep(max(0.05, min(LOOK_SECONDS, next_end - time.monotonic())))

    def _renew(self, held: list[Lease]) -> None:
        for store in {lease.run.store for lease in held}:
            own = [lease for lease in held if lease.run.store is store]
            try:
                answers = store.renew_runs(
                    {lease.run.id: lease.run.campaign for lease in own}, LEASE_SECONDS
                )
            except StoreUnavailable as error:
                _tell(own, str(error))
            except Exception as error:  # noqa: BLE001 - the thread survives unexpected errors
                _tell(own, type(error).__name__)
            else:
                for lease in own:
                    lease.renewed(answers.get(lease.run.id, "stopped"))


def _tell(leases: list[Lease], reason: str) -> None:
    for lease in leases:
        lease.failed(reason)


@cache
def leases() -> Leases:
    """Of this process."""
    return Leases()
