"""The image, compose.yaml and the manifests of Kubernetes: they say what the code says.

`make containers` builds and runs them.
"""

import re
from importlib import import_module, util
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from deployments.server import KEPT, SETTINGS
from deployments.worker.process import DISPATCH_SECONDS, HAND_OVER_SECONDS
from deployments.worker.worker import STOP_SECONDS
from outreach.cli.web import PORT as WEB_PORT
from outreach.public.server import STOP_SECONDS as WEB_STOP_SECONDS
from outreach.settings import Settings

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
DOCKERFILE = (DEPLOYMENTS / "containers" / "Dockerfile").read_text("utf-8")
FINAL = DOCKERFILE.rpartition("\nFROM ")[2]
COMPOSE = yaml.safe_load((DEPLOYMENTS / "containers" / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
MANIFESTS = {
    path.stem: list(yaml.safe_load_all(path.read_text("utf-8")))
    for path in (DEPLOYMENTS / "kubernetes").glob("*.yaml")
}
POD = MANIFESTS["worker"][0]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
OURS = [name for name, service in SERVICES.items() if name != "database"]
LONGEST_STOP = DISPATCH_SECONDS + STOP_SECONDS + HAND_OVER_SECONDS
MARGIN = 10
OF_THE_IMAGE = {"HEALTH_URL"}


def known() -> set[str]:
    """The names of all settings."""
    names = set()
    for name, field in Settings.model_fields.items():
        names.add(name.upper())
        if isinstance(field.validation_alias, AliasChoices):
            names |= {str(one) for one in field.validation_alias.choices}
    return names


def seconds(told: str) -> float:
    return float(told.removesuffix("s"))


def unknown(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("PREFECT_")} - known() - OF_THE_IMAGE


# --- the image --------------------------------------------------------------------------


def test_the_image_takes_what_the_lock_pins_by_hash() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"pip install.*", DOCKERFILE) == [
        line for line in re.findall(r"pip install.*", DOCKERFILE) if "--no-index" in line
    ]


def test_the_image_runs_as_nobody_with_a_first_process_that_hands_signals_on() -> None:
    user = re.search(r"USER (\d+):(\d+)", FINAL)

    assert user is not None
    assert POD["securityContext"]["runAsUser"] == int(user[1]) > 0
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"] == int(user[2])
    assert 'ENTRYPOINT ["tini", "--"]' in FINAL
    assert "HEALTHCHECK" in FINAL


def test_the_health_check_asks_the_port_of_the_metrics() -> None:
    port = re.search(r"METRICS_PORT=(\d+)", FINAL)

    assert port is not None
    assert f"HEALTH_URL=http://127.0.0.1:{port[1]}/health" in FINAL
    assert f"EXPOSE {port[1]}" in FINAL
    assert SERVICES["web"]["environment"]["HEALTH_URL"] == f"http://127.0.0.1:{WEB_PORT}/health"


# --- compose ----------------------------------------------------------------------------


def test_the_servers_settings_are_those_of_up() -> None:
    told = {key: str(value) for key, value in SERVICES["server"]["environment"].items()}

    assert {**SETTINGS, **KEPT, "DO_NOT_TRACK": "1"}.items() <= {
        **told,
        "DO_NOT_TRACK": "1",
    }.items()
    assert "DO_NOT_TRACK=1" in FINAL


@pytest.mark.parametrize("name", OURS)
def test_each_service_is_fenced_in(name: str) -> None:
    """What it keeps is in a volume; its settings are those that there are."""
    service = SERVICES[name]

    assert service["read_only"]
    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert unknown(service.get("environment", {})) == set()
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert {one.partition(":")[0] for one in service.get("volumes", [])} <= COMPOSE[
        "volumes"
    ].keys()


def test_a_stop_has_the_time_that_it_needs() -> None:
    """In both, and a probe kills no worker before that."""
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= LONGEST_STOP + MARGIN
    assert seconds(SERVICES["web"]["stop_grace_period"]) >= WEB_STOP_SECONDS + MARGIN / 2
    assert POD["terminationGracePeriodSeconds"] >= LONGEST_STOP + MARGIN


# --- Kubernetes -------------------------------------------------------------------------


def test_the_probes_ask_the_port_that_the_worker_opens() -> None:
    environment = {one["name"]: one["value"] for one in CONTAINER["env"]}
    ports = {one["name"]: one["containerPort"] for one in CONTAINER["ports"]}
    annotated = MANIFESTS["worker"][0]["spec"]["template"]["metadata"]["annotations"]
    paths = {
        name: CONTAINER[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }

    assert int(environment["METRICS_PORT"]) == ports["metrics"]
    assert environment["METRICS_PORT"] == annotated["prometheus.io/port"]
    assert environment["METRICS_HOST"] == "0.0.0.0"  # noqa: S104 - the kubelet asks from outside
    assert all(CONTAINER[name]["httpGet"]["port"] == "metrics" for name in paths)
    assert paths == {
        "startupProbe": "/health",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }


def test_the_pod_is_fenced_in_and_writes_to_volumes_alone() -> None:
    mounted = {one["mountPath"] for one in CONTAINER["volumeMounts"]}

    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["securityContext"]["runAsNonRoot"]
    assert mounted == {"/home/outreach", "/tmp"}  # noqa: S108
    assert {one["name"] for one in CONTAINER["volumeMounts"]} == {
        one["name"] for one in POD["volumes"]
    }
    assert "PREFECT_HOME=/home/outreach/" in FINAL


def test_the_settings_of_the_manifests_exist_and_are_taken_by_the_pod() -> None:
    held = {one["kind"]: one for one in MANIFESTS["settings"]}
    names = {*held["ConfigMap"]["data"], *held["Secret"]["stringData"]}
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }

    assert unknown({*names, *(one["name"] for one in CONTAINER["env"])}) == set()
    assert not secret & held["ConfigMap"]["data"].keys()
    assert CONTAINER["envFrom"] == [
        {"configMapRef": {"name": held["ConfigMap"]["metadata"]["name"]}},
        {"secretRef": {"name": held["Secret"]["metadata"]["name"]}},
    ]


def test_a_selector_finds_its_pods() -> None:
    deployment, budget = MANIFESTS["worker"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels


@pytest.mark.skipif(
    util.find_spec("kubernetes_validate") is None,
    reason="kubernetes-validate is missing; `make containers` installs it",
)
@pytest.mark.parametrize("version", ["1.28", "1.37"])
def test_kubernetes_takes_the_manifests(version: str) -> None:
    """By its own schemas, with no field that they do not know."""
    validate = import_module("kubernetes_validate").validate
    for manifest in (one for manifests in MANIFESTS.values() for one in manifests):
        validate(manifest, version, strict=True)
