"""What is deployed: prefect.yaml on a new server, what `outreach up` serves, what is provisioned."""

import json
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect import Flow
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments.provision import NOTIFICATION, POOL, provision
from deployments.served import served
from deployments.server import RUN_SETTINGS, prefect_server
from deployments.worker.worker import TYPE
from outreach.errors import ConfigurationError
from outreach.local import postgres
from tasks.slots import LIMIT

ROOT = Path(__file__).parents[2]
NAMES = ("send-campaign/send-campaign", "dispatch-campaigns/dispatch-campaigns")
CONFIG = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {one["name"]: one for one in CONFIG["deployments"]}


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own, on which nothing was ever done but what is in docs."""
    home = tmp_path_factory.mktemp("new-server")
    with (
        prefect_server(home) as api,
        temporary_settings({PREFECT_API_URL: api, PREFECT_HOME: home}),
    ):
        _run(api, home, "-m", "deployments.provision")
        _run(api, home, "-m", "prefect", "--no-prompt", "deploy", "--all")
        _run(api, home, "-m", "deployments.provision")
        yield api


def _run(api: str, home: Path, *command: str) -> None:
    subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(home)},
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
def test_a_second_server_of_one_home_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    """Both would end by shutting down the one database."""
    with prefect_server(tmp_path) as api:
        with pytest.raises(ConfigurationError, match="still runs"), prefect_server(tmp_path):
            pass
        counted = httpx.post(f"{api}/flows/count", json={})
        assert (counted.status_code, counted.json()) == (200, 0)
    assert postgres.running(tmp_path) is None


def deployed(name: str) -> DeploymentResponse:
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name(name)


def emit(api: str, event: str, payload: dict[str, str]) -> None:
    """By REST: what this process emits may go to the server of another module's tests."""
    made = {
        "id": str(uuid4()),
        "event": event,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "campaign.1"},
        "payload": payload,
    }
    httpx.post(f"{api}/events", json=[made]).raise_for_status()


