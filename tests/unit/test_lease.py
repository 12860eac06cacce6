"""What the thread that keeps the leases says is said as the run says it."""

import logging
from contextvars import ContextVar, copy_context
from threading import Thread
from typing import Any
from unittest.mock import sentinel

import pytest

from tasks.lease import SILENT_SECONDS, Lease, Leases

SERVER: ContextVar[str] = ContextVar("server", default="another")
"""As Prefect's settings are: known to a context."""


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((record.getMessage(), SERVER.get()))


@pytest.fixture
def told() -> Any:
    logger, handler = logging.getLogger("tests.lease"), Told()
    logger.addHandler(handler)
    yield handler.records
    logger.removeHandler(handler)


def test_an_outage_is_told_once_and_in_the_context_of_the_run(told: list[tuple[str, str]]) -> None:
    def of_the_run() -> Lease:
        SERVER.set("the run's")
        return Lease(sentinel.run, logging.getLogger("tests.lease"))

    lease = copy_context().run(of_the_run)
    keeper = Thread(target=lambda: [lease.failed("The database is away.") for _ in range(2)])
    keeper.start()
    keeper.join()

    assert told == [("The lease was not renewed: The database is away.", "the run's")]


def test_a_thread_that_hangs_while_it_holds_leases_is_silent() -> None:
    leases = Leases()
    leases._round_at -= 2 * SILENT_SECONDS
    assert not leases.is_silent
    leases._held.append(sentinel.lease)
    assert leases.is_silent
    leases._round_at += 2 * SILENT_SECONDS
    assert not leases.is_silent
