"""Listens to Prefect's events for a worker: people's orders for its runs, and new runs."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.events import emit_event
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter
from prefect.exceptions import ObjectNotFound
from prefect.logging.loggers import get_logger

from deployments.worker.hosted import Runs
from tasks.orders import order_of
from tasks.run_filters import PAGE
from tasks.token import Order

if TYPE_CHECKING:
    from deployments.worker.worker import CampaignWorker

KIND = "prefect.flow-run."
NEW = {KIND + name for name in ("Scheduled", "AwaitingRetry", "Resuming", "GivenBack", "Late")}
"""States in which a run waits for a worker."""
ORDERS = {
    KIND + name
    for name in ("Cancelling", "Cancelled", "Suspended", "Paused", "Failed", "Completed")
}
LOOK_SECONDS = 15.0
"""Seconds between two looks at the runs' states: events can be lost."""
AGAIN_SECONDS = 2.0
BEAT_SECONDS = 30.0
MOST_NOT_FOUND = 240
"""An hour of looks for a run that Prefect's server does not know."""
MOST_MISSED = 4
"""Looks in a row at which a run that goes on here is not there: then somebody deleted it."""


class Listening:
    """Tells the tokens of the runs, and polls at once when there is a new run."""

    def __init__(self, worker: "CampaignWorker", runs: Runs) -> None:
        self._worker = worker
        self._runs = runs
        self._poll = anyio.Event()
        runs.when_free = self._ask
        self._subscribed = anyio.CancelScope()
        self._missed: Counter[UUID] = Counter()

    def subscribe_anew(self) -> None:
        """The pool was made anew: its events name another id."""
        self._subscribed.cancel()

    async def listen(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._subscribe)
            group.start_soon(self._poll_at_once)
            group.start_soon(self._repeat, LOOK_SECONDS, self.look)
            group.start_soon(self._repeat, LOOK_SECONDS, self._tell)
            group.start_soon(self._repeat, BEAT_SECONDS, self._beat)

    async def look(self) -> None:
        """Read the states of all runs here, and pass on what people ordered."""
        ids = self._runs.ids()
        found: set[UUID] = set()
        for at in range(0, len(ids), PAGE):
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=ids[at : at + PAGE]))
            for run in await self._worker.client.read_flow_runs(flow_run_filter=chosen, limit=PAGE):
                found.add(run.id)
                hosted = self._runs.find(run.id)
                if hosted is not None and (order := order_of(run.state)) is not None:
                    hosted.token.tell(order, run.state_name or "")
        self._stop_deleted(set(ids) - found)

    def _stop_deleted(self, missing: set[UUID]) -> None:
        """Give back campaigns whose run Prefect does not have any more: another run goes on.

        Its task runs could not be recorded, and with them those of other runs would be lost:
        Prefect records a batch of them as a whole.
        """
        self._missed = Counter({run: self._missed[run] + 1 for run in missing})
        for run, times in self._missed.items():
            hosted = self._runs.find(run)
            if times == MOST_MISSED and hosted is not None:
                get_logger("outreach.worker").warning(
                    "Prefect has no run %s any more: its campaign is given back", run
                )
                hosted.token.tell(Order.STOP)

    async def _subscribe(self) -> None:
        while True:
            try:
                await self._worker.ready.wait()
                with anyio.CancelScope() as self._subscribed:
                    await self._hear(f"prefect.work-pool.{self._worker.work_pool.id}")
            except Exception as error:  # noqa: BLE001 - it goes on after any error of the server
                get_logger("outreach.worker").warning(
                    "Prefect's events are not heard for now (%s): new runs and orders take up to "
                    "%.0f s",
                    type(error).__name__,
                    LOOK_SECONDS,
                )
                await anyio.sleep(AGAIN_SECONDS)

    def _ask(self) -> None:
        self._poll.set()

    async def _hear(self, pool: str) -> None:
        chosen = EventFilter(
            event=EventNameFilter(name=sorted(NEW | ORDERS)),
            any_resource=EventAnyResourceFilter(id=[pool]),
        )
        async with get_events_subscriber(filter=chosen) as events:
            self._poll.set()  # for those made while nobody listened
            async for event in events:
                if event.event in NEW:
                    self._poll.set()
                elif UUID(event.resource.id.removeprefix(KIND)) in self._runs.ids():
                    await self.look()

    async def _poll_at_once(self) -> None:
        """One poll for all that came meanwhile, never two at a time."""
        while True:
            await self._poll.wait()
            self._poll = anyio.Event()
            try:
                await self._worker.get_and_submit_flow_runs()
            except Exception:  # noqa: BLE001 - the worker's own poll tells it
                await anyio.sleep(AGAIN_SECONDS)

    async def _repeat(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await anyio.sleep(seconds)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the next round does it
                get_logger("outreach.worker").warning(
                    "Prefect's server did not answer (%s)", type(error).__name__
                )

    async def _tell(self) -> None:
        """Set the last states of runs that ended while Prefect's server was away."""
        client = self._worker.client
        for untold in list(self._runs.untold):
            try:
                found = (await client.read_flow_run(untold.run)).state
                if found is None or not found.is_final():  # a person may have decided meanwhile
                    await client.set_flow_run_state(untold.run, untold.state, force=True)
            except ObjectNotFound:
                # Deleted, or something else answers at the server's address while it is away.
                untold.not_found += 1
                if untold.not_found < MOST_NOT_FOUND:
                    continue
            self._runs.untold.remove(untold)

    async def _beat(self) -> None:
        """For Prefect's automations on silent runs: one round for all, not a thread a run."""
        for run in self._runs.ids():
            emit_event(f"{KIND}heartbeat", resource={"prefect.resource.id": f"{KIND}{run}"})
