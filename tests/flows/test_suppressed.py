"""Suppressed leads in real runs: no mail, no draft that stays, and a reason that people read."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, ArtifactFilterType

from flows.send_campaign import send_campaign
from outreach.campaign.models import Cancelled, Claim, LeadCounts
from outreach.delivery.sender import Sending
from outreach.mail.compose import compose
from outreach.mail.content import Content, content
from outreach.mail.mime import Mail
from outreach.mail.unsubscribe import NONE
from outreach.store.store import Store
from outreach.wiring import current
from tasks.dispatch import sweep_suppressed
from tests.flows.conftest import NewCampaign

pytestmark = pytest.mark.usefixtures("prefect_api")


def suppress(store: Store, key: str) -> None:
    store.suppress([{"key": key, "cause": "opt_out"}], "command")


def claimed(store: Store, campaign: UUID) -> tuple[UUID, Claim]:
    run = uuid4()
    store.begin_run(campaign, run, 60)
    return run, store.claim_leads(uuid4(), campaign, run, 1).claims[0]


def sending(run: UUID, then: Callable[[], None] = lambda: None) -> Sending:
    """A sender; `then` happens when it has made the mail."""

    def build(claim: Claim, token: str) -> tuple[Mail, Content]:
        made = compose(
            claim, sender=claim.sender, attachment=None, pixel_url=None, search_token=token,
            date=datetime.now(UTC), opt_out=NONE,
        )  # fmt: skip
        then()
        return made.mail, content(claim, made, None, own=claim.own_text)

    return Sending(
        store=current().store, mailer=current().mailer, settings=current().settings, run=run,
        build=build, wait=lambda _: False, in_flight=lambda: nullcontext(True),
    )  # fmt: skip


def test_who_opted_out_is_not_mailed_and_the_summary_says_so(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """And what came back, and of whom nothing is seen."""
    campaign = new_campaign(leads=4)
    db.execute(
        "with back as (insert into inbound (account_id, kind, received_at)"
        " select id, 'reply', now() from accounts returning id)"
        " insert into inbound_mails (inbound_id, attempt_id, campaign_id, campaign_lead_id)"
        " select back.id, gen_random_uuid(), cl.campaign_id, cl.id from back, campaign_leads cl"
        " limit 1"
    )
    db.execute("insert into mailboxes (account_id, can_read) select id, false from accounts")
    suppress(store, "lead1@acme1.example")
    suppress(store, "acme3.example")
    state = send_campaign(campaign, return_state=True)
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=["campaign-summary"]),
                type=ArtifactFilterType(any_=["markdown"]),
            )
        )
    status = store.campaign_status(campaign)
    assert (state.message, status.status) == ("2/4 sent", "completed")
    assert status.leads == LeadCounts(sent=2, cancelled=2)
    assert len(gmail.get("/sandbox/mails").json()) == 2
    (told,) = (str(one.data) for one in artifacts if "Not mailed: 2 opted out." in str(one.data))
    assert "Came back so far: 1 replied." in told
    assert "s…@ours.example: The account lets us send but not read" in told


def test_a_lead_that_opts_out_while_its_mail_is_made_leaves_no_draft(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    run, claim = claimed(store, new_campaign(leads=1))
    outcome = sending(run, lambda: suppress(store, "lead0@acme0.example")).send(claim)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert outcome == Cancelled(reason=f"opted out on {today}")
    assert [*current().mailer.drafts(claim.sender.id)] == []
    assert gmail.get("/sandbox/mails").json() == []


def test_the_draft_that_settling_left_is_deleted_too(
    store: Store, new_campaign: NewCampaign
) -> None:
    """Its run died before the mail left; then its recipient opted out."""
    campaign = new_campaign(leads=1)
    run, claim = claimed(store, campaign)
    mail, made_from = sending(run)._build(claim, "o1")
    prepared = current().mailer.prepare(claim.sender.id, mail, "o1")
    attempt = uuid4()
    store.begin_attempt(
        attempt, claim, run, "o1", prepared.draft_id, prepared.thread_id, content=made_from
    )
    store.record_outcome(attempt, "not_sent", again_after=0)
    again = store.claim_leads(uuid4(), campaign, run, 1).claims[0]
    assert again.draft is not None
    suppress(store, "lead0@acme0.example")
    outcome = sending(run).send(again)
    assert outcome.kind == "cancelled"
    assert [*current().mailer.drafts(claim.sender.id)] == []


def test_the_dispatcher_cancels_leads_of_campaigns_that_nobody_sends(
    store: Store, new_campaign: NewCampaign
) -> None:
    campaign = new_campaign(leads=3)
    store.pause_campaign(campaign)
    suppress(store, "lead2@acme2.example")
    flow(sweep_suppressed.fn)()
    assert store.campaign_status(campaign).leads == LeadCounts(pending=2, cancelled=1)
