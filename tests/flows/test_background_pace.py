"""What the server of this machine changes in Prefect's background worker."""

import asyncio
from datetime import timedelta

import pytest
from docket import Docket, Worker
from prefect.server.api import background_workers

from deployments.background_pace import LOOK, look_each_second


def test_prefects_background_worker_looks_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_workers, "Worker", Worker)
    looks: list[tuple[timedelta, timedelta]] = []

    async def run_forever(worker: Worker) -> None:
        looks.append((worker.scheduling_resolution, worker.minimum_check_interval))

    monkeypatch.setattr(Worker, "run_forever", run_forever)

    async def serve() -> None:
        async with (
            Docket("background-pace", "memory://background-pace") as docket,
            background_workers.background_worker(docket, webserver_only=True),
        ):
            await asyncio.sleep(0)  # the worker's task begins

    look_each_second()
    asyncio.run(serve())

    assert looks == [(LOOK, LOOK)]
