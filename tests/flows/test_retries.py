"""Each phase of a run outlives three faults that pass, and the fourth hands the campaign back.

The faults are the database's own: while one lasts, the phase's SQL function is cancelled on the
server each time that it is called, as by a statement time-out. Gmail's are the sandbox's.
"""

import logging
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from prefect import Task
from prefect.client.orchestration import get_client
from prefect.states import Cancelled
from psycopg import sql

from flows.dispatch_campaigns import dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.campaign.models import LeadCounts
from outreach.store.store import Store
from outreach.wiring import current
from tasks import campaign, dispatch, leads, report, send
from tasks.lease import Leases
from tasks.retries import RETRIES
from tasks.run import CampaignRun
from tests.flows.conftest import NewCampaign

Break = Callable[[str, int], None]
Calls = Callable[[], int]

PHASES: list[tuple[Task[Any, Any], str]] = [
    (campaign.begin, "begin_run"),
    (campaign.check, "check_campaign"),
    (leads.settle, "list_open_attempts"),
    (leads.claim, "claim_leads"),
    (campaign.finish, "finish_run"),
    (report.report, "failure_reasons"),
    (report.report, "campaign_account_summary"),
    (report.report, "cancelled_reasons"),
    (report.report, "list_accounts"),
]
"""With a SQL function that each of them calls."""

DISPATCHING: list[tuple[Task[Any, Any], str]] = [
    (dispatch.compare_schema, "schema_version"),
    (dispatch.follow_up, "list_dispatched"),
    (dispatch.start_due, "take_due"),
    (dispatch.settle_all, "list_open_attempts"),
    (dispatch.sweep_cancelled, "sweep_cancelled"),
    (dispatch.sweep_suppressed, "sweep_suppressed"),
]

