"""The dashboard and the alert rules: Prometheus takes them, and each metric in them is exported."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import SecretStr

from deployments.worker.metrics import WorkerMetrics
from outreach.metrics import sends
from outreach.metrics.database import DatabaseMetrics
from outreach.public import metrics as web
from outreach.settings import Settings
from outreach.wiring import using
from tests.conftest import new_database
from tests.programs import needed

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deployments" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
METRIC = re.compile(r"\b(?:outreach|process)_[a-z_]+")
LABELS = {"outcome", "state", "route", "status", "answer", "le"}


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (rule["expr"] for rule in RULES)


@pytest.fixture(scope="module")
def registries(server: SecretStr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Of a worker, in two, and of `outreach web`."""
    with new_database(server) as database:
        home = tmp_path_factory.mktemp("home")
        with using(Settings.only(database_url=database, outreach_home=home)) as services:
            own = CollectorRegistry()
            own.register(WorkerMetrics())
            own.register(DatabaseMetrics(lambda: services.store))
            yield sends.REGISTRY, own, web.REGISTRY


@pytest.fixture(scope="module")
def samples(registries: Any) -> Any:
    """Each name with its labels."""
    return [
        (sample.name, sample.labels)
        for registry in registries
        for family in registry.collect()
        for sample in family.samples
    ]


def test_each_metric_that_is_asked_for_is_exported(samples: Any) -> None:
    asked = {name for query in queries() for name in METRIC.findall(query)}

    assert len(asked) > 20
    assert asked - {name for name, _ in samples} == set()


def test_each_metric_of_ours_is_documented_and_shown(samples: Any) -> None:
    ours = {
        name
        for name, _ in samples
        if name.startswith("outreach_") and not name.endswith(("_created", "_sum", "_count"))
    }
    documented = (ROOT / "docs/metrics.md").read_text("utf-8")
    shown = " ".join(queries())

    assert sorted(n for n in ours if f"`{n.removesuffix('_bucket')}`" not in documented) == []
    assert sorted(name for name in ours if name not in shown) == []


def test_no_label_can_grow_with_the_campaigns(samples: Any) -> None:
    """A label has one of a few words: no address, no name, no id."""
    of_ours = [labels for name, labels in samples if name.startswith("outreach_")]

    assert {name for labels in of_ours for name in labels} == LABELS
    assert all(re.fullmatch(r"[a-z0-9_.+Inf]{1,12}", v) for one in of_ours for v in one.values())


def test_a_label_that_is_asked_for_has_that_value(samples: Any) -> None:
    asked = {
        (name, value) for query in queries() for name, value in re.findall(r'(\w+)="(\w+)"', query)
    }

    assert asked == {("outcome", "sent"), ("state", "due")}
    assert asked <= {pair for _, labels in samples for pair in labels.items()}


def test_every_panel_has_a_place_and_the_data_source_that_is_chosen() -> None:
    panels = DASHBOARD["panels"]
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in panels]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({place[:2] for place in places}) == len(places)
    assert all(x + width <= 24 for x, _, width, _ in places)
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {
        "${datasource}"
    }


def promtool(*words: str, given: bytes = b"") -> None:
    done = subprocess.run(
        [needed("promtool", "prometheus"), *words], input=given, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_they_fire_when_they_should() -> None:
    """tests/cases/alerts.yml has the series."""
    promtool("check", "rules", str(MONITORING / "alerts.yml"))
    promtool("test", "rules", str(ROOT / "tests/cases/alerts.yml"))


def test_prometheus_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """As recording rules, which promtool parses."""
    rules = [{"record": f"q{n}", "expr": query} for n, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


def test_each_alert_is_explained() -> None:
    documented = (ROOT / "docs/metrics.md").read_text("utf-8")

    assert len(RULES) == 5
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in documented] == []


def test_prometheus_takes_what_is_exported(registries: Any) -> None:
    """Names, types and helps as its linter wants them."""
    *worker, public = registries
    for one in (worker, [public]):
        promtool("check", "metrics", given=b"".join(map(generate_latest, one)))
