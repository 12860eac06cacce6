"""A Prefect server on SQLite takes all that is asked at the same time."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS, temporary_settings
from sqlalchemy import text

from deployments.sqlite_writes import Queueing
from deployments.temporary_server import launched

ASKED = 120
AT_ONCE = 8


def test_slots_asked_for_at_once_are_given(tmp_path: Path) -> None:
    """Prefect's own way answers 503 to some, and its clients wait for seconds."""
    with (
        temporary_settings({PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120}),
        launched(
            {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        ) as server,
        httpx.Client(base_url=server.api, trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        server.wait()
        limit = {"name": "wide", "limit": ASKED}
        client.post("/v2/concurrency_limits/", json=limit).raise_for_status()

        def take(_: int) -> int:
            wanted = {"slots": 1, "names": ["wide"]}
            return client.post(
                "/v2/concurrency_limits/increment-with-lease", json=wanted
            ).status_code

        answers = Counter(threads.map(take, range(ASKED)))
        active = client.get("/v2/concurrency_limits/wide").json()["active_slots"]
    assert answers == {httpx.codes.OK: ASKED}
    assert active == ASKED


def test_a_read_inside_a_transaction_does_not_wait_for_it(tmp_path: Path) -> None:
    """Prefect reads a queue's pool by another session while the queue's update is not over."""

    async def numbers() -> list[int]:
        config = Queueing(connection_url=f"sqlite+aiosqlite:///{tmp_path}/prefect.db")
        engine = await config.engine()
        found = []
        async with await config.session(engine) as writer, config.begin_transaction(writer):
            await writer.execute(text("create table queues (number integer)"))
        async with await config.session(engine) as writer, config.begin_transaction(writer):
            await writer.execute(text("insert into queues values (1)"))
            async with await config.session(engine) as reader:
                found.append(await reader.scalar(text("select count(*) from queues")))
        async with await config.session(engine) as reader:
            found.append(await reader.scalar(text("select count(*) from queues")))
        await engine.dispose()
        return [int(number) for number in found]

    assert asyncio.run(numbers()) == [0, 1]
