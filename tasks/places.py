"""Places for runs in Prefect: a work pool, a queue or a deployment that is paused or limited."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkPool, WorkQueue
from prefect.exceptions import ObjectNotFound

Key = TypeVar("Key", str, UUID)
NO_SLOT = "AwaitingConcurrencySlot"
"""Prefect's state of a run that its deployment's limit holds."""


def is_open(place: WorkPool | WorkQueue) -> bool:
    """Whether runs leave it at once, however many."""
    return not place.is_paused and place.concurrency_limit is None


class Places:
    """The work pools and queues of one round, each read once."""

    def __init__(self) -> None:
        self._are_open: dict[str | UUID, bool] = {}

    def waits(self, flow_run: UUID) -> bool:
        """Whether no worker may take the run until a person opens its place, or others end.

        Raises httpx.HTTPError.
        """
        with get_client(sync_client=True) as client:
            try:
                run = client.read_flow_run(flow_run)
                if run.state is None or not run.state.is_scheduled():
                    return False
                return run.state.name == NO_SLOT or not (
                    self._is_open(run.work_pool_name, client.read_work_pool)
                    and self._is_open(run.work_queue_id, client.read_work_queue)
                )
            except ObjectNotFound:
                return False

    def _is_open(self, key: Key | None, read: Callable[[Key], WorkPool | WorkQueue]) -> bool:
        if key is None:
            return True
        if key not in self._are_open:
            self._are_open[key] = is_open(read(key))
        return self._are_open[key]