@contextmanager
def chat() -> Iterator[tuple[str, SimpleQueue[tuple[str, bytes]]]]:
    """A webhook: its address, and the content type and body of what is posted to it."""
    told: SimpleQueue[tuple[str, bytes]] = SimpleQueue()

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put((self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


def flow_of(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.rpartition(".")
    flow: Flow[..., Any] = getattr(import_module(module), name)
    return flow


@pytest.mark.usefixtures("new_server")
@pytest.mark.slow
class TestNewServer:
    def test_both_deployments_are_there_and_hold_no_secret(self) -> None:
        """Job variables are shown in the UI: Prefect's settings alone, nothing of ours."""
        found = [deployed(name) for name in NAMES]

        assert [one.work_pool_name for one in found] == [POOL, POOL]
        assert [one.pull_steps for one in found] == [[], []]
        assert [one.job_variables for one in found] == [{"env": RUN_SETTINGS}] * 2

    def test_the_dispatchers_schedule_rests_where_workers_dispatch(self) -> None:
        """Of one minute, for who turns it on; its runs would be 1,440 a day."""
        (schedule,) = deployed(NAMES[1]).schedules
        assert (schedule.active, schedule.schedule.interval) == (False, timedelta(minutes=1))

    def test_the_dispatcher_can_be_scheduled_every_minute(self) -> None:
        """The server itself makes its runs: Prefect 3.8 with SQLAlchemy 2.1 did not."""
        deployment = deployed(NAMES[1])
        deadline = time.monotonic() + 60
        runs: list[Any] = []
        with get_client(sync_client=True) as client:
            (schedule,) = deployment.schedules
            client.update_deployment_schedule(deployment.id, schedule.id, active=True)
            while not runs and time.monotonic() < deadline:
                runs = client.get_scheduled_flow_runs_for_deployments([deployment.id])
                time.sleep(0.2)

        gaps = {
            (after.expected_start_time - before.expected_start_time).total_seconds()
            for before, after in pairwise(runs)
        }
        assert gaps == {60.0}

    def test_the_form_in_the_ui_describes_its_one_field(self) -> None:
        schema = deployed(NAMES[0]).parameter_openapi_schema

        assert schema is not None
        field = schema["properties"]["campaign_id"]
        assert schema["required"] == [*schema["properties"]] == ["campaign_id"]
        assert "campaigns.id" in field["description"]
        assert field["format"] == "uuid"

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"campaign_id": "nonsense"},
            {"campaign_id": 5},
            {"campaign_id": f"{uuid4()}\n"},
            {"campaign_id": f" {uuid4()}"},
            {"campaign_id": uuid4().hex},
            {"campaign_id": str(uuid4()), "run": "now"},
        ],
    )
    def test_what_is_not_a_campaign_id_is_refused_before_there_is_a_run(
        self, new_server: str, given: dict[str, object]
    ) -> None:
        """By the API, so by the form and by events too."""
        answer = httpx.post(
            f"{new_server}/deployments/{deployed(NAMES[0]).id}/create_flow_run",
            json={"parameters": given},
        )

        assert answer.status_code == httpx.codes.CONFLICT
        assert re.search("'?campaign_id'?|'run' was unexpected", answer.json()["detail"])

    def test_the_dispatcher_takes_no_parameter(self, new_server: str) -> None:
        """Nor does it run with one."""
        answer = httpx.post(
            f"{new_server}/deployments/{deployed(NAMES[1]).id}/create_flow_run",
            json={"parameters": {"campaign_id": str(uuid4())}},
        )
        assert answer.status_code == httpx.codes.CONFLICT

    def test_what_an_operator_has_set_outlives_another_provisioning(self) -> None:
        """Repeatable as often as one likes."""
        with get_client(sync_client=True) as client:
            limit = client.read_global_concurrency_limit_by_name(LIMIT)
            client.request(
                "PATCH",
                "/v2/concurrency_limits/{id}",
                path_params={"id": limit.id},
                json={"limit": 3},
            )
            provision()

            assert client.read_global_concurrency_limit_by_name(LIMIT).limit == 3

    def test_a_pool_that_deployments_are_in_keeps_its_type(self) -> None:
        """Its runs wait there, and its workers serve that type alone."""
        provision(pool_type="process")
        with get_client(sync_client=True) as client:
            assert client.read_work_pool(POOL).type == TYPE

    def test_an_unused_pool_of_the_other_type_is_made_anew(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As earlier versions made it, and the other way round; one of the type stays itself."""
        monkeypatch.setattr("deployments.provision.POOL", "unused")
        made = []
        with get_client(sync_client=True) as client:
            for wanted in ("process", TYPE, TYPE, "process"):
                provision(pool_type=wanted)
                made.append(client.read_work_pool("unused"))
            client.delete_work_pool("unused")

        assert [pool.type for pool in made] == ["process", TYPE, TYPE, "process"]
        assert made[1].id == made[2].id
        assert len({pool.id for pool in made}) == 3

    @pytest.mark.parametrize(("pool", "then"), [(None, POOL), ("own", "own")])
    def test_a_deployment_without_a_pool_comes_into_ours_and_another_stays(
        self, pool: str | None, then: str
    ) -> None:
        """Earlier versions served without a pool; who has chosen one has a reason."""
        send, *_ = served()
        send.name = "earlier"
        with get_client(sync_client=True) as client:
            if pool is not None:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            made = client.create_deployment(
                flow_id=client.create_flow(flow_of(str(send.entrypoint))),
                name=send.name,
                entrypoint=send.entrypoint,
                work_pool_name=pool,
            )
            send.apply()
            found = client.read_deployment(made).work_pool_name
            client.delete_deployment(made)
            if pool is not None:
                client.delete_work_pool(pool)

        assert found == then

    @pytest.mark.parametrize("active", [True, False])
    def test_starts_by_rows_that_an_operator_stopped_in_an_earlier_version_stay_stopped(
        self, active: bool
    ) -> None:
        """There the dispatcher's schedule made them; a worker's dispatcher has none. Once alone."""
        _, dispatch, *_ = served()
        dispatch.name = "earlier"
        every_minute = IntervalSchedule(interval=timedelta(minutes=1))
        with get_client(sync_client=True) as client:
            made = client.create_deployment(
                flow_id=client.create_flow(flow_of(str(dispatch.entrypoint))),
                name=dispatch.name,
                entrypoint=dispatch.entrypoint,
                schedules=[DeploymentScheduleCreate(schedule=every_minute, active=active)],
            )
            dispatch.apply()
            paused = client.read_deployment(made).paused
            client.resume_deployment(made)
            dispatch.apply()
            resumed = not client.read_deployment(made).paused
            client.delete_deployment(made)

        assert (paused, resumed) == (not active, True)

    def test_what_an_operator_has_set_in_a_deployment_outlives_another_start(self) -> None:
        """Prefect's own way would resume it, and delete the schedule that was added."""
        send, *_ = served()
        send.name = "kept"
        added = IntervalSchedule(interval=timedelta(hours=1))
        with get_client(sync_client=True) as client:
            made = send.apply()
            client.pause_deployment(made)
            client.create_deployment_schedules(made, [(added, True)])
            assert send.apply() == made
            found = client.read_deployment(made)
            client.delete_deployment(made)

        assert found.paused
        assert [one.schedule.interval for one in found.schedules] == [added.interval]

    def test_a_failed_campaign_is_told_to_a_webhook(self, new_server: str) -> None:
        """The example automation, made twice: one message, and names may hold quotes."""
        with chat() as (address, told):
            provision(address)
            provision(address)
            payload = {"name": 'The "Spring" one', "error": "No account"}
            emit(new_server, "campaign.failed", payload)
            content_type, body = told.get(timeout=60)

        assert content_type == "application/json"
        assert json.loads(body) == {"text": 'Campaign The "Spring" one failed: No account'}
        assert told.empty()
        assert Automation.read(name=NOTIFICATION).enabled

    def test_each_reply_is_told_to_a_webhook(self, new_server: str) -> None:
        """The example in docs, made twice: one message for each event, with ids alone."""
        tell_replies = runpy.run_path(str(ROOT / "docs/examples/tell_replies.py"))["tell_replies"]
        with chat() as (address, told):
            tell_replies(address)
            tell_replies(address)
            for name in ('The "Spring" one', "Autumn"):
                emit(new_server, "campaign.reply", {"name": name, "campaign_id": "1-2-3"})
            bodies = [told.get(timeout=60) for _ in range(2)]

        says = "has answered. Who, and in which thread: outreach campaigns replies 1-2-3"
        assert {content_type for content_type, _ in bodies} == {"application/json"}
        assert sorted(json.loads(body)["text"] for _, body in bodies) == [
            f"A lead of Autumn {says}",
            f'A lead of The "Spring" one {says}',
        ]
        assert told.empty()

    def test_an_event_starts_a_campaign(self, new_server: str) -> None:
        """`campaign.start` with the id in its payload: a run that waits for a worker."""
        campaign = str(uuid4())
        emit(new_server, "campaign.start", {"campaign_id": campaign})

        deployment, deadline = deployed(NAMES[0]).id, time.monotonic() + 60
        made: list[Any] = []
        with get_client(sync_client=True) as client:
            while not made and time.monotonic() < deadline:
                made = client.get_scheduled_flow_runs_for_deployments([deployment])
                time.sleep(0.2)

        assert [run.parameters for run in made] == [{"campaign_id": campaign}]


@pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())
def test_the_parameters_of_schedules_and_triggers_fit_the_flow(
    deployment: dict[str, Any],
) -> None:
    """What a server fills in later would fail only then, at night."""
    flow = flow_of(deployment["entrypoint"])
    declared = deployment.get("parameters", {})
    sources = [*(deployment["schedules"] or []), *deployment.get("triggers", [])]

    for source in sources:
        given = {**declared, **source.get("parameters", {})}
        filled = {name: uuid4() if "{{" in str(v) else v for name, v in given.items()}
        assert flow.validate_parameters(filled) == filled
    assert deployment["enforce_parameter_schema"]


def test_what_up_serves_is_what_is_deployed() -> None:
    """Two ways to run it, one set of deployments."""
    for runner in served():
        yaml_one = DEPLOYMENTS[runner.name]
        limit = yaml_one.get("concurrency_limit")
        assert runner.entrypoint == yaml_one["entrypoint"]
        assert runner.tags == yaml_one["tags"]
        assert runner.work_pool_name == yaml_one["work_pool"]["name"] == POOL
        assert [t.expect for t in runner.triggers] == [
            set(t["expect"]) for t in yaml_one.get("triggers", [])
        ]
        assert [t.parameters for t in runner.triggers] == [
            t["parameters"] for t in yaml_one.get("triggers", [])
        ]
        assert [s.schedule.interval.total_seconds() for s in runner.schedules or []] == [
            s["interval"] for s in yaml_one["schedules"] or []
        ]
        assert runner.concurrency_limit == (limit and limit["limit"])
        assert runner.enforce_parameter_schema == yaml_one["enforce_parameter_schema"]
