"""Pausing, resuming and retrying, as an operator types it."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from outreach.campaign.models import LeadCounts
from outreach.cli import app
from outreach.store.store import Store


@pytest.fixture
def campaign(store: Store) -> UUID:
    """A running campaign of two leads over two accounts, one each."""
    for number in (1, 2):
        store.save_account(uuid4(), f"sender{number}@ours.example", refresh_token="t")
    store.import_leads([{"email": f"lead{n}@acme.example"} for n in (1, 2)], tag="x")
    made = uuid4()
    store.create_campaign(made, "Spring", ["sender1@ours.example", "sender2@ours.example"], tag="x")
    store.start_campaign(made)
    return made


@pytest.fixture
def outreach(
    database: SecretStr,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process, away from any `.env`: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.get_secret_value())

    def run(*arguments: object) -> tuple[int, str, str]:
        status = app.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


Outreach = Callable[..., tuple[int, str, str]]


def test_a_paused_campaign_is_claimed_by_nobody_until_it_is_resumed(
    outreach: Outreach, store: Store, campaign: UUID
) -> None:
    """The status stays `running`, as the web app knows it."""
    assert outreach("campaigns", "pause", campaign)[0] == 0
    paused = store.begin_run(campaign, uuid4(), 60).answer
    assert outreach("campaigns", "resume", campaign)[0] == 0

    resumed = store.begin_run(campaign, uuid4(), 60).answer

    assert (paused, resumed) == ("paused", "begun")


@pytest.mark.parametrize("how", [[], ["--local"]])
def test_a_paused_campaign_is_resumed_not_started(
    outreach: Outreach, store: Store, campaign: UUID, how: list[str]
) -> None:
    """After a change of senders a person has to look first: `resume` says so."""
    store.pause_campaign(campaign)

    status, out, error = outreach("campaigns", "start", campaign, *how)

    assert (status, out) == (1, "")
    assert "is paused; `outreach campaigns resume ID` goes on with it" in error


def test_a_campaign_that_cannot_be_paused_or_resumed_says_so(
    outreach: Outreach, store: Store, campaign: UUID
) -> None:
    """One sentence, and exit status 1."""
    store.cancel_campaign(campaign)

    pause, resume = (outreach("campaigns", verb, campaign) for verb in ("pause", "resume"))

    assert (pause[0], resume[0]) == (1, 1)
    assert "cancelled" in pause[2]
    assert "nothing to resume" in resume[2]


def test_an_empty_reason_retries_nobody(
    outreach: Outreach, db: psycopg.Connection, campaign: UUID
) -> None:
    """As a script's unset variable gives it: it would fit every failed lead."""
    db.execute("update campaign_leads set status = 'failed', error = 'reconnect the account'")
    status, _, error = outreach("campaigns", "retry-failed", campaign, "--reason", "")
    assert (status, "empty text" in error) == (1, True)
    assert db.execute("select distinct status::text from campaign_leads").fetchall() == [
        ("failed",)
    ]


def test_failed_leads_of_one_account_are_pending_again(
    outreach: Outreach, store: Store, db: psycopg.Connection, campaign: UUID
) -> None:
    """After it was reconnected; the campaign runs again."""
    db.execute("update campaign_leads set status = 'failed', error = 'reconnect the account'")
    db.execute("update campaigns set status = 'error', error = 'All email sends failed'")

    status, out, _ = outreach(
        "campaigns", "retry-failed", campaign, "--account", "SENDER1@ours.example", "--json"
    )

    assert (status, json.loads(out)) == (0, {"id": str(campaign), "leads": 1})
    after = store.campaign_status(campaign)
    assert (after.status, after.error, after.leads) == (
        "running",
        None,
        LeadCounts(pending=1, failed=1),
    )


def test_what_may_have_been_sent_is_retried_only_when_asked_for(
    outreach: Outreach, store: Store, campaign: UUID
) -> None:
    """Whoever asks says that it was not sent: the address may be mailed again."""
    run, attempt = uuid4(), uuid4()
    store.begin_run(campaign, run, 60)
    claim = store.claim_leads(uuid4(), campaign, run, 10).claims[0]
    store.begin_attempt(attempt, claim, run, "token", "draft", "thread")
    store.record_outcome(attempt, "unclear", why="the answer was lost")

    careful = outreach("campaigns", "retry-failed", campaign)
    bold = outreach("campaigns", "retry-failed", campaign, "--include-unclear")

    assert (careful[1], bold[0]) == ("No failed lead fits.\n", 0)
    assert store.campaign_status(campaign).leads == LeadCounts(pending=2)
