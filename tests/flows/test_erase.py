"""A person who was erased: nothing of ours holds the address any more, in the database or in Prefect."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.settings import PREFECT_HOME
from psycopg import sql

from flows.send_campaign import send_campaign
from outreach.cli import app
from outreach.settings import Settings
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign
from tests.flows.conftest import _lead as lead

MIA = "mia.unforgotten@acme1.example"
SECRETS = (MIA, "mia.unforgotten", "Mia Unforgotten", "her own text")
ANSWERS = ("reply", "away", "bounce", "unsubscribe")
ROWS = sql.SQL("select to_jsonb(x)::text from public.{} x")
LISTS = ("flow_runs", "task_runs", "logs", "artifacts", "events")


@pytest.fixture
def outreach(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """The command, with the settings of this test."""
    monkeypatch.chdir(tmp_path)
    for name, value in settings.exported().items():
        monkeypatch.setenv(name, value)
    return lambda *words: app.run(list(words))


def test_nothing_of_ours_holds_the_address_afterwards(
    store: Store,
    new_campaign: NewCampaign,
    prefect_api: str,
    db: psycopg.Connection,
    gmail: httpx.Client,
    tmp_path: Path,
    outreach: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Mailed twice, she answered in every way. Prefect held her address never; the counts stay."""
    mia = {**lead(1), "email": MIA, "name": "Mia Unforgotten", "email_template": "her own text"}
    campaign = new_campaign(leads=[mia, lead(8), lead(2)])  # 8 is of her company
    send_campaign(campaign, return_state=True)
    step = followed(store, db, campaign)
    answered(gmail)
    assert outreach("mailboxes", "read") == 0
    pending = uuid4()
    store.create_campaign(pending, "Summer", ["sender0@ours.example"], tag="test")
    assert [secret for secret in SECRETS if secret in "".join(tables(db))] == list(SECRETS)

    capfd.readouterr()
    assert outreach("leads", "erase", MIA.title(), "--by", "Ann") == 0
    assert capfd.readouterr().out == "Erased: 1 lead(s), 2 mail(s) in the log.\n"

    seen = tmp_path / "seen"
    outreach("campaigns", "leads", str(step))
    outreach("campaigns", "replies", str(campaign))
    outreach("campaigns", "preview", str(pending), "--out", str(seen))
    told = "".join(capfd.readouterr())
    everything = [*tables(db), *prefect(prefect_api), told]
    for folder in (tmp_path / "home", PREFECT_HOME.value(), seen):
        everything += files(folder)
    assert [secret for secret in SECRETS if any(secret in one for one in everything)] == []
    assert "lead2@acme2.example" in told
    assert [store.campaign_status(one).leads.sent for one in (campaign, step)] == [3, 3]


def followed(store: Store, db: psycopg.Connection, campaign: UUID) -> UUID:
    """A step that all of its leads were sent."""
    step = uuid4()
    store.add_step(campaign, step, seconds=1, template="<p>Once more, {{ name }}</p>")
    db.execute("update campaign_leads set sent_at = sent_at - interval '2 seconds'")
    while store.plan_steps():
        pass
    send_campaign(step, return_state=True)
    return step


def answered(gmail: httpx.Client) -> None:
    mails = [mail["id"] for mail in gmail.get("/sandbox/mails").json() if mail["to"] == MIA]
    assert len(mails) == 2
    for kind in ANSWERS:
        body = {"kind": kind, "mail": mails[0]}
        gmail.post("/sandbox/inbound", json=body).raise_for_status()


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


def files(folder: Path) -> Iterator[str]:
    """Every file below the folder, such as logs, results and Prefect's own database."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.read_bytes().decode("latin-1")
