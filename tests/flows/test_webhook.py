"""Supabase's database asks Prefect for a run, by the SQL of docs/operating.md."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client

from flows.send_campaign import send_campaign
from tests.postgrest.fixtures import Project

DOCS = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")
PASSWORD = "admin:a-long-random-word"
HOSTED = """
create schema net;
create table net.http_request_queue (id bigserial, method text, url text, headers jsonb, body bytea);
create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000
) returns bigint language sql as $$
  insert into net.http_request_queue (method, url, headers, body)
  values ('POST', url, headers, convert_to(body::text, 'UTF8')) returning id
$$;
create schema vault;
create table vault.decrypted_secrets (name text, decrypted_secret text);
create function vault.create_secret(secret text, name text) returns void language sql as $$
  insert into vault.decrypted_secrets values (name, secret)
$$;
"""
"""Of pg_net and Vault what is called: no package has them. The queue's worker is the test."""


@pytest.fixture
def deployment(prefect_api: str) -> Iterator[str]:
    """The address of its runs; nobody serves it."""
    with get_client(sync_client=True) as client:
        made = client.create_deployment(
            flow_id=client.create_flow(send_campaign),
            name="asked",
            entrypoint="flows.send_campaign.send_campaign",
            parameter_openapi_schema={},
        )
        yield f"{prefect_api}/deployments/{made}/create_flow_run"
        client.delete_deployment(made)


@pytest.fixture
def asking(postgrest: Project, db: psycopg.Connection, deployment: str) -> Project:
    """A project whose database asks."""
    (sql,) = re.findall(r"```sql\n(.*?ask_prefect.*?)```", DOCS, re.DOTALL)
    address = "https://prefect.company.example/api/deployments/DEPLOYMENT/create_flow_run"
    assert address in sql
    db.execute(HOSTED.encode() + sql.replace(address, deployment).encode())
    return postgrest


def draft(db: psycopg.Connection) -> UUID:
    campaign = uuid4()
    db.execute(
        "insert into campaigns (id, name, status) values (%s, 'Spring', 'draft')", [campaign]
    )
    return campaign


def set_running(project: Project, campaign: UUID) -> None:
    """As a web app does."""
    with project.client(project.keys.secret) as web_app:
        changed = {"status": "running"}
        web_app.patch(f"/campaigns?id=eq.{campaign}", json=changed).raise_for_status()


def asked(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute("select url, headers, body from net.http_request_queue").fetchall()


def test_a_row_set_to_running_makes_a_run(
    asking: Project, db: psycopg.Connection, deployment: str
) -> None:
    """Once: what is written to the row later asks for nothing."""
    campaign = draft(db)
    set_running(asking, campaign)
    set_running(asking, campaign)
    db.execute("update campaigns set name = 'Summer'")

    ((url, headers, body),) = asked(db)
    made = httpx.post(url, headers=headers, content=body)

    assert (url, made.status_code) == (deployment, 201)
    assert made.json()["parameters"] == {"campaign_id": str(campaign)}
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == PASSWORD


def test_who_has_a_run_of_it_asks_for_none(asking: Project, db: psycopg.Connection) -> None:
    """`campaigns start` makes its own, and one that was made by the API begins a draft."""
    started, begun = draft(db), draft(db)
    with asking.client(asking.keys.secret) as worker:
        own = {"campaign": str(begun), "run": str(uuid4()), "lease_seconds": 60}
        worker.post("/rpc/begin_run", json=own).raise_for_status()
        worker.post("/rpc/start_campaign", json={"campaign": str(started), "asked": True})

    assert db.execute("select distinct status::text from campaigns").fetchall() == [("running",)]
    assert asked(db) == []


def test_a_row_is_written_whatever_becomes_of_the_request(
    asking: Project, db: psycopg.Connection
) -> None:
    """The extension was switched off, say: the dispatcher finds the row."""
    campaign = draft(db)
    db.execute("drop schema net cascade")

    set_running(asking, campaign)

    assert db.execute("select status::text from campaigns").fetchall() == [("running",)]


def test_prefect_takes_no_body_of_supabases_own_webhooks(prefect_api: str, deployment: str) -> None:
    """It cannot be shaped: so the docs have a trigger."""
    row = {"id": str(uuid4()), "status": "running"}
    body = {"type": "UPDATE", "table": "campaigns", "schema": "public", "record": row}

    answers = [
        httpx.post(url, json=body | {"old_record": row | {"status": "draft"}}).status_code
        for url in (deployment, f"{prefect_api}/events")
    ]

    assert answers == [422, 422]
