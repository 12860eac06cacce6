"""What Prometheus gets from a process: over HTTP, from a real database, and without one."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest

from outreach.errors import StoreUnavailable
from outreach.metrics.database import BY_STATE, KEPT_SECONDS, SINGLE, DatabaseMetrics
from outreach.metrics.serving import MetricsServer
from outreach.store.results import OperatingFigures
from outreach.store.store import Store

SECONDS = 20.0


def exported(collector: DatabaseMetrics) -> dict[str, float]:
    """Each sample by its name, with its labels."""
    return {
        f"{sample.name}{[*sample.labels.values()] or ''}": sample.value
        for family in collector.collect()
        for sample in family.samples
    }


class Asked:
    """A Store that counts how often it is asked, and can be away, or silent."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.times = 0
        self.away = False
        self.answers = threading.Event()
        self.answers.set()

    def operating_figures(self) -> OperatingFigures:
        self.times += 1
        if self.away or not self.answers.wait(SECONDS):
            raise StoreUnavailable("The database is away.")
        return self.store.operating_figures()


@pytest.fixture
def asked(store: Store) -> Asked:
    return Asked(store)


@pytest.fixture
def clock() -> dict[str, float]:
    return {"now": 0.0}


@pytest.fixture
def collector(asked: Any, clock: dict[str, float]) -> DatabaseMetrics:
    return DatabaseMetrics(lambda: asked, clock=lambda: clock["now"])


def test_the_database_has_a_value_for_each_gauge(collector: DatabaseMetrics) -> None:
    found = exported(collector)

    assert found["outreach_database_up"] == 1
    assert {name.partition("[")[0] for name in found} == {
        "outreach_database_up",
        *SINGLE,
        *BY_STATE,
    }
    assert found["outreach_campaigns['due']"] == 0


def test_ten_that_ask_cost_the_database_one_question(
    collector: DatabaseMetrics, asked: Asked, clock: dict[str, float]
) -> None:
    for _ in range(10):
        exported(collector)
    assert asked.times == 1

    clock["now"] = KEPT_SECONDS
    exported(collector)
    assert asked.times == 2


def test_a_database_that_is_away_leaves_its_figures_out(
    collector: DatabaseMetrics, asked: Asked, clock: dict[str, float]
) -> None:
    """No old figure is told as one of now; and it comes back."""
    exported(collector)
    clock["now"], asked.away = KEPT_SECONDS, True
    assert exported(collector) == {"outreach_database_up": 0}

    clock["now"], asked.away = 2 * KEPT_SECONDS, False
    assert exported(collector)["outreach_database_up"] == 1


def test_a_silent_database_holds_up_no_scrape_and_is_asked_once(
    asked: Any, clock: dict[str, float]
) -> None:
    collector = DatabaseMetrics(lambda: asked, patience_seconds=0, clock=lambda: clock["now"])
    asked.answers.clear()
    for clock["now"] in (0, KEPT_SECONDS, 9 * KEPT_SECONDS):
        assert exported(collector) == {"outreach_database_up": 0}

    asked.answers.set()
    assert exported(DatabaseMetrics(lambda: asked))["outreach_database_up"] == 1
    assert asked.times == 2


# --- over HTTP --------------------------------------------------------------------------


@pytest.fixture
def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("seen", "…", registry=made).inc(3)
    return made


@pytest.fixture
def serve(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    caplog.set_level(logging.INFO)

    def started(port: int = 0, **more: Any) -> MetricsServer:
        server = MetricsServer(
            registry, host="127.0.0.1", port=port, setting="METRICS_PORT",
            log=logging.getLogger("outreach.test"), again_seconds=0.05, **more,
        )  # fmt: skip
        server.start()
        return server

    return started


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other


def get(server: MetricsServer, path: str) -> httpx.Response:
    return httpx.get(f"{server.address}{path}", timeout=SECONDS, trust_env=False)


def test_it_serves_metrics_and_health_and_nothing_else(serve: Any) -> None:
    ready: list[bool] = []
    server = serve(is_ready=lambda: bool(ready))

    assert "seen_total 3.0" in get(server, "/metrics").text
    assert [get(server, path).status_code for path in ("/health", "/ready", "/")] == [200, 503, 404]
    ready.append(True)
    assert get(server, "/ready").status_code == 200


def test_it_speaks_the_format_that_is_asked_for(serve: Any) -> None:
    server = serve()
    answer = httpx.get(
        f"{server.address}/metrics",
        headers={"Accept": "application/openmetrics-text; version=1.0.0"},
        trust_env=False,
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_port_that_is_taken_is_told_in_one_sentence_and_stops_nothing(
    serve: Any, taken: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """And it serves as soon as the port is free."""
    port = taken.getsockname()[1]
    server = serve(port=port)

    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == [
        f"No metrics for now: port {port} of 127.0.0.1 cannot be used (Address already in use); free it or change METRICS_PORT"
    ]
    taken.close()
    with httpx.Client(
        transport=httpx.HTTPTransport(retries=20), timeout=SECONDS, trust_env=False
    ) as client:  # retried with growing pauses
        assert client.get(f"http://127.0.0.1:{port}/health").status_code == 200
    assert server.address == f"http://127.0.0.1:{port}"


def test_an_address_of_another_machine_is_told_too(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    MetricsServer(
        registry, host="192.0.2.1", port=0, setting="METRICS_PORT",
        log=logging.getLogger("outreach.test"),
    ).start()  # fmt: skip

    assert "cannot be used" in caplog.text


def test_a_registry_is_whole_without_a_database(registry: CollectorRegistry) -> None:
    """A configuration error is none of Prometheus'."""

    def broken() -> Store:
        raise StoreUnavailable("The database is away.")

    registry.register(DatabaseMetrics(broken))
    assert b"outreach_database_up 0.0" in generate_latest(registry)
