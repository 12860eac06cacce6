"""The worker's own dispatcher: starts campaigns as their rows become due.

Every worker starts what is due when it is woken: the database hands out each campaign once. The
repairs of each minute are one worker's at a time, by a lease. While the deployment
`dispatch-campaigns` is paused in Prefect it does nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import get_logger

from deployments.worker.diary import Diary
from outreach.deployment_names import DISPATCH, SEND
from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.metrics.sends import LAST_ROUND
from outreach.store.alarm import Alarm, Kind
from outreach.store.results import Due
from outreach.wiring import current
from tasks.boards import publish_digest, show_upcoming
from tasks.dispatch import (
    adopt_opens,
    end_pending,
    end_silent_rounds,
    follow_up,
    plan_steps,
    settle_all,
    start_due,
    sweep_cancelled,
    sweep_drafts,
    sweep_erasures,
    sweep_retention,
    sweep_suppressed,
    try_web_address,
)
from tasks.orders import end_cancelling, follow_suspended
from tasks.ownerless import Ownerless
from tasks.upcoming import name_upcoming

ROUND_SECONDS = 60.0
LEASE_SECONDS = 90.0
HOUR_SECONDS = 3600.0
LOOK_SECONDS = 1.0
"""Between two looks at whether to stop, or whether a place came free."""
HELD_SECONDS = 5.0
"""Until the next look when a campaign is due and cannot begin yet."""
REST_SECONDS = 30.0
"""Before the next run of a campaign whose last one died; twice that after two."""
AGAIN_SECONDS = 5.0
"""After an error of the database."""
LISTEN_AGAIN_SECONDS = 600.0
"""Until a dispatcher that polls tries to listen."""

Begin = Callable[[Due], UUID]
"""Begins a run of the campaign, or asks Prefect for one; returns its id."""

REPAIRS: tuple[Callable[[], object], ...] = (
    follow_up.fn,
    follow_suspended.fn,
    end_cancelling.fn,
    plan_steps.fn,
    end_pending.fn,
    settle_all.fn,
    sweep_cancelled.fn,
    sweep_suppressed.fn,
    sweep_erasures.fn,
    adopt_opens.fn,
    try_web_address.fn,
    name_upcoming.fn,
    show_upcoming.fn,
    publish_digest.fn,
)
HOURLY: tuple[Callable[[], object], ...] = (
    sweep_retention.fn,
    sweep_drafts.fn,
    end_silent_rounds.fn,
)


class Dispatcher:
    """Two threads of the worker's process: one starts campaigns, one repairs."""

    def __init__(self, name: str, begin: Begin) -> None:
        """`name`: the worker's, as people see it."""
        self._id = uuid4()
        self._name = name
        self._begin = begin
        self._log = get_logger("outreach.dispatcher")
        self._diary = Diary(self._id, name)
        self._ownerless = Ownerless()
        self._stopping = threading.Event()
        self._place_free = threading.Event()
        self._kind: Kind = "polls"
        self._done: dict[Callable[[], object], float] = {}
        """When each step of the repairs was done last."""
        self._listening = threading.Event()
        self._threads = [
            threading.Thread(target=copy_context().run, args=(work,), name=name, daemon=True)
            for name, work in (("dispatcher", self._dispatch), ("repairs", self._repair))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Start no campaign any more; waits at most `seconds` for what is under way."""
        self._stopping.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        with suppress(StoreUnavailable, ConfigurationError):
            current().store.leave_dispatch(self._id)

    def place_free(self) -> None:
        """A run has ended: a campaign that waits for a place may begin."""
        self._place_free.set()

    # --- starts -------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(current().store.alarm()) as alarm:
                    self._kind, rest = alarm.kind, 0.0
                    self._listening.set()
                    self._watch(alarm)
            except StoreUnavailable as error:
                self._log.warning("No campaign is started for now: %s", error)
                rest = AGAIN_SECONDS
            except ConfigurationError as error:
                self._log.error("No campaign is started: %s", error)
                rest = ROUND_SECONDS
            except Exception as error:  # noqa: BLE001 - the thread outlives any error
                self._log.error("No campaign is started for now (%s)", type(error).__name__)
                rest = AGAIN_SECONDS
            self._stopping.wait(rest)

    def _watch(self, alarm: Alarm) -> None:
        """Until it has to stop, or may listen again. Raises StoreUnavailable, SchemaMismatch."""
        store, again_at = current().store, time.monotonic() + LISTEN_AGAIN_SECONDS
        while not self._stopping.is_set():
            seconds = store.next_due()
            if seconds == 0:
                self._start_due()
                seconds = store.next_due()
            held = seconds == 0
            longest = HELD_SECONDS if held else ROUND_SECONDS
            self._wait(alarm, min(longest, seconds or longest), held=held)
            if alarm.kind == "polls" and time.monotonic() >= again_at:
                return

    def _wait(self, alarm: Alarm, seconds: float, *, held: bool) -> None:
        """`held`: a campaign is due and cannot begin, which polls would tell again at once."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            if self._place_free.is_set():
                break
            if held and alarm.kind == "polls":
                self._place_free.wait(min(left, LOOK_SECONDS))
            elif alarm.wait(min(left, LOOK_SECONDS)):
                break
        self._place_free.clear()

    def _start_due(self) -> None:
        """Raises SchemaMismatch where this release may not call the database's functions.

        And ConfigurationError where Prefect cannot run a campaign.
        """
        if not self._stopping.is_set() and self._is_on(to_start=True):
            current().store.compare_schema()
            start_due.fn(self._begins, REST_SECONDS)

    def _begins(self, campaign: Due) -> UUID:
        run = self._begin(campaign)
        self._diary.note(campaign, run)
        return run

    def _is_on(self, *, to_start: bool = False) -> bool:
        """Whether Prefect answers, and nobody paused the dispatcher there.

        `to_start` raises ConfigurationError where Prefect cannot run a campaign.
        """
        try:
            with get_client(sync_client=True) as client:
                with suppress(ObjectNotFound):
                    if client.read_deployment_by_name(DISPATCH).paused:
                        return False
                if to_start:
                    _require_deployment(client)
                return True
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - it comes back
            self._log.warning("Prefect's server did not answer (%s)", type(error).__name__)
            return False

    # --- repairs ------------------------------------------------------------------------

    def _repair(self) -> None:
        self._listening.wait(AGAIN_SECONDS)  # to say how it is woken
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                current().store.compare_schema()
                if self._leads() and self._is_on():
                    self._repaired((*REPAIRS, self._ownerless.end, *self._hourly(began)))
            except StoreUnavailable as error:
                self._log.warning("The minute's round is not whole: %s", error)
            except ConfigurationError as error:
                self._log.error("Nothing is repaired: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread outlives any error
                self._log.error("The minute's round failed (%s)", type(error).__name__)
            self._stopping.wait(max(LOOK_SECONDS, began + ROUND_SECONDS - time.monotonic()))

    def _leads(self) -> bool:
        store = current().store
        return store.lead_dispatch(self._id, self._name, self._kind, LEASE_SECONDS)

    def _hourly(self, now: float) -> Iterator[Callable[[], object]]:
        """Steps whose hour has passed at `now`, in seconds of the monotonic clock."""
        return (
            step for step in HOURLY if now - self._done.get(step, float("-inf")) >= HOUR_SECONDS
        )

    def _repaired(self, steps: tuple[Callable[[], object], ...]) -> None:
        """The round of a minute; one step's failure keeps no other from its turn.

        Raises StoreUnavailable after two such steps in a row: then it is no step's own.
        """
        failed: StoreUnavailable | None = None
        whole = True
        for step in steps:
            if self._stopping.is_set() or not self._leads():
                return
            try:
                step()
            except ConfigurationError:
                raise
            except StoreUnavailable as error:
                if failed:
                    raise
                failed, whole = error, False
                self._log.warning("A step of the round is put off: %s", error)
                continue
            except Exception as error:  # noqa: BLE001 - the next minute does it
                whole = False
                self._log.warning("A step of the round failed (%s)", type(error).__name__)
            failed = None
            # Now, not at the end: a long step may cost us the lead, and the next one its turn.
            self._done[step] = time.monotonic()
        if whole:
            LAST_ROUND.set_to_current_time()


def _require_deployment(client: SyncPrefectClient) -> None:
    try:
        client.read_deployment_by_name(SEND)
    except ObjectNotFound:
        raise ConfigurationError(
            f"Prefect has no deployment {SEND}", "make it with `prefect deploy --all`"
        ) from None
