"""Follow-ups, as an operator types them, and as a flow mails them."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from flows.read_mailboxes import read_mailboxes
from flows.send_campaign import send_campaign
from outreach.cli import app
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign

Outreach = Callable[..., tuple[int, str, str]]


@pytest.fixture
def outreach(
    database: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outreach:
    """Runs the command in this process, away from any `.env`: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())
    (tmp_path / "more.html").write_text("<p>Hello {{ name }}, once more.</p>")

    def run(*arguments: object) -> tuple[int, str, str]:
        status = app.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def test_a_follow_up_goes_to_who_did_not_answer(
    store: Store,
    new_campaign: NewCampaign,
    outreach: Outreach,
    db: psycopg.Connection,
    gmail: httpx.Client,
) -> None:
    """From the word to the mail: planned by the dispatcher's step, sent by the flow."""
    campaign = new_campaign(leads=3)
    send_campaign(campaign, return_state=True)
    status, out, err = outreach(
        "campaigns", "follow-up", campaign, "--after", "3d", "--template", "more.html"
    )
    step = UUID(out.strip())
    assert (status, err) == (0, "It is step 2; 0 lead(s) are due at once.\n")
    first = gmail.get("/sandbox/mails").json()[0]
    gmail.post("/sandbox/inbound", json={"kind": "reply", "mail": first["id"]})
    read_mailboxes()
    db.execute("update campaign_leads set sent_at = sent_at - interval '3 days'")
    db.execute("update campaigns set next_follow_at = null")

    assert store.plan_steps() == 3
    send_campaign(step, return_state=True)

    mails = gmail.get("/sandbox/mails").json()
    assert [mail["subject"] for mail in mails[3:]] == ["Re: A deck for you"] * 2
    assert len({mail["thread_id"] for mail in mails}) == 3
    [told] = store.campaign_status(campaign).steps
    assert (told.id, told.step, told.leads.sent, told.saved, told.waiting) == (step, 2, 2, 1, 0)
    assert "saved" in outreach("campaigns", "status", campaign)[1]
    assert "Spring (step 2)" in outreach("campaigns", "list")[1]
    assert outreach("campaigns", "follow-up", "remove", step)[0] == 1


def test_a_step_that_mailed_nobody_is_removed(
    store: Store, new_campaign: NewCampaign, outreach: Outreach
) -> None:
    campaign = new_campaign(leads=1)
    made = json.loads(outreach("campaigns", "follow-up", campaign, "--after", "2h", "--json")[1])
    assert made == {"id": made["id"], "step": 2, "due": 0}
    assert outreach("campaigns", "follow-up", "remove", made["id"])[0] == 0
    assert [one.id for one in store.list_campaigns()] == [campaign]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--after", "soon"], "'soon' is not a delay between a second and a year; write 90s, 2h or 3d."),
        (["--after", "0d"], "'0d' is not a delay between a second and a year; write 90s, 2h or 3d."),
        (["--after", "400d"], "'400d' is not a delay between a second and a year; write 90s, 2h or 3d."),
        (["--after", "1d", "--max-late", "x"], "'x' is not a delay between a second and a year; write 90s, 2h or 3d."),
        (["--after", "1d", "--since", "June"], "'June' is not a time; write --since like 2026-12-01 or 2026-12-01T09:00:00+01:00."),
        ([], "give the campaign's ID and --after, or remove and the step's ID"),
    ],
)  # fmt: skip
def test_a_wrong_follow_up_changes_nothing(
    store: Store, new_campaign: NewCampaign, outreach: Outreach, arguments: list[str], told: str
) -> None:
    campaign = new_campaign(leads=1)
    status, out, err = outreach("campaigns", "follow-up", campaign, *arguments)
    assert (status != 0, out) == (True, "")
    assert told in err
    assert [one.id for one in store.list_campaigns()] == [campaign]


def test_a_step_of_a_step_is_refused_with_the_campaign_to_name(
    new_campaign: NewCampaign, outreach: Outreach
) -> None:
    campaign = new_campaign(leads=1)
    step = outreach("campaigns", "follow-up", campaign, "--after", "2h")[1].strip()
    status, _, err = outreach("campaigns", "follow-up", step, "--after", "2h")
    assert (status, str(campaign) in err) == (1, True)
