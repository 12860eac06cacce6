"""The log of a run has a line for each mail that was sent, unless it is told not to."""

import logging
from collections.abc import Iterator
from email.message import EmailMessage
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.logging.handlers import APILogHandler

from flows.send_campaign import send_campaign
from outreach import wiring
from outreach.mail.mime import Mail
from outreach.settings import Settings
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign

LOGGER = "prefect.flow_runs"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What a worker logs: tests have it at ERROR otherwise."""
    with caplog.at_level(logging.INFO, LOGGER):
        yield caplog
    APILogHandler().flush()


def lines(log: pytest.LogCaptureFixture, beginning: str) -> list[str]:
    """The mails of a second are one record of several lines."""
    written = "\n".join(log.messages).splitlines()
    return sorted(line for line in written if line.startswith(beginning))


def test_each_mail_that_was_sent_is_one_line_with_its_ids(
    gmail: httpx.Client,
    db: psycopg.Connection,
    new_campaign: NewCampaign,
    log: pytest.LogCaptureFixture,
) -> None:
    """Lead and account masked; what was not sent has none."""
    send_campaign(
        new_campaign(
            [
                {"email": f"{name}@acme.example", "email_subject": "Hi", "email_template": "Hi",
                 "company": name}
                for name in ("bob", "eve", "refused")
            ]
        )
    )  # fmt: skip

    leads = dict(
        db.execute(
            "select l.email, cl.id from campaign_leads cl join leads l on l.id = cl.lead_id"
        ).fetchall()
    )
    assert lines(log, "Sent: ") == sorted(
        f"Sent: {mail['to'][0]}…@acme.example by s…@ours.example, lead {leads[mail['to']]},"
        f" message {mail['id']}, thread {mail['thread_id']}"
        for mail in gmail.get("/sandbox/mails").json()
    )
    assert len(lines(log, "Sent: ")) == 2


def test_log_sends_0_leaves_these_lines_out(
    settings: Settings, new_campaign: NewCampaign, log: pytest.LogCaptureFixture
) -> None:
    """The others stay."""
    campaign = new_campaign(leads=3)

    with wiring.using(settings.model_copy(update={"log_sends": False})):
        send_campaign(campaign)

    assert (lines(log, "Sent: "), lines(log, "Spring: 3/3")) == (
        [],
        ["Spring: 3/3 sent (completed)"],
    )


def test_a_follow_up_whose_thread_is_gone_is_told(
    store: Store,
    db: psycopg.Connection,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    log: pytest.LogCaptureFixture,
) -> None:
    """Somebody deleted it: the follow-up opens a new one."""
    campaign, step = new_campaign(leads=1), uuid4()
    send_campaign(campaign)
    store.add_step(campaign, step, seconds=1)
    db.execute("update campaign_leads set sent_at = sent_at - interval '1 minute'")
    assert store.plan_steps() == 1
    gmail.post("/sandbox/faults", json={"fault": "not_found_404", "on": "threads.get"})

    send_campaign(step)

    assert lines(log, "l…@acme0.example: ") == [
        "l…@acme0.example: the thread of the mail before is gone, so the follow-up opens a new one"
    ]
    assert len({mail["thread_id"] for mail in gmail.get("/sandbox/mails").json()}) == 2


def test_a_mail_in_doubt_that_was_sent_is_told_with_its_ids(
    store: Store,
    db: psycopg.Connection,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    log: pytest.LogCaptureFixture,
) -> None:
    """Its sender died after the post: the next run finds the mail."""
    campaign, dead = new_campaign(leads=1), uuid4()
    store.begin_run(campaign, dead, 60)
    lead = _post_and_die(store, campaign, dead)
    db.execute("update send_attempts set started_at = started_at - interval '1 hour'")
    store.release_run(campaign, dead)

    send_campaign(campaign)

    (mail,) = gmail.get("/sandbox/mails").json()
    (line,) = lines(log, "A mail in doubt")
    assert line == (
        f"A mail in doubt was settled: sent: l…@acme0.example by s…@ours.example, lead {lead},"
        f" message {mail['id']}, thread {mail['thread_id']}"
    )


def _post_and_die(store: Store, campaign: UUID, run: UUID) -> UUID:
    """The lead whose mail left without a record."""
    (claim,) = store.claim_leads(uuid4(), campaign, run, 1).claims
    message = EmailMessage()
    message["To"], message["From"] = claim.lead.email, claim.sender.email
    message.set_content("Hi o123")
    mailer = wiring.current().mailer
    prepared = mailer.prepare(claim.sender.id, Mail(message.as_bytes()), "o123")
    store.begin_attempt(uuid4(), claim, run, "o123", prepared.draft_id, prepared.thread_id)
    mailer.commit(prepared)
    return claim.id
