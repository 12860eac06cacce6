"""Fetches of the open pixel, written to the database together, twice a second.

A fetch is answered at once. A process that is killed loses those of its last second; while the
database is away they wait in memory.
"""

import logging
import threading
import time
from collections import deque
from itertools import islice
from typing import NamedTuple
from uuid import UUID, uuid4

from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store.store import Store

SECONDS = 0.5
"""Between two writes; with what a write takes, a kill loses no more than the last second."""
BATCH = 500
MOST = 100_000
"""Fetches that wait for the database; those beyond are not recorded."""
LONGEST_AGENT = 300
"""Characters of a user agent."""
CLOSING_SECONDS = 10.0

log = logging.getLogger("outreach.web")


class Fetch(NamedTuple):
    id: UUID
    lead: UUID
    """campaign_leads.id."""
    user_agent: str
    """Empty: the request had none."""
    at: float
    """Of the monotonic clock."""


class Opens:
    """Takes fetches from any thread; one thread writes them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Fetch] = deque()
        self._dropped = 0
        self._closing = threading.Event()
        self._writer = threading.Thread(target=self._write, name="opens", daemon=True)
        self._writer.start()

    def add(self, lead: UUID, user_agent: str) -> None:
        if len(self._waiting) >= MOST:
            self._dropped += 1
            return
        fetch = Fetch(uuid4(), lead, user_agent[:LONGEST_AGENT], time.monotonic())
        self._waiting.append(fetch)

    def close(self) -> None:
        """Write what waits, within ten seconds."""
        self._closing.set()
        self._writer.join(CLOSING_SECONDS)

    def _write(self) -> None:
        while not self._closing.wait(SECONDS):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        if self._dropped:
            log.warning("%d openings were not recorded: too many wait", self._dropped)
            self._dropped = 0
        while batch := list(islice(self._waiting, BATCH)):
            now = time.monotonic()
            fetches = [(one.id, one.lead, one.user_agent, now - one.at) for one in batch]
            try:
                self._store.record_opens(fetches)
            except (StoreUnavailable, ConfigurationError) as error:
                # The kind alone: the text may quote a row.
                log.warning("Openings wait for the database: %s", type(error).__name__)
                return
            except Exception as error:  # noqa: BLE001 - the next ones must not wait behind it
                log.warning("%d openings were not recorded: %s", len(batch), type(error).__name__)
            for _ in batch:
                self._waiting.popleft()
