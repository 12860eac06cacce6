"""Prefect's task runner for sends: they run at their time, in the sender threads of the process."""

from collections.abc import Iterable
from contextvars import copy_context
from functools import cache, partial
from typing import Any
from uuid import uuid4

from prefect import Task
from prefect.client.schemas.objects import RunInput
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.task_engine import run_task_sync
from prefect.task_runners import TaskRunner

from outreach.errors import ConfigurationError
from outreach.wiring import current_settings
from tasks.senders import Queue, Senders
from tasks.token import RunToken, current_token
from tasks.told_once import run_told_once


class SenderThreads(TaskRunner[PrefectConcurrentFuture[Any]]):
    """A queue of this run's own; as many of its sends at once as SEND_CONCURRENCY says."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._queue: Queue | None = None
        self._token: RunToken | None = None

    def duplicate(self) -> "SenderThreads":
        return type(self)()

    def submit(
        self,
        task: "Task[..., Any]",
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> PrefectConcurrentFuture[Any]:
        """Run the task at the time of its parameter `group`."""
        if self._queue is None:
            self._queue = senders().open(_at_once())
            self._token = current_token()
            self._token.when_stopped(partial(senders().drop, self._queue))
        group, task_run = parameters["group"], uuid4()
        run = partial(
            copy_context().run,
            run_told_once if len(group.claims) == 1 else run_task_sync,
            task=task,
            task_run_id=task_run,
            parameters=parameters,
            wait_for=wait_for,
            return_type="state",
            dependencies=dependencies,
        )
        future = senders().submit(self._queue, group.due, run)
        return PrefectConcurrentFuture(task_run_id=task_run, wrapped_future=future)

    def __exit__(self, *error: object) -> None:
        """Wait for the sends that have begun."""
        if self._queue is not None and self._token is not None:
            senders().close(self._queue, self._token.in_flight_seconds)
        super().__exit__(*error)


@cache
def senders() -> Senders:
    """Of this process."""
    return Senders()


def _at_once() -> int:
    try:
        return current_settings().send_concurrency
    except ConfigurationError:
        return 1  # the run's first task reports the error
