"""The metrics of `outreach web`.

On a port of their own: a proxy forwards all paths of the other port, so a path there is public, and
a request that came through the proxy looks like one of this machine.
"""

import logging
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from outreach.metrics.database import DatabaseMetrics
from outreach.metrics.serving import MetricsServer
from outreach.settings import Settings
from outreach.store.results import Unsubscribed
from outreach.store.store import Store

REGISTRY: Final = CollectorRegistry()
REQUESTS: Final = Counter(
    "outreach_web_requests",
    "Requests that were answered, by route and class of status.",
    ["route", "status"],
    registry=REGISTRY,
)
SECONDS: Final = Histogram(
    "outreach_web_request_seconds",
    "Seconds until a request was answered, by route.",
    ["route"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
UNSUBSCRIBES: Final = Counter(
    "outreach_web_unsubscribes",
    "Requests to unsubscribe, by the database's answer.",
    ["answer"],
    registry=REGISTRY,
)
_ROUTES: Final = {
    "/api/unsubscribe/": "unsubscribe",
    "/api/track/open": "open",
    "/health": "health",
}
_STATUSES: Final = ("2xx", "3xx", "4xx", "5xx")

ProcessCollector(registry=REGISTRY)
for _route in (*_ROUTES.values(), "other"):
    SECONDS.labels(_route)
    for _status in _STATUSES:
        REQUESTS.labels(_route, _status)
for _answer in get_args(Unsubscribed.model_fields["answer"].annotation):
    UNSUBSCRIBES.labels(_answer)


def count(path: str, status: int, seconds: float) -> None:
    """Count an answered request; whatever its path holds, it has one of a few routes."""
    route = next((name for start, name in _ROUTES.items() if path.startswith(start)), "other")
    REQUESTS.labels(route, f"{status // 100}xx").inc()
    SECONDS.labels(route).observe(seconds)


def serve_metrics(store: Store, settings: Settings) -> None:
    """Serve them where a port is set for them."""
    if settings.web_metrics_port is None:
        return
    REGISTRY.register(DatabaseMetrics(lambda: store))
    MetricsServer(
        REGISTRY,
        host=settings.metrics_host,
        port=settings.web_metrics_port,
        setting="WEB_METRICS_PORT",
        log=logging.getLogger("outreach.web"),
    ).start()
