"""Ends processes of runs that Prefect has ended, if they do not end on their own.

A call that blocks all other threads of its process keeps that process from noticing a cancellation,
and Prefect's runner waits for thirty seconds: for so long it would hold a place.
"""

import asyncio
from contextlib import suppress

import psutil
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.logging import get_logger

OVER = ["prefect.flow-run.Cancelling", "prefect.flow-run.Crashed"]
"""Cancelled by a person; or marked dead by the dispatcher."""
GRACE_SECONDS = 3.5
"""Seconds. A run that notices it ends itself sooner: tasks/ending.py."""
AGAIN_SECONDS = 5.0
KIND = "prefect.flow-run."


async def reap() -> None:
    """Run until cancelled. Reconnects when the server was away."""
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
        except Exception as error:  # noqa: BLE001 - it goes on after any error of the server
            get_logger("outreach.reaping").warning(
                "Runs that are over are not watched for now (%s)", type(error).__name__
            )
        await asyncio.sleep(AGAIN_SECONDS)


def processes_of(flow_run: str) -> list[psutil.Process]:
    """The flow run's processes among our own children now: a retried run has others."""
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
