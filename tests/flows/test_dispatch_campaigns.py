"""The dispatcher against a real Prefect server: what is due is started, what died is put right."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Cancelling, Pending, Running

from deployments.provision import before_deployments
from flows.dispatch_campaigns import dispatch_campaigns
from flows.read_mailboxes import read_mailboxes
from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.deployment_names import POOL, SEND
from outreach.store.store import Store
from tasks.boards import DIGEST, DIGEST_EVENT, UPCOMING, publish_digest, show_upcoming
from tasks.dispatch import end_pending, end_silent_rounds
from tasks.events import announce_failure
from tests.flows.conftest import NewCampaign

pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture(autouse=True)
def deployment(prefect_api: str) -> Iterator[None]:  # noqa: ARG001 - it has to be there
    """A deployment that nobody serves: its runs stay scheduled."""
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(send_campaign)
        made = client.create_deployment(
            flow_id=flow_id,
            name="send-campaign",
            entrypoint="flows.send_campaign.send_campaign",
            parameter_openapi_schema={},
        )
        yield
        client.delete_deployment(made)


def runs_of(store: Store, campaign: UUID) -> list[str]:
    return store.campaign_status(campaign).flow_run_ids


def state_of(run: str) -> str | None:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(UUID(run)).state
    return state and state.name


def asked_for(name: str | None, **parameters: str) -> UUID:
    """A run as Prefect's API makes it, which gives it two random words unless it has a name."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("send-campaign/send-campaign")
        return client.create_flow_run_from_deployment(
            deployment.id, name=name, parameters=parameters
        ).id


def name_of(run: UUID) -> str:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).name


def failures(api: str, campaign: UUID) -> list[dict[str, object]]:
    """The payloads of `campaign.failed`, once the server has one."""
    chosen = {
        "resource": {"id": [f"campaign.{campaign}"]},
        "event": {"name": ["campaign.failed"]},
    }
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = httpx.post(f"{api}/events/filter", json={"filter": chosen}).json()["events"]
        if found:
            return [event["payload"] for event in found]
        time.sleep(0.1)
    return []


def test_a_campaign_that_is_due_gets_one_run(store: Store, new_campaign: NewCampaign) -> None:
    """However often the dispatcher looks; the run has the campaign's id and nothing else."""
    campaign = new_campaign()

    started = [dispatch_campaigns(), dispatch_campaigns()]

    (run_id,) = runs_of(store, campaign)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(run_id))
    assert started == [1, 0]
    assert run.parameters == {"campaign_id": str(campaign)}


@pytest.mark.parametrize(
    "row",
    [
        "paused_at = now()",
        "status = 'scheduled', scheduled_at = now() + interval '1 hour'",
        "resume_at = now() + interval '1 hour'",
        "run_id = gen_random_uuid(), lease_until = now() + interval '1 minute'",
        "status = 'completed'",
        "status = 'draft'",
    ],
)
def test_what_is_not_due_is_left_alone(
    db: psycopg.Connection, new_campaign: NewCampaign, row: str
) -> None:
    """Paused, later, deferred, owned, ended, or not started."""
    new_campaign()
    db.execute(f"update campaigns set {row}".encode())  # noqa: S608

    assert dispatch_campaigns() == 0


def test_a_run_cancelled_before_it_began_cancels_its_campaign(
    store: Store, new_campaign: NewCampaign
) -> None:
    """No hook runs then: the dispatcher sees it."""
    campaign = new_campaign(leads=2)
    dispatch_campaigns()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(runs_of(store, campaign)[0]), Cancelled(), force=True)

    dispatch_campaigns()

    status = store.campaign_status(campaign)
    assert (status.status, status.leads) == ("cancelled", LeadCounts(cancelled=2))


def test_three_dispatches_that_nobody_begins_are_an_error(
    prefect_api: str, store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """Each after five minutes; then a person is told to see whether a worker is up.

    None of the runs waits on: a worker that comes later finds nothing to begin.
    """
    campaign = new_campaign()
    started = []
    for _ in range(4):
        started.append(dispatch_campaigns())
        db.execute("update campaigns set dispatched_at = dispatched_at - interval '6 minutes'")

    status = store.campaign_status(campaign)
    assert (started, status.status) == ([1, 1, 1, 0], "error")
    assert "worker" in str(status.error)
    assert [state_of(run) for run in runs_of(store, campaign)] == ["Crashed"] * 3
    (told,) = failures(prefect_api, campaign)
    assert told == {
        "campaign_id": str(campaign),
        "name": "Spring",
        "error": status.error,
        "sent": 0,
        "failed": 0,
        "total": 3,
    }


@pytest.mark.parametrize("closed", ["pool", "queue", "limit"])
def test_what_waits_for_a_place_in_prefect_is_never_missed(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign, closed: str
) -> None:
    campaign = new_campaign()
    with get_client(sync_client=True) as client:
        before_deployments(client)
        deployment = client.read_deployment_by_name(SEND)
        client.update_deployment(deployment.id, DeploymentUpdate(work_pool_name=POOL))
        queue = client.read_work_queue_by_name("default", POOL)
        match closed:
            case "pool":
                client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
            case "queue":
                client.update_work_queue(queue.id, is_paused=True)
            case "limit":
                client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=1))
    started = []
    for _ in range(5):
        started.append(dispatch_campaigns())
        db.execute("update campaigns set dispatched_at = dispatched_at - interval '4 minutes'")
    states = [state_of(run) for run in runs_of(store, campaign)]
    with get_client(sync_client=True) as client:
        client.delete_work_pool(POOL)
    assert (started, store.campaign_status(campaign).status) == ([1, 0, 0, 0, 0], "running")
    assert states in (["Scheduled"], ["Late"])


