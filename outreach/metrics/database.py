"""Gauges of the database: one call for all of them, however many ask and however often."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from outreach.errors import Explained
from outreach.store.results import OperatingFigures
from outreach.store.store import Store

KEPT_SECONDS = 10.0
"""How long an answer serves all that ask."""
PATIENCE_SECONDS = 2.0
"""The longest wait of one that asks: Prometheus gives up after ten, and calls the worker down."""

Values = dict[str, float]

SINGLE: dict[str, tuple[str, Callable[[OperatingFigures], float]]] = {
    "outreach_lead_lag_seconds": (
        "How long the claimed lead that is latest waits beyond its time.",
        lambda figures: figures.lead_lag_seconds,
    ),
    "outreach_campaign_lag_seconds": (
        "How long the campaign that is due for longest waits for a run.",
        lambda figures: figures.campaign_lag_seconds,
    ),
    "outreach_campaign_places_taken": (
        "Places of CAMPAIGNS_AT_ONCE that are taken, over all workers.",
        lambda figures: figures.places_taken,
    ),
    "outreach_open_attempts": (
        "Mails in flight and in doubt, over all workers; without those of paused campaigns.",
        lambda figures: figures.open_attempts,
    ),
    "outreach_oldest_open_attempt_seconds": (
        "Age of the oldest of them.",
        lambda figures: figures.oldest_open_attempt_seconds,
    ),
    "outreach_mailbox_age_seconds": (
        "Since the last whole reading of the mailbox that was read longest ago.",
        lambda figures: figures.mailbox_age_seconds,
    ),
}
BY_STATE: dict[str, tuple[str, Callable[[OperatingFigures], Values]]] = {
    "outreach_campaigns": (
        "Campaigns that have not ended, by state; due: a run could begin, and there is none.",
        lambda figures: figures.campaigns.model_dump(),
    ),
    "outreach_accounts": (
        "Accounts by state; resting: Gmail asked for a pause; unusable: to be connected again.",
        lambda figures: figures.accounts.model_dump(),
    ),
    "outreach_mailboxes": (
        "Mailboxes of active accounts by state; unreadable: its account lets nobody read.",
        lambda figures: figures.mailboxes.model_dump(),
    ),
}
"""A further gauge is a key of operating_figures, a field of its model, and a line of a table."""


class DatabaseMetrics(Collector):
    """The same on each process of a database: take the maximum over them, never the sum."""

    def __init__(
        self,
        store: Callable[[], Store],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`store`: asked for at the first scrape."""
        self._store = store
        self._patience = patience_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: _Asked | None = None

    def collect(self) -> Iterable[Metric]:
        figures = self._figures()
        yield GaugeMetricFamily(
            "outreach_database_up",
            "1 when the database has just answered; 0: its other figures are left out.",
            value=figures is not None,
        )
        if figures is None:
            return
        for name, (about, value_of) in SINGLE.items():
            yield GaugeMetricFamily(name, about, value=value_of(figures))
        for name, (about, values_of) in BY_STATE.items():
            family = GaugeMetricFamily(name, about, labels=["state"])
            for state, value in values_of(figures).items():
                family.add_metric([state], value)
            yield family

    def _figures(self) -> OperatingFigures | None:
        """Of the last seconds; None when the database gives none, or takes too long."""
        with self._lock:
            if self._asked is None or self._asked.is_old(self._clock()):
                self._asked = _Asked(self._store, self._clock())
            asked = self._asked
        asked.done.wait(self._patience)
        return asked.figures


class _Asked:
    """One question, asked by a thread: an outage holds up no process that ends."""

    def __init__(self, store: Callable[[], Store], now: float) -> None:
        self.figures: OperatingFigures | None = None
        self.done = threading.Event()
        self._since = now
        threading.Thread(target=self._ask, args=(store,), name="figures", daemon=True).start()

    def is_old(self, now: float) -> bool:
        """While the database gives no answer, nobody asks again."""
        return self.done.is_set() and now - self._since >= KEPT_SECONDS

    def _ask(self, store: Callable[[], Store]) -> None:
        try:
            with suppress(Explained):
                self.figures = store().operating_figures()
        finally:
            self.done.set()
