"""The process of a worker: its signals, its loop that begins again, and its fresh start."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from contextvars import copy_context
from typing import Any, NoReturn
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import get_logger
from prefect.results import get_default_result_storage
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

import outreach.gmail.google_client  # noqa: F401 - else the first mail waits for its import
from deployments.server_checks import refusal, shortcomings
from deployments.worker.dispatcher import Dispatcher
from deployments.worker.hosted import FLOWS, Runs
from deployments.worker.mailboxes import MailboxReading
from deployments.worker.metrics import WorkerMetrics, serve_metrics
from deployments.worker.worker import TYPE, CampaignWorker, default_name
from outreach.errors import ConfigurationError
from outreach.gc_tuning import rarely_collected
from outreach.local.processes import STOPS
from outreach.loopback import never_through_a_proxy
from outreach.store.results import Due
from outreach.wiring import current_settings
from tasks.dispatch import ask_prefect
from tasks.ending import hand_over, watch, watch_no_longer
from tasks.lease import leases
from tasks.log import Logger
from tasks.run import CampaignRun

INTERRUPTED = 130
AGAIN_SECONDS = 5.0
SILENT_SECONDS = 30.0
"""Half of a lease: the campaigns go on before another run would take them."""
WATCH_SECONDS = 2.0
BEGIN_SECONDS = 120.0
"""Prefect's client repeats a request for about a minute."""
DISPATCH_SECONDS = 5.0
"""Seconds for the dispatcher to end; a campaign that it has in hand is due again later."""
HAND_OVER_SECONDS = 5.0
"""Seconds to hand the last events to Prefect's server."""


class Process:
    """One worker process, until it is told to stop or has to start anew."""

    def __init__(
        self, pool: str, name: str | None, limit: int | None, metrics: WorkerMetrics
    ) -> None:
        self._pool, self._name, self._limit = pool, name, limit
        self._runs = metrics.runs = Runs(copy_context())
        metrics.takes_campaigns = self.takes_campaigns
        self._stop = asyncio.Event()
        self._retires = False
        self._is_told_to_end = False
        self._worker: CampaignWorker | None = None

    def takes_campaigns(self) -> bool:
        """Whether Prefect's server knows it, and nothing told it to stop."""
        worker = self._worker
        return worker is not None and worker.ready.is_set() and not self._stop.is_set()

    def retire(self, stuck: UUID) -> None:
        """The thread of this run cannot be ended: give all back, and start this process anew."""
        get_logger("outreach.worker").error(
            "A thread of the run %s did not come back: this process starts anew", stuck
        )
        self._runs.abandon(stuck)
        self._retires = True
        self._stop.set()

    def _end(self) -> None:
        """By a signal: even one that meets a fresh start."""
        self._is_told_to_end = True
        self._stop.set()

    async def serve(self) -> bool:
        """Serve until a signal; True when the process has to start anew."""
        loop = asyncio.get_running_loop()
        for number in STOPS:
            loop.add_signal_handler(number, self._end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # see deployments/serving.py

        def end_run(run: CampaignRun, _: Logger) -> None:
            loop.call_soon_threadsafe(self.retire, run.id)

        def begin(campaign: Due) -> UUID:
            if (worker := self._worker) is None or not worker.ready.is_set():
                return ask_prefect(campaign)
            begun = asyncio.run_coroutine_threadsafe(worker.begin_due(campaign), loop)
            return begun.result(BEGIN_SECONDS)

        leases().end_run, leases().watches = end_run, False
        watching = asyncio.ensure_future(_watched())
        stopped = asyncio.ensure_future(self._stop.wait())
        dispatcher = Dispatcher(self._name or default_name(), begin)
        self._runs.when_ended = dispatcher.place_free
        dispatcher.start()
        reading = MailboxReading()
        reading.start()
        while True:
            worker = CampaignWorker(self._pool, name=self._name, limit=self._limit, runs=self._runs)
            self._worker = worker
            working = asyncio.ensure_future(worker.start())
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                ending = asyncio.ensure_future(asyncio.to_thread(dispatcher.stop, DISPATCH_SECONDS))
                reading.stop(0)  # what it has leased is read again later
                await worker.stop_runs()
                await asyncio.wait({ending}, timeout=DISPATCH_SECONDS)
                working.cancel()
                await asyncio.wait({working})
                watching.cancel()
                return self._retires and not self._is_told_to_end
            self._worker = None
            get_logger("outreach.worker").warning(
                "The worker lost Prefect's server (%s) and begins again; its runs go on",
                type(working.exception()).__name__,
            )
            await asyncio.wait({stopped}, timeout=AGAIN_SECONDS)


def serve(pool: str, name: str | None = None, limit: int | None = None) -> NoReturn:
    """Serve the pool until a signal, and end this process.

    Needs PREFECT_API_URL and our settings.
    """
    never_through_a_proxy()
    try:
        metrics = serve_metrics(current_settings())  # first: a worker that waits is healthy
        wait_for_pool(pool)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    _tell_shortcomings()
    # Prefect's heartbeat is a thread a run that delays the run's end: Listening beats for all.
    unbeaten = temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with unbeaten, SyncClientContext(), rarely_collected():
        storage: Any = get_default_result_storage()  # sync, as its caller is
        for flow in FLOWS.values():
            flow.result_storage = storage  # else each run asks the server for it, twice
        starts_anew = asyncio.run(Process(pool, name, limit, metrics).serve())
    _leave(starts_anew=starts_anew)


def wait_for_pool(pool: str) -> None:
    """Wait until Prefect's server answers. Later the worker makes a deleted pool anew.

    Raises ConfigurationError for a pool that is not there, or that other workers serve, and for
    credentials that the server refuses.
    """
    told = False
    while (kind := _kind_of(pool)) is None:
        if not told:
            get_logger("outreach.worker").warning(
                "Prefect's server does not answer; the worker waits for it"
            )
        told = True
        time.sleep(AGAIN_SECONDS)
    if kind != TYPE:
        raise ConfigurationError(
            f"The work pool {pool} is of type {kind}, which other workers serve",
            f"serve it with `prefect worker start --pool {pool}`, or name a pool of type {TYPE}",
        )


def _kind_of(pool: str) -> str | None:
    """The pool's type; None without an answer."""
    try:
        with get_client(sync_client=True) as client:
            return client.read_work_pool(pool).type
    except ObjectNotFound:
        raise ConfigurationError(
            f"Prefect has no work pool {pool}", "make it with `python -m deployments.provision`"
        ) from None
    except httpx.HTTPStatusError as error:
        if (refused := refusal(error)) is None:
            return None
        raise ConfigurationError(f"Prefect {refused}", "set it to the server's") from None
    except httpx.HTTPError:
        return None


def _tell_shortcomings() -> None:
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        for problem, remedy in shortcomings(client):
            get_logger("outreach.worker").warning("%s To change that, %s.", problem, remedy)


async def _watched() -> None:
    """A call that lets no other thread run, or a hanging lease thread, ends this process.

    Its supervisor starts it anew.
    """
    while True:
        if not leases().is_silent:
            watch(SILENT_SECONDS)
        await asyncio.sleep(WATCH_SECONDS)


def _leave(*, starts_anew: bool) -> NoReturn:
    """End whatever the threads are doing. A fresh start keeps the process id for its supervisor."""
    watch_no_longer()
    hand_over(HAND_OVER_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    if starts_anew:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    os._exit(0)
