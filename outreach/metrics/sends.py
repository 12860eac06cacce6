"""What the senders of this process count. Gauges are read by collectors, when Prometheus asks."""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from outreach.campaign.models import Outcome

REGISTRY: Final = CollectorRegistry()
"""Of the worker. Prefect counts in another one, which PREFECT_CLIENT_METRICS_ENABLED exports."""

OUTCOMES: Final = tuple(str(one.model_fields["kind"].default) for one in get_args(Outcome))

SENDS: Final = Counter(
    "outreach_sends",
    "Sends that ended, by outcome; open: in doubt, to be settled.",
    ["outcome"],
    registry=REGISTRY,
)
SETTLED: Final = Counter(
    "outreach_settled",
    "Mails in doubt that were settled, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
LAST_ROUND: Final = Gauge(
    "outreach_dispatcher_last_round_timestamp_seconds",
    "End of the last whole round of this worker's dispatcher; 0: none. One worker at a time leads.",
    registry=REGISTRY,
)

ProcessCollector(registry=REGISTRY)
for _outcome in OUTCOMES:
    # From the start: a rate misses the event with which a counter appears.
    SENDS.labels(_outcome)
    SETTLED.labels(_outcome)
