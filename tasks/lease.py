"""Keeps a campaign a run's own: renews its lease, and follows changes of its state meanwhile."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
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
"""How often a run checks that the campaign is still its own."""
ORDERS_SECONDS = 15.0
"""How often it reads its state from Prefect, which costs the server 24 ms."""
SILENT_SECONDS = 2 * LEASE_SECONDS
"""A process that does not keep even the lease for this long is ended."""


@contextmanager
def owned(campaign: UUID) -> Iterator[CampaignRun]:
    """The campaign that this flow run has begun, with its lease kept alive until the end."""
    run, logger = CampaignRun(campaign, flow_run_id(), current()), run_log()
    lease = Lease(run, logger)
    lease.keep()
    try:
        with rarely_collected(), ended_if_cancelled(run.id, logger):
            yield run
    finally:
        run.token.stop()
        lease.let_go()


class Lease:
    """A run's lease of its campaign, kept by a thread of its own."""

    def __init__(self, run: CampaignRun, logger: Logger) -> None:
        self._run = run
        self._logger = logger
        self._over = threading.Event()
        self._thread = threading.Thread(
            # The address of Prefect's server and the client for it are the context's.
            target=copy_context().run,
            args=(self._keep,),
            name="lease",
            daemon=True,
        )
        self._orders_at = time.monotonic() + ORDERS_SECONDS
        """The time of the next request to Prefect, on the monotonic clock."""

    def keep(self) -> None:
        self._thread.start()

    def let_go(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        """Renew the lease; stop the run when the campaign is no longer its own.

        A run that does not end then is ended: it would hold its slots without a purpose.
        """
        token, ends_at = self._run.token, math.inf
        while not self._over.wait(min(LOOK_SECONDS, ends_at - time.monotonic())):
            if token.finishing:
                ends_at = math.inf
            elif time.monotonic() >= ends_at:
                end_process(self._logger)
                return
            watch(SILENT_SECONDS)
            if (grace := self._renew()) is not None:
                token.stop()
                ends_at = min(ends_at, time.monotonic() + grace)
        watch_no_longer()

    def _renew(self) -> float | None:
        """None while the run goes on, or the seconds that it has to end in.

        A database outage stops nothing: claims and attempts have their own fences.
        """
        run = self._run
        try:
            answer = run.store.renew_run(run.campaign, run.id, LEASE_SECONDS)
        except StoreUnavailable as error:
            self._logger.warning("The lease was not renewed: %s", error)
        except Exception as error:  # noqa: BLE001 - the heartbeat survives unexpected errors
            self._logger.warning("The lease was not renewed: %s", type(error).__name__)
        else:
            if answer == "paused":  # no other run has it, and Gmail may take its time
                return run.services.settings.settle_after_seconds
            if answer == "stopped":
                return GRACE_SECONDS
            if time.monotonic() >= self._orders_at:
                self._orders_at = time.monotonic() + ORDERS_SECONDS
                self._obey()
        return None

    def _obey(self) -> None:
        """Follow the run's state in Prefect; after an error, at the next time."""
        try:
            obey(self._run, self._logger)
        except Exception as error:  # noqa: BLE001 - the heartbeat survives unexpected errors
            self._logger.warning(
                "The run's state in Prefect was not followed: %s", type(error).__name__
            )
