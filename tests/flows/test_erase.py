"""A person who was erased: nothing of ours holds the address any more, in the database or in Prefect."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from flows.send_campaign import send_campaign
from outreach.cli import app
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign

SECRETS = ("lead1@acme1.example", "lead1@", "Lead 1")
ROWS = sql.SQL("select to_jsonb(x)::text from public.{} x")
LISTS = ("flow_runs", "task_runs", "logs", "artifacts", "events")


def test_nothing_of_ours_holds_the_address_afterwards(
    store: Store,
    new_campaign: NewCampaign,
    prefect_api: str,
    database: SecretStr,
    db: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run's page, its logs, artifacts and events held it never; its counts stay."""
    campaign = new_campaign(leads=3)
    send_campaign(campaign, return_state=True)
    assert [secret for secret in SECRETS if secret in "".join(tables(db))]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())
    assert app.run(["leads", "erase", "Lead1@Acme1.example", "--by", "Ann"]) == 0
    assert capsys.readouterr().out == "Erased: 1 lead(s), 1 mail(s) in the log.\n"
    everything = "".join([*tables(db), *prefect(prefect_api), *home(tmp_path / "home")])
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "Lead 2" in everything
    assert store.campaign_status(campaign).leads.sent == 3


def tables(db: psycopg.Connection) -> Iterator[str]:
    """Every row of every table."""
    names = db.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    ).fetchall()
    for (name,) in names:
        for (row,) in db.execute(ROWS.format(sql.Identifier(name))):
            yield row


def prefect(api: str) -> Iterator[str]:
    """What its server tells of runs, logs, artifacts and events."""
    for name in LISTS:
        answer = httpx.post(f"{api}/{name}/filter", json={"limit": 50 if name == "events" else 200})
        yield answer.raise_for_status().text


def home(folder: Path) -> Iterator[str]:
    """Every file of the folder of what is run on this machine."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.read_bytes().decode("latin-1")
