"""A worker of a release that the database no longer serves: it stops, and holds up nobody."""

from collections.abc import Callable
from uuid import UUID

import httpx
import psycopg
import pytest

from flows.dispatch_campaigns import dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.store.store import Store
from tests.flows.conftest import NewCampaign

pytestmark = pytest.mark.usefixtures("prefect_api")

NEWER = (
    "insert into public.schema_releases (version, hash, functions, calls_since)"
    " select '29990101000000', hash, functions, '29990101000000' from public.schema_releases"
    " order by version desc limit 1 on conflict do nothing"
)


@pytest.fixture
def release_newer(db: psycopg.Connection) -> Callable[[], None]:
    """Another machine releases functions that this version may not call."""
    return lambda: db.execute(NEWER) and None


@pytest.fixture
def update_this_machine(db: psycopg.Connection) -> Callable[[], None]:
    """From then on the newest release is this version's again."""
    return lambda: db.execute("delete from schema_releases where version > '2999'") and None


def rest(store: Store, campaign: UUID) -> tuple[str, str | None, LeadCounts]:
    status = store.campaign_status(campaign)
    return status.status, status.error, status.leads


def test_it_begins_no_campaign(
    store: Store, new_campaign: NewCampaign, release_newer: Callable[[], None]
) -> None:
    """The run fails with the sentence; the campaign is as it was."""
    campaign = new_campaign(leads=2)
    release_newer()

    state = send_campaign(campaign, return_state=True)

    assert state.name == "Failed"
    assert "which this version" in str(state.message)
    assert rest(store, campaign) == ("running", None, LeadCounts(pending=2))


@pytest.mark.slow
def test_it_stops_at_its_next_claim_and_another_goes_on(
    store: Store,
    new_campaign: NewCampaign,
    db: psycopg.Connection,
    gmail: httpx.Client,
    update_this_machine: Callable[[], None],
) -> None:
    """Released with its first claim: what is in flight is recorded, nobody is mailed twice."""
    campaign = new_campaign(leads=250)
    db.execute(
        "create function releases() returns trigger language plpgsql as"
        f" $$ begin {NEWER}; return null; end $$;"
        "create trigger releases after update on campaign_leads for each row"
        " when (new.claim_token is not null) execute function releases()"
    )

    stopped = send_campaign(campaign, return_state=True)
    status, error, leads = rest(store, campaign)
    db.execute("drop trigger releases on campaign_leads")
    update_this_machine()
    goes_on = send_campaign(campaign, return_state=True)

    assert "which this version" in str(stopped.message)
    assert (status, error, leads.pending > 0, leads.failed) == ("running", None, True, 0)
    assert (goes_on.message, rest(store, campaign)[0]) == ("250/250 sent", "completed")
    assert gmail.get("/sandbox/duplicates").json() == {}


def test_its_dispatcher_starts_nothing(
    store: Store, new_campaign: NewCampaign, release_newer: Callable[[], None]
) -> None:
    """Where runs would only be refused."""
    campaign = new_campaign(leads=1)
    release_newer()

    state = dispatch_campaigns(return_state=True)

    assert "which this version" in str(state.message)
    assert store.campaign_status(campaign).flow_run_ids == []
