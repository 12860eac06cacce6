"""Task runs of single mails, of which Prefect's server hears when they are over.

Prefect tells each state of a task run by an event, which costs the sender and the server a
millisecond. A mail is under way for a second, which nobody watches, and where its process dies the
server has no task run that stays Running. From a first retry on all is told, since that may last. A
group's task run may take an hour: it is Prefect's own way that runs it.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal
from uuid import UUID

from prefect import Task, runtime
from prefect._flow_run_suspension import raise_if_flow_run_suspension_requested
from prefect.client.schemas.objects import RunInput, State, StateDetails, TaskRun, TaskRunPolicy
from prefect.futures import PrefectFuture
from prefect.results import ResultRecord, ResultRecordMetadata  # type: ignore[attr-defined]
from prefect.serializers import PickleSerializer
from prefect.states import Running
from prefect.task_engine import SyncTaskRunEngine
from prefect.transactions import Transaction

from tasks.run import flow_run_id

_NO_RESULT: Final = ResultRecord[None](
    result=None,
    metadata=ResultRecordMetadata(serializer=PickleSerializer(), storage_key="none"),
)
"""Of all that complete: Prefect makes each its own, and asks the file system where it would be."""


class _Engine(SyncTaskRunEngine[Any, Any]):
    def begin_run(self) -> None:
        """Its task run is Running since it was made."""

    def handle_success(self, result: State[Any], transaction: Transaction) -> Any:
        if not result.is_failed():
            result.data = _NO_RESULT
        return super().handle_success(result, transaction)


def run_told_once(
    *,
    task: "Task[..., Any]",
    task_run_id: UUID,
    parameters: dict[str, Any],
    wait_for: Iterable[PrefectFuture[Any]] | None,
    return_type: Literal["state"],  # noqa: ARG001 - as run_task_sync has it
    dependencies: dict[str, set[RunInput]] | None,
) -> State[Any]:
    """`prefect.task_engine.run_task_sync`, but nothing is told before a retry or the end.

    For a task that returns a state without data, and has no assets, tags and hooks for Running.
    """
    engine = _Engine(
        task=task,
        parameters=parameters,
        task_run=_running(task, task_run_id, dependencies),
        wait_for=wait_for,
    )
    with engine.start():
        while engine.is_running():
            engine.wait_until_ready()
            with engine.run_context(), engine.transaction_context() as transaction:
                engine.call_task_fn(transaction)
            raise_if_flow_run_suspension_requested()
    return engine.state


def _running(
    task: "Task[..., Any]", task_run: UUID, inputs: dict[str, set[RunInput]] | None
) -> TaskRun:
    """A task run of this flow run, as Prefect's engine makes one and then begins it."""
    flow_run = flow_run_id()
    state: State[Any] = Running(
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
        start_time=state.timestamp,
        run_count=1,
        flow_run_run_count=runtime.flow_run.run_count,
        state=state,
        state_id=state.id,
        state_type=state.type,
        state_name=state.name,
    )