each_phase = pytest.mark.parametrize(
    ("phase", "function"), PHASES, ids=[f"{phase.name}-{name}" for phase, name in PHASES]
)
each_of_the_dispatcher = pytest.mark.parametrize(
    ("phase", "function"), DISPATCHING, ids=[phase.name for phase, _ in DISPATCHING]
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same retries without their pauses."""
    for phase, _ in (*PHASES, *DISPATCHING, (send.send, "")):
        monkeypatch.setattr(phase, "retry_delay_seconds", 0)


@pytest.fixture
def broken(db: psycopg.Connection) -> Break:
    """Have the server cancel the first calls of a function; a sequence counts whatever rolls back."""
    db.execute("create sequence faults")
    db.execute("create schema as_it_is")

    def break_(function: str, times: int) -> None:
        found = db.execute(
            "select pg_get_function_arguments(oid), proargnames[:pronargs] from pg_proc"
            " where pronamespace = 'public'::regnamespace and proname = %s",
            (function,),
        ).fetchone()
        assert found is not None
        name = sql.Identifier(function)
        given = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(one), sql.Identifier(function, one))
            for one in found[1] or []
        )
        db.execute(sql.SQL("alter function public.{} set schema as_it_is").format(name))
        db.execute(
            sql.SQL(
                "create function public.{}({}) returns setof jsonb language plpgsql as $$"
                " begin"
                "   if nextval('public.faults') <= {} then"
                "     perform pg_cancel_backend(pg_backend_pid());"
                "     perform pg_sleep(60);"
                "   end if;"
                "   return query select * from as_it_is.{}({});"
                " end $$"
            ).format(name, sql.SQL(found[0]), sql.Literal(times), name, given)
        )

    return break_


@pytest.fixture
def calls(db: psycopg.Connection) -> Calls:
    """How often the broken function was called."""

    def count() -> int:
        row = db.execute("select last_value from faults").fetchone()
        return int(row[0]) if row else 0

    return count


def mails(gmail: httpx.Client) -> list[str]:
    return sorted(mail["to"] for mail in gmail.get("/sandbox/mails").json())


def test_every_phase_is_retried_three_times() -> None:
    """With growing pauses: of 1, 2 and 4 s, each up to half as long again."""
    every = [*PHASES, *DISPATCHING, (send.send, ""), (dispatch.sweep_drafts, "")]
    assert {phase.retries for phase, _ in every} == {RETRIES} == {3}
    assert dispatch.sweep_drafts.retry_delay_seconds == [1, 2, 4]
    assert dispatch.sweep_drafts.retry_jitter_factor == 0.5


@each_phase
def test_three_faults_of_a_phase_are_outlived(
    store: Store,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    broken: Break,
    calls: Calls,
    phase: Task[Any, Any],
    function: str,
) -> None:
    """Within the same run; each lead is mailed once."""
    assert phase.retries == 3
    made = new_campaign(leads=2)
    broken(function, 3)

    state = send_campaign(made, return_state=True)

    status = store.campaign_status(made)
    assert (state.name, state.message, calls() >= 4) == ("Completed", "2/2 sent", True)
    assert (status.status, len(status.flow_run_ids)) == ("completed", 1)
    assert mails(gmail) == ["lead0@acme0.example", "lead1@acme1.example"]


@each_phase
def test_the_fourth_fault_hands_the_campaign_to_the_next_run(
    store: Store,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    broken: Break,
    phase: Task[Any, Any],
    function: str,
) -> None:
    """It is no error of the campaign's, and nobody is mailed twice. A report stops no run."""
    made = new_campaign(leads=2)
    broken(function, 4)

    ended = send_campaign(made, return_state=True)
    between = store.campaign_status(made)
    again = send_campaign(made, return_state=True)

    told = phase is report.report
    assert (ended.name, between.status, between.error) == (
        ("Completed", "completed", None) if told else ("Failed", "running", None)
    )
    assert again.name == ("AlreadyEnded" if told else "Completed")
    assert store.campaign_status(made).leads == LeadCounts(sent=2)
    assert mails(gmail) == ["lead0@acme0.example", "lead1@acme1.example"]


def test_three_faults_of_gmail_before_the_attempt_are_outlived(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign
) -> None:
    """While the draft is made nothing was written ahead: the same claim is sent."""
    made = new_campaign(leads=1)
    fault = {"fault": "unavailable_503", "on": "drafts.create", "times": 3}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()

    state = send_campaign(made, return_state=True)

    assert state.message == "1/1 sent"
    assert len(store.campaign_status(made).flow_run_ids) == 1
    assert mails(gmail) == ["lead0@acme0.example"]


def test_the_fourth_fault_of_gmail_puts_the_lead_off(
    store: Store, gmail: httpx.Client, new_campaign: NewCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes later; the others do not wait for it."""
    monkeypatch.setattr("tasks.delivery.PATIENCE_SECONDS", 0)
    made = new_campaign(leads=1)
    fault = {"fault": "unavailable_503", "on": "drafts.create", "times": 4}
    gmail.post("/sandbox/faults", json=fault).raise_for_status()

    state = send_campaign(made, return_state=True)

    status = store.campaign_status(made)
    assert (state.name, status.status, status.leads) == (
        "Deferred",
        "running",
        LeadCounts(pending=1),
    )
    assert status.waiting_for == "leads that are to be tried again"
    assert mails(gmail) == []


@pytest.mark.parametrize("function", ["fail_lead", "defer_lead"])
def test_three_faults_while_a_send_is_recorded_before_its_attempt_are_outlived(
    store: Store,
    gmail: httpx.Client,
    new_campaign: NewCampaign,
    broken: Break,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
) -> None:
    """A lead that failed, or rests for Gmail's quota, without a word in the log of mails."""
    monkeypatch.setattr("tasks.delivery.PATIENCE_SECONDS", 0)
    template = "Hello {{ nmae }}" if function == "fail_lead" else "Hello"
    usual = {"email_subject": "Hi", "email_template": template}
    made = new_campaign([{"email": "bob@acme.example", "company": "Acme", **usual}])
    quota = {"fault": "mail_sending_429", "on": "drafts.create"}
    gmail.post("/sandbox/faults", json=quota).raise_for_status()
    broken(function, 3)

    send_campaign(made, return_state=True)

    status = store.campaign_status(made)
    failed = function == "fail_lead"
    assert (status.leads, calls()) == (LeadCounts(failed=failed, pending=not failed), 4)
    assert status.error == ("All email sends failed" if failed else None)


def test_a_fault_while_a_state_of_prefect_is_followed_is_outlived(
    store: Store, new_campaign: NewCampaign, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat goes on, and follows it at the next look."""
    monkeypatch.setattr("tasks.lease.LOOK_SECONDS", 0.1)
    monkeypatch.setattr("tasks.lease.ORDERS_SECONDS", 0)
    made = new_campaign(leads=1)
    with get_client(sync_client=True) as client:
        cancelled = client.create_flow_run(
            send_campaign, parameters={"campaign_id": str(made)}, state=Cancelled()
        )
    store.begin_run(made, cancelled.id, 60)
    broken("cancel_run", 1)
    run = CampaignRun(made, cancelled.id, current())
    leases = Leases()

    lease = leases.keep(run, logging.getLogger("test"))
    stopped = run.token.wait(60)
    leases.let_go(lease)

    assert (stopped, store.campaign_status(made).status) == (True, "cancelled")


@each_of_the_dispatcher
def test_three_faults_of_a_phase_of_the_dispatcher_are_outlived(
    store: Store, broken: Break, calls: Calls, phase: Task[Any, Any], function: str
) -> None:
    """Its minute goes on."""
    assert (phase.retries, list(store.list_campaigns())) == (3, [])
    broken(function, 3)

    state = dispatch_campaigns(return_state=True)

    assert (state.name, calls()) == ("Completed", 4)


@each_of_the_dispatcher
def test_the_fourth_fault_ends_the_dispatchers_minute(
    store: Store, broken: Break, phase: Task[Any, Any], function: str
) -> None:
    """The next one does what it has left."""
    assert (phase.retries, list(store.list_campaigns())) == (3, [])
    broken(function, 4)

    states = [dispatch_campaigns(return_state=True).name for _ in range(2)]

    assert states == ["Failed", "Completed"]
