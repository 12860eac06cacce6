"""Runs of our flows as threads of this process, from their first line to their last state."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow
from prefect.logging.loggers import flow_run_logger
from prefect.states import Cancelled, Crashed

from flows.dispatch_campaigns import dispatch_campaigns
from flows.read_mailboxes import read_mailboxes
from flows.send_campaign import send_campaign
from tasks.token import Order, RunToken, give

FLOWS: dict[str, Flow[..., Any]] = {
    f"flows.{flow.fn.__name__}.{flow.fn.__name__}": flow
    for flow in (send_campaign, dispatch_campaigns, read_mailboxes)
}
"""By module entrypoint. Other code is not run: it could end or block this process for all."""


AWAY = "Prefect's server did not answer at the end of this run ({})."
UNEXPECTED = "It ended unexpectedly ({})."


class Hosted:
    """One flow run in this process."""

    def __init__(self, flow_run: FlowRun, flow: Flow[..., Any]) -> None:
        self.flow_run = flow_run
        self.flow = flow
        self.token = RunToken(flow_run.id, hosted=True)
        self.ended = asyncio.Event()
        self.thread: threading.Thread | None = None
        self.again = False
        """It was polled for again before it had ended."""


@dataclass
class Untold:
    """The final state of a run, which Prefect's server did not take yet."""

    run: UUID
    state: State[Any]
    not_found: int = 0
    """Answers that there is no such run."""


class Runs:
    """The flow runs of this process. They outlive a worker loop that lost Prefect's server."""

    def __init__(self, context: Context) -> None:
        """`context`: each run gets a copy of it; it holds one HTTP client for all."""
        self._context = context
        self._runs: dict[UUID, Hosted] = {}
        self.untold: list[Untold] = []

        self.when_free: Callable[[], None] = lambda: None
        """Called when a run has ended that waits again, or that left a place to another."""
        self.when_ended: Callable[[], None] = lambda: None
        """Called when any run has ended."""
        self.held_back = False
        """A run waits for a place."""

    def __len__(self) -> int:
        return len(self._runs)

    def ids(self) -> list[UUID]:
        return list(self._runs)

    def find(self, run: UUID) -> Hosted | None:
        return self._runs.get(run)

    @property
    def campaigns(self) -> int:
        """The runs that send a campaign."""
        return sum(hosted.flow is send_campaign for hosted in list(self._runs.values()))

    @staticmethod
    def flow_of(entrypoint: str | None) -> Flow[..., Any] | None:
        """Our flow at a deployment's entrypoint, such as `flows/send_campaign.py:send_campaign`."""
        path = (entrypoint or "").removeprefix("./").replace(".py:", ".")
        return FLOWS.get(path.replace("/", ".").replace(":", "."))

    def begin(self, flow_run: FlowRun, flow: Flow[..., Any]) -> Hosted:
        """Start it in a thread; a run that is here already goes on as it is."""
        if (running := self._runs.get(flow_run.id)) is not None:
            return running
        hosted = self._runs[flow_run.id] = Hosted(flow_run, flow)
        loop = asyncio.get_running_loop()
        hosted.thread = threading.Thread(
            target=self._context.copy().run,
            args=(self._run, hosted, loop),
            name=f"run {flow_run.name}",
            daemon=True,  # one that never returns must not keep the process
        )
        try:
            hosted.thread.start()
        except RuntimeError:  # no more threads: it would keep its place for good
            del self._runs[flow_run.id]
            raise
        return hosted

    def tell(self, order: Order) -> None:
        for hosted in list(self._runs.values()):
            hosted.token.tell(order)

    def abandon(self, run: UUID) -> None:
        """Forget a run whose thread does not come back."""
        if (hosted := self._runs.pop(run, None)) is not None:
            hosted.ended.set()

    async def wait(self, seconds: float) -> bool:
        """Until all have ended; False when that takes longer."""
        ending = [asyncio.ensure_future(one.ended.wait()) for one in self._runs.values()]
        if not ending:
            return True
        _, pending = await asyncio.wait(ending, timeout=seconds)
        for one in pending:
            one.cancel()
        return not pending

    def _run(self, hosted: Hosted, loop: asyncio.AbstractEventLoop) -> None:
        try:
            _execute(hosted, self._keep)
        finally:
            with suppress(RuntimeError):  # the loop is gone: the process ends
                loop.call_soon_threadsafe(self._over, hosted)

    def _over(self, hosted: Hosted) -> None:
        if self._runs.get(hosted.flow_run.id) is hosted:
            del self._runs[hosted.flow_run.id]
        hosted.ended.set()
        self.when_ended()
        if hosted.again or self.held_back:
            self.held_back = False
            self.when_free()

    def _keep(self, run: UUID, state: State[Any]) -> None:
        self.untold.append(Untold(run, state))


def _execute(hosted: Hosted, keep: Callable[[UUID, State[Any]], None]) -> None:
    """Run the flow, and keep its last state for later when Prefect's server is away at its end."""
    give(hosted.token)
    try:
        _run_flow(hosted)
    except httpx.HTTPError as error:
        crashed: State[Any] = Crashed(message=AWAY.format(type(error).__name__))
        keep(hosted.flow_run.id, hosted.token.ending or crashed)


def _run_flow(hosted: Hosted) -> None:
    """By Prefect's engine, which runs its hooks and sets its states. Raises httpx.HTTPError."""
    run, flow, token = hosted.flow_run, hosted.flow, hosted.token
    # A run with a deployment gets a thread, an event loop, a client and a websocket of its own, to
    # hear of a suspension: here the worker tells its token.
    engines = run.model_copy(update={"deployment_id": None})
    try:
        run_flow(flow, flow_run=engines, return_type="state")
    except Pause:
        pass  # it stays as the person set it
    except Abort:
        if token.order is Order.CANCEL:
            token.ending = Cancelled(message="Flow run was cancelled.")
            _cancel(hosted, token.ending)
    except httpx.HTTPError:
        raise
    except BaseException as error:  # noqa: BLE001 - one run ends no other
        flow_run_logger(run, flow).error("It ended unexpectedly (%s)", type(error).__name__)
        _crash(hosted, Crashed(message=UNEXPECTED.format(type(error).__name__)))


def _cancel(hosted: Hosted, cancelled: State[Any]) -> None:
    """End a run that a person cancelled, as Prefect does for a process of its own."""
    _call(hosted.flow.on_cancellation_hooks, hosted, cancelled)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(hosted.flow_run.id, cancelled, force=True)


def _crash(hosted: Hosted, crashed: State[Any]) -> None:
    """End a run whose state the engine has not set, such as one with unknown parameters."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(hosted.flow_run.id)
        if run.state is not None and run.state.is_final():
            return
        client.set_flow_run_state(run.id, crashed, force=True)
        _call(hosted.flow.on_crashed_hooks, hosted, crashed)


def _call(hooks: list[Any], hosted: Hosted, state: State[Any]) -> None:
    for hook in hooks:
        try:
            hook(hosted.flow, hosted.flow_run, state)
        except Exception as error:  # noqa: BLE001 - the next hook runs, as in Prefect's engine
            flow_run_logger(hosted.flow_run, hosted.flow).error(
                "The hook %s failed (%s)", getattr(hook, "__name__", hook), type(error).__name__
            )
