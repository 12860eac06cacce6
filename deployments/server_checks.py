"""What a Prefect server lacks for many campaigns in one process: what `doctor` and workers tell."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.clients import get_events_subscriber

from deployments.server import LEASE_STORAGE, SETTINGS

EVENTS_SECONDS = 10.0
CLOSING_SECONDS = 0.1
"""For the sockets of an attempt that was given up: the loop that closes them ends after it."""
REFUSED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


def refusal(error: Exception | None) -> str | None:
    """How Prefect has turned our credentials down, as in "Prefect …"; None for any other error."""
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in REFUSED:
        status = int(error.response.status_code)
        return f"refuses PREFECT_API_AUTH_STRING or PREFECT_API_KEY (HTTP {status})"
    return None


def shortcomings(client: SyncPrefectClient) -> Iterator[tuple[str, str]]:
    """Each with its remedy."""
    if _has_leases_in_memory(client):
        problem = (
            "Prefect's server keeps leases in its memory: a restart loses them, and the slots of "
            "gmail-send that they have can stay taken."
        )
        yield problem, f"set {LEASE_STORAGE}={SETTINGS[LEASE_STORAGE]} where it runs"
    try:
        asyncio.run(_hear())
    except Exception as error:  # noqa: BLE001 - whatever is between us and the server
        problem = (
            f"Prefect's events are not heard ({type(error).__name__}): a new run waits for the "
            "worker's next poll, and a cancellation takes up to 15 s."
        )
        yield problem, "let websockets through to PREFECT_API_URL"


def _has_leases_in_memory(client: SyncPrefectClient) -> bool:
    """False where the server does not tell, as Prefect Cloud."""
    try:
        told = client.request("GET", "/admin/settings").json()
    except httpx.HTTPStatusError:
        return False
    storage = told.get("server", {}).get("concurrency", {}).get("lease_storage", "")
    return str(storage).endswith(".memory")


async def _hear() -> None:
    try:
        async with AsyncExitStack() as subscribed:
            # Not the leaving: what ends it early leaves the socket open.
            async with asyncio.timeout(EVENTS_SECONDS):
                await subscribed.enter_async_context(get_events_subscriber(reconnection_attempts=0))
    finally:
        await asyncio.sleep(CLOSING_SECONDS)
