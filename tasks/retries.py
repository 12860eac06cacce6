"""Decides which failures Prefect retries: transient ones, where certainly nothing left."""

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
    """Whether a failure of the running task is final, because Prefect has used up its retries."""
    return (runtime.task_run.run_count or 1) > RETRIES


PHASE: dict[str, Any] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(1),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": passing,
    # Tasks here have side effects: the result of an earlier call must never replace a new one, and
    # their results (addresses, templates) must not be readable on a disk.
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of every task of a campaign's run."""
