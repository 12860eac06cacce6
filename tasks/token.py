"""A run's token carries orders from outside into the run.

Its threads look at it before each mail, and sleep on it between two mails: an order acts at once.
A worker tells the tokens of its runs. A run in a process of its own is told by signals, and by the
states that it reads (tasks/stopping.py, tasks/orders.py).
"""

import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.client.schemas.objects import State
from prefect.exceptions import Abort, Pause


class Order(IntEnum):
    """What a run is told; a higher one replaces a lower one."""

    STOP = 1
    """Its process ends: record the mails in flight, and give the campaign back."""
    HOLD = 2
    """A person suspended or paused it in Prefect."""
    END = 3
    """A person set it to Failed or Completed in Prefect."""
    CANCEL = 4
    """A person cancelled it in Prefect."""


IN_FLIGHT_SECONDS = {None: 2.0, Order.STOP: 25.0, Order.CANCEL: 2.0}
"""Seconds that a hosted run waits for its mails in flight; without limit where a person holds it.

None: the campaign is no longer its own. Later their threads record them; they are written ahead."""


class StopRequest(Exception):
    """The run was told to stop."""


class RunToken:
    """Whether a run goes on."""

    def __init__(self, run: UUID, *, hosted: bool = False) -> None:
        """`run`: the flow run; `hosted`: in the process of a worker, among other runs."""
        self.run = run
        self.hosted = hosted
        self._order: Order | None = None
        self._state = ""
        self._stopped_at = math.inf
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._finishing = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self.ending: State[Any] | None = None
        """The flow's last state, once it is known: the worker sets it if the server was away."""

    def stop(self) -> None:
        """Send nothing more; wakes up all waiting threads."""
        with self._lock:
            if not self._stopped.is_set():
                self._stopped_at = time.monotonic()
            self._stopped.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def when_stopped(self, callback: Callable[[], None]) -> None:
        """Call it once, by the thread that stops the run."""
        with self._lock:
            if not self._stopped.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def tell(self, order: Order, state: str = "") -> None:
        """`state`: the name of the state that the person set."""
        with self._lock:
            if self._order is None or order > self._order:
                self._order, self._state = order, state
        self.stop()

    @property
    def order(self) -> Order | None:
        return self._order

    @property
    def state(self) -> str:
        return self._state

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep; True as soon as the run is stopped."""
        return self._stopped.wait(seconds)

    @property
    def in_flight_seconds(self) -> float:
        """Seconds that the run waits yet for its mails in flight."""
        if not self.hosted or not self.stopped:
            return math.inf
        allowed = IN_FLIGHT_SECONDS.get(self._order, math.inf)
        return max(0.0, self._stopped_at + allowed - time.monotonic())

    def finish(self) -> None:
        """All sends of the run have returned: the rest has time-outs of its own."""
        self._finishing.set()

    @property
    def finishing(self) -> bool:
        return self._finishing.is_set()

    def obey(self) -> None:
        """End the flow as it was told. Never in a task: its run would stay Running for good.

        Raises StopRequest, Prefect's Pause, or its Abort for a cancellation.
        """
        match self._order:
            case Order.STOP:
                raise StopRequest
            case Order.HOLD:
                raise Pause(f"It was set to {self._state} in Prefect.")
            case Order.CANCEL:
                raise Abort(f"It was set to {self._state} in Prefect.")


_token: ContextVar[RunToken | None] = ContextVar("token", default=None)


def give(token: RunToken) -> None:
    """Make it the token of the run in this context, and in copies of the context."""
    _token.set(token)


def current_token() -> RunToken:
    """Of this flow run."""
    return token_of(UUID(str(runtime.flow_run.id)))


def token_of(run: UUID) -> RunToken:
    """The run's token. A run in a process of its own makes it when it is first asked for."""
    token = _token.get()
    if token is None or token.run != run:
        give(token := RunToken(run))
    return token


def is_hosted() -> bool:
    """Whether this run is one among others in the process of a worker."""
    token = _token.get()
    return token is not None and token.hosted
