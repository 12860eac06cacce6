"""Ends the processes of runs that are over for Prefect, if they do not end by themselves.

A call that lets no other thread of its process run keeps that process from hearing of a
cancellation, and Prefect's runner waits for thirty seconds: so long it would hold a place.
"""

import asyncio
from contextlib import suppress

import psutil
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.logging import get_logger

OVER = ["prefect.flow-run.Cancelling", "prefect.flow-run.Crashed"]
"""Cancelled by a person; or taken for dead by the dispatcher."""
GRACE_SECONDS = 3.5
"""A run that can hear of it ends itself sooner: tasks/ending.py."""
AGAIN_SECONDS = 5.0
KIND = "prefect.flow-run."


async def reap() -> None:
    """Until it is cancelled. A server that is away is asked again."""
    chosen = EventFilter(event=EventNameFilter(name=OVER))
    ending: set[asyncio.Task[None]] = set()
    while True:
        try:
            async with get_events_subscriber(filter=chosen) as events:
                async for event in events:
                    doomed = processes_of(event.resource.id.removeprefix(KIND))
                    task = asyncio.create_task(_end(doomed))
                    ending.add(task)
                    task.add_done_callback(ending.discard)
        except Exception as error:  # noqa: BLE001 - it goes on, whatever its server does
            get_logger("outreach.reaping").warning(
                "Runs that are over are not watched for now (%s)", type(error).__name__
            )
        await asyncio.sleep(AGAIN_SECONDS)


def processes_of(flow_run: str) -> list[psutil.Process]:
    """Of our own children, as they are now: a run that is tried again has others."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.environ().get("PREFECT__FLOW_RUN_ID") == flow_run:
                found.append(child)
    return found


async def _end(processes: list[psutil.Process]) -> None:
    await asyncio.sleep(GRACE_SECONDS)
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
