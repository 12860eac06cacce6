"""Which failures Prefect retries: those that pass, where it is certain that nothing left."""

from typing import Any

from prefect import runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from outreach.errors import TemporarilyUnavailable

RETRIES = 3


def passing(task: Any, task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's
    return isinstance(state.data, TemporarilyUnavailable)


def is_last_try() -> bool:
    """Whether a failure of the running task is final: Prefect has retried it often enough."""
    return (runtime.task_run.run_count or 1) > RETRIES


PHASE: dict[str, Any] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(1),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": passing,
    # Tasks here act on the world: the result of an earlier call must never stand in for a new one,
    # and what they hand on (addresses, templates) is nobody's to read from a disk.
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""How every task of a campaign's run is declared."""
