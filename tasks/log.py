"""The log of a flow run, shared by its tasks.

A task's own logger has the level of Prefect's engine, which writes a line per mail there:
deployments set that one to WARNING (prefect.yaml).
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.loggers import flow_run_logger, get_logger

from outreach.campaign.models import OpenAttempt, Outcome, Sent
from outreach.mail.addresses import mask
from outreach.metrics.sends import SETTLED

Logger = logging.Logger | logging.LoggerAdapter[Any]


def run_log() -> Logger:
    """Of the flow run; of this process where no flow runs."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        return flow_run_logger(context.flow_run, context.flow)
    return get_run_logger() if TaskRunContext.get() else get_logger("outreach.dispatcher")


TOGETHER = 500
"""Lines of a record at most: Prefect refuses a large one."""


class SentLog:
    """A line for each mail that a run sent; those of a second are one record.

    A record takes Prefect half a millisecond, a tenth of a mail. The run's main thread writes them,
    between other work: a process that is killed takes those of the last seconds with it.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._is_kept = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep lines until `write`; what is left is written at the end, and each at once after."""
        self._is_kept = True
        try:
            yield
        finally:
            self._is_kept = False
            self.write()

    def add(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
        if not self._is_kept:
            self.write()

    def write(self) -> None:
        with self._lock:
            while lines := self._lines[:TOGETHER]:
                run_log().info("%s", "\n".join(lines))
                del self._lines[: len(lines)]  # a signal may interrupt before


def describe_sent(lead: UUID, address: str, account: str, sent: Sent) -> str:
    """The log line of a sent mail; `lead` is campaign_leads.id."""
    ids = f"message {sent.message_id or 'unknown'}, thread {sent.thread_id or 'unknown'}"
    return f"{mask(address)} by {mask(account)}, lead {lead}, {ids}"


def tell_settled(attempt: OpenAttempt, outcome: Outcome) -> None:
    """Log and count a reconciled mail; a sent one is logged as its sender would do it."""
    SETTLED.labels(outcome.kind).inc()
    kind: str = outcome.kind
    if isinstance(outcome, Sent):
        lead = attempt.campaign_lead_id
        kind = f"sent: {describe_sent(lead, attempt.address, attempt.account, outcome)}"
    run_log().info("A mail in doubt was settled: %s", kind)
