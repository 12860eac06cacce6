"""The worker's own dispatcher: starts campaigns as their rows become due.

Every worker starts what is due when it is woken: the database hands out each campaign once. The
repairs of each minute are one worker's at a time, by a lease. While the deployment
`dispatch-campaigns` is paused in Prefect it does nothing.
"""

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from contextvars import copy_context
from uuid import UUID, uuid4

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import get_logger

from deployments.worker.diary import Diary
from outreach.deployment_names import DISPATCH
from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store.alarm import Alarm
from outreach.store.results import Due
from outreach.wiring import current
from tasks.dispatch import (
    compare_schema,
    follow_up,
    settle_all,
    start_due,
    sweep_cancelled,
    sweep_drafts,
    sweep_suppressed,
    try_web_address,
)
from tasks.orders import end_cancelling, follow_suspended
from tasks.upcoming import name_upcoming

ROUND_SECONDS = 60.0
LEASE_SECONDS = 90.0
HOUR_SECONDS = 3600.0
LOOK_SECONDS = 1.0
"""Between two looks at whether to stop, or whether a place came free."""
HELD_SECONDS = 5.0
"""Until the next look when a campaign is due and cannot begin yet."""
AGAIN_SECONDS = 5.0
"""After an error of the database."""

Begin = Callable[[Due], UUID]
"""Begins a run of the campaign, or asks Prefect for one; returns its id. Raises httpx.HTTPError."""


class Dispatcher:
    """A thread of the worker's process."""

    def __init__(self, name: str, begin: Begin) -> None:
        """`name`: the worker's, as people see it."""
        self._id = uuid4()
        self._name = name
        self._begin = begin
        self._log = get_logger("outreach.dispatcher")
        self._diary = Diary(self._id, name)
        self._stopping = threading.Event()
        self._place_free = threading.Event()
        self._swept_at = time.monotonic() - HOUR_SECONDS
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._serve,), name="dispatcher", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Start no campaign any more; waits at most `seconds` for one that is being started."""
        self._stopping.set()
        self._thread.join(seconds)

    def place_free(self) -> None:
        """A run has ended: a campaign that waits for a place may begin."""
        self._place_free.set()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(current().store.alarm()) as alarm:
                    self._watch(alarm)
            except (StoreUnavailable, ConfigurationError) as error:
                self._log.warning("No campaign is started for now: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread outlives any error
                self._log.error("No campaign is started for now (%s)", type(error).__name__)
            self._stopping.wait(AGAIN_SECONDS)
        with suppress(StoreUnavailable):
            current().store.leave_dispatch(self._id)

    def _watch(self, alarm: Alarm) -> None:
        """Until it has to stop. Raises StoreUnavailable."""
        store, round_at = current().store, -math.inf
        while not self._stopping.is_set():
            if time.monotonic() >= round_at:
                round_at = time.monotonic() + ROUND_SECONDS
                if store.lead_dispatch(self._id, self._name, alarm.kind, LEASE_SECONDS):
                    self._repair()
            seconds = store.next_due()
            if seconds == 0:
                self._start_due()
                seconds = store.next_due() or HELD_SECONDS
            left = round_at - time.monotonic()
            self._wait(alarm, left if seconds is None else min(left, seconds))

    def _wait(self, alarm: Alarm, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            if alarm.wait(min(left, LOOK_SECONDS)) or self._place_free.is_set():
                self._place_free.clear()
                return

    def _start_due(self) -> None:
        if not self._stopping.is_set() and self._is_on():
            start_due.fn(self._begins)

    def _begins(self, campaign: Due) -> UUID:
        run = self._begin(campaign)
        self._diary.note(campaign, run)
        return run

    def _repair(self) -> None:
        """The round of a minute. One step's failure keeps no other from its turn."""
        if not self._is_on():
            return
        hourly = []
        if time.monotonic() - self._swept_at >= HOUR_SECONDS:
            self._swept_at, hourly = time.monotonic(), [sweep_drafts.fn]
        for step in (
            compare_schema.fn,
            follow_up.fn,
            follow_suspended.fn,
            end_cancelling.fn,
            self._start_due,
            settle_all.fn,
            sweep_cancelled.fn,
            sweep_suppressed.fn,
            *hourly,
            try_web_address.fn,
            name_upcoming.fn,
        ):
            try:
                step()
            except (StoreUnavailable, ConfigurationError) as error:
                self._log.warning("The minute's round is not whole: %s", error)
                return
            except Exception as error:  # noqa: BLE001 - the next minute does it
                self._log.warning("A step of the round failed (%s)", type(error).__name__)
            if self._stopping.is_set():
                return

    def _is_on(self) -> bool:
        """Whether Prefect answers, and nobody has paused the dispatcher there."""
        try:
            with get_client(sync_client=True) as client:
                return not client.read_deployment_by_name(DISPATCH).paused
        except ObjectNotFound:
            return True
        except Exception as error:  # noqa: BLE001 - it comes back
            self._log.warning("Prefect's server did not answer (%s)", type(error).__name__)
            return False
