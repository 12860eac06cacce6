"""Prefect's task runner for sends: they run at their time, in the sender threads of the process."""

from collections.abc import Iterable
from contextvars import copy_context
from functools import cache, partial
from typing import Any
from uuid import UUID, uuid4

from prefect import Task, runtime
from prefect.client.schemas.objects import (
    RunInput,
    State,
    StateDetails,
    TaskRun,
    TaskRunPolicy,
)
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.states import Pending
from prefect.task_engine import run_task_sync
from prefect.task_runners import TaskRunner

from outreach.errors import ConfigurationError
from outreach.wiring import current_settings
from tasks.senders import Queue, Senders
from tasks.token import RunToken, current_token


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
        task_run = pending(task, dependencies)
        run = partial(
            copy_context().run,
            run_task_sync,
            task=task,
            task_run=task_run,
            parameters=parameters,
            wait_for=wait_for,
            return_type="state",
        )
        future = senders().submit(self._queue, parameters["group"].due, run)
        return PrefectConcurrentFuture(task_run_id=task_run.id, wrapped_future=future)

    def __exit__(self, *error: object) -> None:
        """Wait for the sends that have begun."""
        if self._queue is not None and self._token is not None:
            senders().close(self._queue, self._token.in_flight_seconds)
        super().__exit__(*error)


def pending(task: "Task[..., Any]", inputs: dict[str, set[RunInput]] | None) -> TaskRun:
    """A task run of this flow run, as Prefect's engine makes it, but without telling its server.

    The server hears of it when it is Running: a third of what a task run costs the server.
    """
    task_run, flow_run = uuid4(), UUID(str(runtime.flow_run.id))
    state: State[Any] = Pending(
        state_details=StateDetails(task_run_id=task_run, flow_run_id=flow_run)
    )
    return TaskRun(
        id=task_run,
        name=f"{task.name}-{task_run.hex[:3]}",
        flow_run_id=flow_run,
        task_key=task.task_key,
        dynamic_key=str(task_run),
        task_version=task.version,
        empirical_policy=TaskRunPolicy(
            retries=task.retries,
            retry_delay=task.retry_delay_seconds,
            retry_jitter_factor=task.retry_jitter_factor,
        ),
        task_inputs=inputs or {},
        expected_start_time=state.timestamp,
        state=state,
        state_id=state.id,
        state_type=state.type,
        state_name=state.name,
    )


@cache
def senders() -> Senders:
    """Of this process."""
    return Senders()


def _at_once() -> int:
    try:
        return current_settings().send_concurrency
    except ConfigurationError:
        return 1  # the run's first task reports the error
