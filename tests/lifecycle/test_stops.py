"""A stop is no death: the campaign is given back, the next start goes on, nothing counts against it."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox
from outreach.settings import Settings
from tests.flows.conftest import PDF, NewCampaign
from tests.lifecycle.sender import WAYS, Sender, row, until

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(600)]

LEADS = 60


@pytest.fixture
def settings(database: SecretStr, sandbox: Sandbox, tmp_path: Path) -> Settings:
    """A mail a second."""
    deck = tmp_path / "deck.pdf"
    deck.write_bytes(PDF)
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path / "a home",
        gmail_api_url=sandbox.url,
        google_token_url=sandbox.token_url,
        app_url="https://app.example",
        attachment_pdf=str(deck),
        send_pace_seconds=1,
        gmail_timeout_seconds=15,
        gmail_settle_seconds=0.5,
    )


@pytest.fixture
def sender(settings: Settings, gmail: httpx.Client, tmp_path: Path) -> Iterator[Sender]:
    made = Sender(settings, tmp_path, gmail)
    yield made
    made.close()


def states(db: psycopg.Connection, campaign: UUID) -> Counter[str]:
    found = db.execute(
        "select status::text from campaign_leads where campaign_id = %s", [campaign]
    ).fetchall()
    return Counter(status for (status,) in found)


def test_five_stops_cost_neither_a_mail_nor_the_campaign(
    sender: Sender, db: psycopg.Connection, new_campaign: NewCampaign, gmail: httpx.Client
) -> None:
    """In each of an operator's ways, in mid-campaign; how soon each start goes on is printed."""
    campaign = new_campaign(leads=LEADS)
    for way in (*WAYS, "SIGTERM"):
        before = sender.sent()
        began = sender.start()
        until(lambda before=before: sender.sent() > before, "the first mail")
        print(f"{way}: first mail {time.monotonic() - began:.1f} s after the start")  # noqa: T201
        until(lambda before=before: sender.sent() > before + 3, "some more")
        assert sender.stop(way) == 0
        assert row(db, campaign, "status", "run_id", "crash_count") == ("running", None, 0)
        assert db.execute("select from send_attempts where outcome is null").fetchall() == []

    began = sender.start()
    until(lambda: row(db, campaign, "status") == ("completed",), "the end", 120)
    assert sender.stop() == 0

    assert states(db, campaign) == {"sent": LEADS}
    assert gmail.get("/sandbox/duplicates").json() == {}
    assert "Traceback" not in sender.logs()
    assert row(db, campaign, "crash_count", "error") == (0, None)


def test_ten_stops_without_progress_are_no_error(
    sender: Sender, db: psycopg.Connection, new_campaign: NewCampaign, gmail: httpx.Client
) -> None:
    """At any moment of a run, its beginning too: somebody who stops is no cause to give up."""
    campaign = new_campaign(leads=3)
    gmail.post("/sandbox/faults", json={"fault": "unavailable_503", "on": "drafts.create"})
    for number in range(10):
        sender.start()
        begun = (
            ("run_id is not null",)
            if number % 2
            else ("dispatched_at is not null or run_id is not null",)
        )
        until(lambda begun=begun: row(db, campaign, *begun) == (True,), "a run of it")
        assert sender.stop() == 0
        found = row(db, campaign, "status", "run_id", "crash_count", "dispatch_misses", "error")
        assert found[:3] + found[4:] == ("running", None, 0, None), number

    assert sender.sent() == 0
    gmail.delete("/sandbox/faults")
    sender.start()
    until(lambda: row(db, campaign, "status") == ("completed",), "the end", 180)
    assert sender.stop() == 0
    assert states(db, campaign) == {"sent": 3}


def test_a_stop_waits_for_the_mail_in_flight(
    sender: Sender, db: psycopg.Connection, new_campaign: NewCampaign, gmail: httpx.Client
) -> None:
    """It is recorded, nothing else leaves, and the operator reads what is waited for."""
    campaign = new_campaign(leads=5)
    gmail.post("/sandbox/settings", json={"latency_seconds": 6})
    sender.start()
    until(lambda: db.execute("select from send_attempts").fetchall(), "a mail in flight")

    assert sender.stop() == 0

    assert "Waiting until the mails in flight are recorded, 30 s at most" in sender.said
    outcomes = db.execute("select outcome from send_attempts").fetchall()
    assert set(outcomes) == {("sent",)}
    assert states(db, campaign) == {"sent": sender.sent(), "pending": 5 - len(outcomes)}


def test_what_a_killed_one_left_is_ended_by_the_next(
    sender: Sender, db: psycopg.Connection, new_campaign: NewCampaign, gmail: httpx.Client
) -> None:
    """It would go on mailing with the old settings."""
    campaign = new_campaign(leads=20)
    sender.start()
    until(lambda: sender.sent() >= 2, "mails")
    sender.kill()
    left = {process.pid for process in sender.parts()}
    assert len(left) >= 2  # the server and the worker

    sender.start()

    assert "Ending what an `outreach up` that was killed left running: processes" in sender.said
    assert all(str(pid) in sender.said for pid in left)
    assert not left & {process.pid for process in sender.parts()}
    until(lambda: row(db, campaign, "status") == ("completed",), "the end", 120)
    assert sender.stop() == 0
    assert states(db, campaign) == {"sent": 20}
    assert gmail.get("/sandbox/duplicates").json() == {}


def test_down_ends_what_a_killed_one_left(
    sender: Sender, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """And has nothing to do, without an error, where nothing runs."""
    nothing = f"Nothing of `outreach up` runs on {sender.home}.\n"
    assert (sender.outreach("down").stdout, sender.home.exists()) == (nothing, False)
    campaign = new_campaign(leads=20)
    sender.start()
    until(lambda: sender.sent() >= 2, "mails")
    sender.kill()

    ended = sender.outreach("down")

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "Ended.")
    assert sender.parts() == []
    assert row(db, campaign, "status", "run_id", "crash_count") == ("running", None, 0)
    assert sender.outreach("down").stdout == nothing