def test_the_run_that_finds_the_third_owner_dead_says_so(
    prefect_api: str, store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """It ends the campaign by asking for it, so it is the one to announce that."""
    campaign = new_campaign()
    for _ in range(3):
        store.begin_run(campaign, uuid4(), 60)
        db.execute("update campaigns set lease_until = now() - interval '1 second'")

    state = send_campaign(campaign, return_state=True)

    error = store.campaign_status(campaign).error
    assert (state.name, [told["error"] for told in failures(prefect_api, campaign)]) == (
        "Failed",
        [error],
    )
    assert "Three runs in a row died" in str(error)


def test_a_limit_that_cancels_runs_cancels_no_campaign(
    store: Store,
    db: psycopg.Connection,
    new_campaign: NewCampaign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prefect does, where a deployment's limit has the strategy CANCEL_NEW: nobody decided it."""
    campaign = new_campaign(leads=2)
    dispatch_campaigns()
    (cancelled,) = runs_of(store, campaign)
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("send-campaign/send-campaign")
        limit = DeploymentUpdate.model_validate(
            {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
        )
        client.update_deployment(deployment.id, limit)
        client.set_flow_run_state(another := asked_for("another"), Pending())
        client.set_flow_run_state(UUID(cancelled), Pending())
        client.set_flow_run_state(another, Cancelled())  # before its deployment is deleted
    assert state_of(cancelled) == "Cancelled"

    started = [dispatch_campaigns()]
    monkeypatch.setattr("tasks.dispatch.OVER_THE_LIMIT_SECONDS", 0)
    started.append(dispatch_campaigns())

    assert started == [0, 1]
    assert store.campaign_status(campaign).leads.pending == 2
    assert len(runs_of(store, campaign)) == 2
    assert db.execute("select dispatch_misses from campaigns").fetchall() == [(1,)]


def test_a_campaign_that_fails_again_in_the_same_run_is_told_again(
    prefect_api: str, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """As after Retry in the UI: Prefect drops an event whose id it knows."""
    campaign = new_campaign()
    run = uuid4()
    for times_begun in (1, 1, 2):
        announce_failure(campaign, run, times_begun)
    db.execute("update campaigns set name = 'told last'")
    announce_failure(campaign, run, 3)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        names = [told["name"] for told in failures(prefect_api, campaign)]
        if "told last" in names:
            break
    assert len(names) == 3


def test_a_run_that_fell_silent_is_marked_crashed_and_followed_by_another(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """Its lease lapsed; in Prefect it would show as running for good."""
    campaign = new_campaign()
    dispatch_campaigns()
    (silent,) = runs_of(store, campaign)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(silent), Running(), force=True)
    store.begin_run(campaign, UUID(silent), 60)
    db.execute("update campaigns set lease_until = now() - interval '1 second'")

    started = dispatch_campaigns()

    assert (started, state_of(silent)) == (1, "Crashed")
    assert len(runs_of(store, campaign)) == 2


def test_a_silent_run_that_a_person_cancelled_is_not_followed_by_another(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """Its process was gone, so nobody heard of it; the lease lapses before that is found out."""
    campaign = new_campaign(leads=2)
    dispatch_campaigns()
    (silent,) = runs_of(store, campaign)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(UUID(silent), Running(), force=True)
        store.begin_run(campaign, UUID(silent), 60)
        client.set_flow_run_state(UUID(silent), Cancelling())
    db.execute("update campaigns set lease_until = now() - interval '1 second'")

    started = dispatch_campaigns()

    assert (started, state_of(silent)) == (0, "Cancelled")
    status = store.campaign_status(campaign)
    assert (status.status, status.leads) == ("cancelled", LeadCounts(cancelled=2))


def test_a_run_whose_worker_died_before_the_database_knew_it_is_marked_crashed(
    store: Store, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Prefect it would be pending for good. One that was taken just now is left alone."""
    campaign = new_campaign()
    (due,) = store.take_due()
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("send-campaign/send-campaign")
        unknown = client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"campaign_id": str(campaign)},
            idempotency_key=due.key,
            state=Pending(),
        )

    dispatch_campaigns()
    before = state_of(str(unknown.id))
    monkeypatch.setattr("tasks.dispatch.PENDING_SECONDS", 0.0)
    dispatch_campaigns()

    assert (before, state_of(str(unknown.id))) == ("Pending", "Crashed")
    assert (runs_of(store, campaign), store.campaign_status(campaign).status) == ([], "running")


def test_a_campaign_cancelled_by_its_row_has_its_leads_cancelled(
    store: Store, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """The web app need only write the status."""
    campaign = new_campaign(leads=3)
    db.execute("update campaigns set status = 'cancelled'")

    dispatch_campaigns()

    assert store.campaign_status(campaign).leads == LeadCounts(cancelled=3)


def test_a_mail_in_doubt_of_an_ended_campaign_is_settled(
    store: Store, gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """The only answer was lost and the campaign cancelled meanwhile: the lead is sent."""
    campaign = new_campaign(leads=1)
    for on in ("drafts.get", "threads.get", "messages.list"):
        gmail.post("/sandbox/faults", json={"fault": "unavailable_503", "on": on, "times": 1})
    fault = {"fault": "accept_then_close", "on": "drafts.send", "times": 1}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()
    run = uuid4()
    store.begin_run(campaign, run, 60)
    (claim,) = store.claim_leads(uuid4(), campaign, run, 10).claims
    with_run(run, campaign, claim)
    store.cancel_campaign(campaign)
    db.execute("update send_attempts set started_at = started_at - interval '1 hour'")
    gmail.delete("/sandbox/faults")

    dispatch_campaigns()

    (lead,) = store.list_campaign_leads(campaign)
    assert (lead.status, lead.message_id is not None) == ("sent", True)
    assert len(gmail.get("/sandbox/mails").json()) == 1


def test_an_account_whose_client_google_refuses_keeps_no_other_from_being_settled(
    store: Store, gmail: httpx.Client, db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """Accounts may have been connected by another client than today's; the round goes on."""
    campaign = new_campaign(leads=2, accounts=2)
    for on in ("drafts.get", "threads.get", "messages.list"):
        gmail.post("/sandbox/faults", json={"fault": "unavailable_503", "on": on})
    fault = {"fault": "accept_then_close", "on": "drafts.send", "times": 2}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()
    run = uuid4()
    store.begin_run(campaign, run, 60)
    first, second = sorted(
        store.claim_leads(uuid4(), campaign, run, 10).claims, key=lambda claim: claim.sender.id
    )
    for claim in (first, second):
        with_run(run, campaign, claim)
    store.cancel_campaign(campaign)
    db.execute("update send_attempts set started_at = started_at - interval '1 hour'")
    gmail.delete("/sandbox/faults")
    attempts = [str(one.account_id) for one in store.list_open_attempts()]
    refused = first if attempts[0] == str(first.sender.id) else second
    for fault, on in (("unauthorized_401", "*"), ("unauthorized_client", "token")):
        body = {"fault": fault, "on": on, "account": refused.sender.email}
        gmail.post("/sandbox/faults", json=body).raise_for_status()

    dispatch_campaigns()

    left = [one.account_id for one in store.list_open_attempts()]
    assert (len(attempts), left) == (2, [refused.sender.id])


def test_a_campaign_due_later_is_handed_back_and_not_waited_for(
    db: psycopg.Connection, new_campaign: NewCampaign
) -> None:
    """Nobody waits in a worker for hours; the dispatcher starts it when its time comes."""
    campaign = new_campaign()
    due = datetime.now(UTC) + timedelta(hours=1)
    db.execute("update campaigns set status = 'scheduled', scheduled_at = %s", [due])

    state = send_campaign(campaign, return_state=True)

    owner = db.execute("select run_id, status from campaigns").fetchone()
    assert (state.name, owner) == ("Deferred", (None, "scheduled"))
    db.execute("update campaigns set scheduled_at = now()")
    assert dispatch_campaigns() == 1


def with_run(run: UUID, campaign: UUID, claim: object) -> None:
    """Send one claim as a run does."""
    from outreach.wiring import current  # noqa: PLC0415 - the parts of the store fixture
    from tasks.plan import make_plan  # noqa: PLC0415
    from tasks.run import CampaignRun  # noqa: PLC0415
    from tasks.send import CampaignSender  # noqa: PLC0415
    from tasks.senders import Gate  # noqa: PLC0415

    sending = CampaignRun(campaign, run, current())
    gate = Gate()
    gate.resize(1)
    sender = CampaignSender(sending, make_plan(sending), gate)
    sender.sending.send(claim)  # type: ignore[arg-type]


def test_runs_that_wait_are_called_after_their_campaign(
    new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for them: on more pages than one. A name that a person gave is that person's."""
    monkeypatch.setattr("tasks.run_filters.PAGE", 2)
    campaign = str(new_campaign())
    waiting = [asked_for(None, campaign_id=campaign) for _ in range(3)]
    of_a_person = asked_for("Spring, once more", campaign_id=campaign)
    of_no_campaign = [asked_for(None, campaign_id=wrong) for wrong in (str(uuid4()), "soon")]
    before = [name_of(run) for run in of_no_campaign]

    dispatch_campaigns()

    assert [name_of(run) for run in waiting] == ["send Spring"] * 3
    assert name_of(of_a_person) == "Spring, once more"
    assert [name_of(run) for run in of_no_campaign] == before


def artifact(key: str) -> list[str]:
    with get_client(sync_client=True) as client:
        chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        return [str(one.data) for one in client.read_artifacts(artifact_filter=chosen)]


def test_upcoming_campaigns_and_the_day_before_are_shown_in_prefect(
    prefect_api: str, new_campaign: NewCampaign, db: psycopg.Connection
) -> None:
    """By name and time, in one artifact that changes; the digest once, as an event, too."""
    campaign = new_campaign(leads=2)
    at = datetime(2027, 1, 2, 9, tzinfo=UTC)
    db.execute(
        "update campaigns set status = 'scheduled', scheduled_at = %s, name = 'Winter | tale'"
        " where id = %s",
        (at, campaign),
    )
    db.execute(
        "insert into daily_counts (campaign_id, day, account_id, template, sent)"
        " values (%s, '2026-11-24', gen_random_uuid(), '', 7)",
        (campaign,),
    )
    show_upcoming.fn()
    db.execute("update campaigns set scheduled_at = scheduled_at + interval '1 hour'")
    show_upcoming.fn()
    for _ in range(2):
        publish_digest.fn(date(2026, 11, 25))
        publish_digest.fn(date(2026, 11, 24))  # nothing was sent on the 23rd
    (shown,), (told,) = artifact(UPCOMING), artifact(DIGEST)
    assert f"| 2027-01-02 10:00 UTC | Winter \\| tale | starts | 2 | {campaign} |" in shown
    assert "Mails: 7 sent." in told
    deadline = time.monotonic() + 60
    events: list[dict[str, Any]] = []
    while not events and time.monotonic() < deadline:
        chosen = {"event": {"name": [DIGEST_EVENT]}}
        answer = httpx.post(f"{prefect_api}/events/filter", json={"filter": chosen})
        events = answer.json()["events"]
        time.sleep(0.1)
    assert [(event["payload"]["day"], event["payload"]["sent"]) for event in events] == [
        ("2026-11-24", 7)
    ]


def test_a_digest_that_prefect_did_not_take_is_made_by_the_next_round(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = artifact(DIGEST)
    monkeypatch.setattr("tasks.boards._publish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish_digest.fn(date(2026, 12, 9))
    assert store.take_digest(date(2026, 12, 8))
    assert artifact(DIGEST) == before


def test_a_round_whose_process_died_is_marked_crashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two: with `outreach worker` alone they would be Running for good."""
    states: list[State[Any]] = [Pending(), Running()]
    with get_client(sync_client=True) as client:
        runs = [
            client.create_flow_run(flow, state=state).id
            for flow in (dispatch_campaigns, read_mailboxes)
            for state in states
        ]
        sending = client.create_flow_run(send_campaign, state=Running()).id
    end_silent_rounds.fn()
    before = [state_of(str(run)) for run in runs]
    monkeypatch.setattr("tasks.dispatch.ROUND_SECONDS", 0)
    end_silent_rounds.fn()
    assert before == ["Pending", "Running"] * 2
    assert [state_of(str(run)) for run in runs] == ["Crashed"] * 4
    assert state_of(str(sending)) == "Running"


def test_a_run_that_prefect_cannot_end_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It held a slot of a deployment that was deleted: the server answers 500 to each state."""
    with get_client(sync_client=True) as client:
        limited = client.create_deployment(
            flow_id=client.create_flow(send_campaign),
            name="limited",
            entrypoint="flows.send_campaign.send_campaign",
            parameter_openapi_schema={},
            concurrency_limit=1,
        )
        held = client.create_flow_run_from_deployment(limited).id
        client.set_flow_run_state(held, Pending())
        client.delete_deployment(limited)
        plain = client.create_flow_run(send_campaign, state=Pending()).id
    monkeypatch.setattr("tasks.dispatch.PENDING_SECONDS", 0)

    end_pending.fn()

    assert (state_of(str(held)), state_of(str(plain))) == ("Pending", "Crashed")
    with get_client(sync_client=True) as client:
        client.delete_flow_run(held)
