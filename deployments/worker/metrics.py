"""The metrics of a worker's process, read when Prometheus asks."""

from collections.abc import Callable, Iterable

from prefect.logging.loggers import get_logger
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deployments.worker.hosted import Runs
from outreach.metrics.database import DatabaseMetrics
from outreach.metrics.sends import REGISTRY
from outreach.metrics.serving import MetricsServer
from outreach.settings import Settings
from outreach.wiring import current
from tasks.lease import leases
from tasks.slots import slots


class WorkerMetrics(Collector):
    """Gauges of one process; known from its first second on, before it serves its work pool."""

    def __init__(self) -> None:
        self.runs: Runs | None = None
        self.takes_campaigns: Callable[[], bool] = lambda: False

    def is_ready(self) -> bool:
        return self.takes_campaigns()

    def collect(self) -> Iterable[Metric]:
        runs = self.runs.campaigns if self.runs else 0
        yield GaugeMetricFamily("outreach_runs", "Runs of campaigns in this process.", value=runs)
        yield GaugeMetricFamily(
            "outreach_leases_held",
            "Campaigns whose lease this process renews.",
            value=leases().number,
        )
        yield GaugeMetricFamily(
            "outreach_mails_in_flight", "Mails that are being sent now.", value=slots().gate.inside
        )
        yield GaugeMetricFamily(
            "outreach_slots_held",
            "Slots of gmail-send that this process has.",
            value=slots().number,
        )


def serve_metrics(settings: Settings) -> WorkerMetrics:
    """Serve them where a port is set for them."""
    made = WorkerMetrics()
    if settings.metrics_port is not None:
        REGISTRY.register(made)
        REGISTRY.register(DatabaseMetrics(lambda: current().store))
        MetricsServer(
            REGISTRY,
            host=settings.metrics_host,
            port=settings.metrics_port,
            setting="METRICS_PORT",
            log=get_logger("outreach.worker"),
            is_ready=made.is_ready,
        ).start()
    return made
