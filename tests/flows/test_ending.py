"""What a process gives Prefect's server before it ends."""

import asyncio
import time
from uuid import uuid4

import httpx
from prefect.events import emit_event

from tasks.ending import hand_over
from tests.flows.conftest import HAND_OVER_SECONDS

EVENT = "outreach.test.handed-over"
EVENTS = 20


def test_events_are_handed_over_also_where_an_event_loop_runs(prefect_api: str) -> None:
    """There Prefect would give a coroutine, and hand over nothing."""
    resource = f"outreach.test.{uuid4()}"

    async def emitted() -> None:
        for _ in range(EVENTS):
            emit_event(EVENT, resource={"prefect.resource.id": resource})
        hand_over(HAND_OVER_SECONDS)
        hand_over(HAND_OVER_SECONDS)  # with nothing left

    asyncio.run(emitted())

    assert kept(prefect_api, resource) == EVENTS


def kept(api: str, resource: str) -> int:
    """The count of the resource's events that the server has; it writes them in batches."""
    chosen = {"resource": {"id": [resource]}, "event": {"name": [EVENT]}}
    deadline = time.monotonic() + 30
    count = 0
    while count < EVENTS and time.monotonic() < deadline:
        count = httpx.post(f"{api}/events/filter", json={"filter": chosen}).json()["total"]
        time.sleep(0.1)
    return count
