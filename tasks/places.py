"""Places for runs in Prefect: a work pool, a queue or a deployment that is paused or limited."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkPool, WorkQueue
from prefect.exceptions import ObjectNotFound

NO_SLOT = "AwaitingConcurrencySlot"
"""Prefect's state of a run that its deployment's limit holds."""


def is_open(place: WorkPool | WorkQueue) -> bool:
    """Whether runs leave it at once, however many."""
    return not place.is_paused and place.concurrency_limit is None


def waits_for_place(flow_run: UUID) -> bool:
    """Whether no worker may take the run until a person opens its place, or others have ended.

    Raises httpx.HTTPError.
    """
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(flow_run)
            if run.state is None or not run.state.is_scheduled():
                return False
            places: list[WorkPool | WorkQueue] = []
            if run.work_pool_name is not None:
                places.append(client.read_work_pool(run.work_pool_name))
            if run.work_queue_id is not None:
                places.append(client.read_work_queue(run.work_queue_id))
        except ObjectNotFound:
            return False
    return run.state.name == NO_SLOT or not all(map(is_open, places))
