"""As a company runs it: the server on Postgres and behind a password, the wheel on two machines.

Each worker has a home, a folder and an environment of its own. What a program without Prefect does
is done with curl, as docs/operating.md has it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_HOME,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from deployments.server import Server, running_server
from outreach.store.store import Store
from tests.lifecycle.conftest import PACE_SECONDS, ROOT, Engine, World, deploy, environment
from tests.programs import needed

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(300)]

AUTH = "admin:a word that nobody guesses"
SENDERS = ("ada@ours.example", "bob@ours.example")
LEADS = 12
WHERE = """
import deployments.served, flows.send_campaign, tasks.send, outreach.store.migrate
for package in (deployments, flows, tasks, outreach):
    print(*package.__path__)
print(len(outreach.store.migrate.migrations()))
"""

TAKEN = {"worker": "Taken by the worker", "process": "submitted to infrastructure"}
"""A line of a worker's log for each run."""


@pytest.fixture(scope="module")
def server_of_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It asks for a password."""
    home = tmp_path_factory.mktemp("prefect-with-password")
    with (
        running_server(home, None, {"PREFECT_SERVER_API_AUTH_STRING": AUTH}) as running,
        temporary_settings(
            {
                PREFECT_API_URL: running.api,
                PREFECT_API_AUTH_STRING: AUTH,
                PREFECT_HOME: home,
                PREFECT_LOGGING_LEVEL: "ERROR",
                PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
            }
        ),
    ):
        yield running


@pytest.fixture(scope="module")
def prefect_api(server_of_prefect: Server) -> str:
    return server_of_prefect.api


@pytest.fixture(scope="module")
def deployed(prefect_api: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    deploy(tmp_path_factory.mktemp("deploy"), engine)
    return prefect_api


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and installed where no checkout is."""
    made, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = made.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-t", site, wheel],
        check=True,
        capture_output=True,
    )
    return site


def curl(api: str, path: str, body: object = None, auth: str = AUTH) -> tuple[int, Any]:
    """The status and the JSON that a program without Prefect gets."""
    command = [needed("curl", "curl"), "-s", "-w", "\n%{http_code}", "-u", auth, f"{api}{path}"]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answer, _, status = told.rpartition("\n")
    return int(status), json.loads(answer)


def start(api: str, campaign: UUID) -> UUID:
    _, deployment = curl(api, "/deployments/name/send-campaign/send-campaign")
    status, made = curl(
        api,
        f"/deployments/{deployment['id']}/create_flow_run",
        {"parameters": {"campaign_id": str(campaign)}},
    )
    assert status == 201, made
    return UUID(made["id"])


def result(api: str, run: UUID) -> tuple[str, dict[str, Any]]:
    """The message of a run's state, and the artifact that it left for programs."""
    _, seen = curl(api, f"/flow_runs/{run}")
    chosen = {"flow_run_id": {"any_": [str(run)]}, "key": {"any_": ["campaign-result"]}}
    _, (artifact,) = curl(api, "/artifacts/filter", {"artifacts": chosen})
    return seen["state"]["message"], artifact["data"]


def two_campaigns(store: Store) -> list[UUID]:
    """Leads of their own, the same two accounts."""
    for sender in SENDERS:
        store.save_account(uuid4(), sender, refresh_token=f"sandbox:{sender}:modify")
    made = []
    for name in ("Spring", "Summer"):
        rows: list[dict[str, object]] = [
            {
                "email": f"{name}{number}@acme.example",
                "company": "Acme",
                "email_subject": "A deck",
                "email_template": "Hello",
            }
            for number in range(LEADS)
        ]
        store.import_leads(rows, tag=name)
        made.append(uuid4())
        store.create_campaign(made[-1], name, list(SENDERS), tag=name)
        store.start_campaign(made[-1])
    return made


def test_two_machines_send_two_campaigns_over_the_same_accounts(
    world: World, deployed: str, installed: Path, server_of_prefect: Server
) -> None:
    """A campaign each; the accounts keep their pace over both, and Prefect's rows are in Postgres."""
    campaigns = two_campaigns(world.store)
    workers = [world.worker("--limit", "1", PYTHONPATH=str(installed)) for _ in range(2)]
    for worker in workers:  # or the first one takes both, one after the other
        world.until_started(worker)
    runs = [start(deployed, campaign) for campaign in campaigns]

    assert [world.ended(run, 120) for run in runs] == ["Completed"] * 2

    sent = {"success": True, "emails_sent": LEADS, "total_leads": LEADS}
    assert [result(deployed, run) for run in runs] == [(f"{LEADS}/{LEADS} sent", sent)] * 2
    assert [worker.log.read_text().count(TAKEN[world.engine]) for worker in workers] == [
        1,
        1,
    ]
    assert world.gmail.get("/sandbox/duplicates").json() == {}
    assert world.mails() == 2 * LEADS
    starts = world.db.execute(
        "select array_agg(extract(epoch from started_at)::float order by started_at)"
        " from send_attempts group by account_id"
    ).fetchall()
    gaps = [after - before for (times,) in starts for before, after in pairwise(times)]
    assert len(gaps) == 2 * LEADS - len(SENDERS)
    assert min(gaps) >= 0.95 * PACE_SECONDS - 0.001  # what begin_attempt allows
    with psycopg.connect(server_of_prefect.database.url.get_secret_value()) as db:
        kept = db.execute("select id from flow_run where id = any (%s)", [runs]).fetchall()
    assert {row[0] for row in kept} == set(runs)


def test_the_wheel_has_all_that_a_machine_needs(world: World, installed: Path) -> None:
    """Its own code, its migrations and the sample deck, and never the checkout's."""
    said = subprocess.run(
        [sys.executable, "-c", WHERE],
        cwd=world.folder,
        env={**environment(world.folder), "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    packages = [str(installed / name) for name in ("deployments", "flows", "tasks", "outreach")]
    there = len([*(ROOT / "supabase" / "migrations").glob("*.sql")])
    assert said.splitlines() == [*packages, str(there)]
    assert [*(installed / "outreach" / "assets").glob("*.pdf")]

    migrated = world.command("db", "migrate", PYTHONPATH=str(installed))
    assert migrated.communicate()[0] == "The schema is up to date; nothing was new.\n"


def test_who_does_not_know_the_password_is_refused_in_a_sentence(
    world: World, deployed: str
) -> None:
    """Programs with 401; our commands say which setting is wrong, and nothing is started."""
    campaign, other = two_campaigns(world.store)
    wrong = {"PREFECT_API_AUTH_STRING": "admin:wrong"}
    refused, _ = curl(deployed, "/flow_runs/filter", {}, auth="admin:wrong")
    commands = [
        world.command("campaigns", "start", str(campaign), **wrong),
        world.command("campaigns", "start", str(other), "--local", **wrong),
        world.command("doctor", **wrong),
    ]
    started, local, doctor = [(*command.communicate(), command.returncode) for command in commands]

    told = "refuses PREFECT_API_AUTH_STRING or PREFECT_API_KEY (HTTP 401)"
    assert refused == 401
    for out, err, status in (started, local):
        assert (out, status) == ("", 1)
        assert err.startswith(f"Error: Nothing was started, since Prefect {told}; set it to")
        assert err.count("\n") == 1
    assert "fail prefect" in doctor[0]
    assert f"{told}." in doctor[0]
    assert doctor[2] == 1
    assert "wrong" not in "".join(text for told in (started, local, doctor) for text in told[:2])
    assert world.mails() == 0
    assert world.runs_of(campaign) == set()
