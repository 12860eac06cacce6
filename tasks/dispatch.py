"""The dispatcher's tasks of each minute, one for each kind of neglect."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.states import Crashed

from outreach.delivery.reconciler import Settling
from outreach.delivery.web_address import REST_SECONDS, try_address
from outreach.deployment_names import (
    DISPATCH_FLOW,
    READ_FLOW,
    SEND,
    SEND_FLOW,
    run_name,
    run_tag,
)
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    QuotaReached,
    TemporarilyUnavailable,
)
from outreach.store.results import Due
from outreach.wiring import current
from tasks.events import announce_failure
from tasks.log import run_log, tell_settled
from tasks.orders import age_of, is_over_the_limit, ordered, replace_state, state_of
from tasks.places import Places
from tasks.retries import PHASE
from tasks.run_filters import runs_in

SWEEPS = 200
"""Batches of suppressions per minute at most, each a call: an import of a million takes a few."""
PENDING_SECONDS = 300.0
"""A worker that has taken a run begins it by then, or it died: as `due_at` in the database."""
ROUND_SECONDS = 6 * 3600.0
"""No round of the dispatcher and no reading takes longer, not even the first of a full mailbox."""
OVER_THE_LIMIT_SECONDS = 50.0
"""Until a campaign whose run a deployment's limit cancelled gets another one."""


@task(**PHASE)
def compare_schema() -> None:
    """Raises SchemaMismatch when this version may not call the database's functions."""
    if (difference := current().store.compare_schema()) is not None:
        run_log().warning("The database: %s", difference)


def ask_prefect(campaign: Due) -> UUID:
    """Create a run of the campaign, for any worker; returns its id."""
    run: Any = run_deployment(
        SEND,
        parameters={"campaign_id": str(campaign.id)},
        flow_run_name=run_name(campaign.name),
        tags=[run_tag(campaign.id)],
        idempotency_key=campaign.key,
        timeout=0,
        as_subflow=False,
    )
    return UUID(str(run.id))


@task(**PHASE)
def start_due(begin: Callable[[Due], UUID] = ask_prefect, rest_seconds: float = 0) -> int:
    """Create one run for each campaign that is due; returns their number.

    The idempotency key keeps a retry of this task from creating a second run. If the dispatcher
    dies in between, a campaign that was handed out and never began is due again in five minutes.
    """
    started = 0
    for campaign in current().store.take_due(rest_seconds):
        try:
            started += _start(campaign, begin)
        except Exception as error:  # noqa: BLE001 - the others were handed out, too
            run_log().warning("%s was not begun (%s)", campaign.name, type(error).__name__)
    return started


def _start(campaign: Due, begin: Callable[[Due], UUID]) -> bool:
    if campaign.dead_run is not None:
        if campaign.answer == "due" and ordered(campaign.id, campaign.dead_run):
            return False
        _mark_crashed(campaign.dead_run)
    if campaign.answer == "given_up":
        run_log().warning("%s: nobody began its last three runs", campaign.name)
        announce_failure(campaign.id, campaign.dead_run or uuid4())
        return False
    run = begin(campaign)
    current().store.note_dispatch(campaign.id, run)
    run_log().info("%s: run %s", campaign.name, run)
    return True


@task(**PHASE)
def follow_up() -> None:
    """Handle runs that ended before they began a campaign; no hook reports them.

    Cancelled or suspended by a person: so is the campaign. Ended otherwise: it is due again, but
    only after a rest where a limit of Prefect cancelled it. One that waits for a place in Prefect
    is no run that nobody begins.
    """
    store, places = current().store, Places()
    for dispatched in store.list_dispatched():
        state = state_of(dispatched.flow_run)
        if ordered(dispatched.id, dispatched.flow_run):
            run_log().info("Campaign %s was held or cancelled before it began", dispatched.id)
        elif state is not None and is_over_the_limit(state):
            if age_of(state) > OVER_THE_LIMIT_SECONDS:
                run_log().warning(
                    "Campaign %s: the limit of %s cancels its runs; one is tried each minute. Let "
                    "them wait instead: set the limit's strategy to ENQUEUE",
                    dispatched.id, SEND,
                )  # fmt: skip
                store.prolong_dispatch(dispatched.id, dispatched.flow_run)  # nobody missed it
                store.forget_dispatch(dispatched.id, dispatched.flow_run)
        elif state is None or state.is_final():
            store.forget_dispatch(dispatched.id, dispatched.flow_run)
        elif state.is_scheduled() and places.waits(dispatched.flow_run):
            store.prolong_dispatch(dispatched.id, dispatched.flow_run)


@task(**PHASE)
def end_pending() -> None:
    """Mark runs Crashed that a worker took and never began.

    `start_due` knows those that were noted as a campaign's dispatch. Not those whose worker died
    before it noted them, nor those that somebody started in Prefect.
    """
    _end_older(PENDING_SECONDS, SEND_FLOW, StateType.PENDING)


@task(**PHASE)
def end_silent_rounds() -> None:
    """Mark Crashed rounds of the dispatcher, and readings, whose process died in them.

    They own no campaign, whose lease would tell.
    """
    for flow in (DISPATCH_FLOW, READ_FLOW):
        _end_older(ROUND_SECONDS, flow, StateType.PENDING, StateType.RUNNING)


@task(**PHASE)
def settle_all() -> None:
    """Reconcile open attempts, also of campaigns that have ended."""
    parts, refused = current(), set[UUID]()
    settling = Settling(parts.store, parts.mailer, parts.settings)
    for attempt in parts.store.list_open_attempts():
        if attempt.account_id in refused:
            continue
        try:
            outcome = settling.settle(attempt)
        except ConfigurationError as error:
            # Google may refuse our client for this account alone: another one connected it.
            refused.add(attempt.account_id)
            run_log().error("The mails of one account are not settled: %s", error)
            continue
        if outcome.kind != "open":
            tell_settled(attempt, outcome)


@task(**PHASE)
def sweep_cancelled() -> None:
    """Cancel pending leads of campaigns that were cancelled by an update of their row."""
    while swept := current().store.sweep_cancelled():
        run_log().info("%d leads of cancelled campaigns were cancelled", swept)


@task(**PHASE)
def sweep_suppressed() -> None:
    """Cancel pending leads of addresses that were suppressed since the last minute."""
    leads = 0
    for _ in range(SWEEPS):
        swept = current().store.sweep_suppressed()
        leads += swept.leads
        if not swept.suppressions:
            break
    if leads:
        run_log().info("%d leads were cancelled: their addresses are suppressed", leads)


@task(**PHASE)
def adopt_opens() -> None:
    """Count openings that an endpoint of the web app wrote itself."""
    for _ in range(SWEEPS):
        if not current().store.adopt_opens():
            break


@task(**PHASE)
def sweep_drafts() -> None:
    """Delete orphan drafts. Once an hour: the search costs a request per draft in a mailbox."""
    parts = current()
    settling = Settling(parts.store, parts.mailer, parts.settings)
    for account in parts.store.list_accounts():
        if account.status != "active" or not account.connected:
            continue
        try:
            swept = settling.sweep(account.id)
        except (AccountUnusable, ConfigurationError, QuotaReached, TemporarilyUnavailable):
            continue  # the next hour does
        if swept:
            run_log().info("%d orphan drafts were deleted", swept)


@task(**PHASE)
def plan_steps() -> None:
    """Plan the leads of follow-ups that are due within a quarter of an hour."""
    leads = 0
    for _ in range(SWEEPS):
        planned = current().store.plan_steps()
        leads += planned
        if not planned:
            break
    if leads:
        run_log().info("%d leads of follow-ups were planned", leads)


@task(**PHASE)
def sweep_erasures() -> None:
    """Erase persons who waited for the outcome of a mail."""
    if swept := current().store.sweep_erasures():
        run_log().info("%d person(s) were erased", swept)


@task(**PHASE)
def sweep_retention() -> None:
    """Forget persons who were mailed last before RETENTION_DAYS."""
    parts, forgotten = current(), 0
    if not parts.settings.retention_days:
        return
    for _ in range(SWEEPS):
        swept = parts.store.sweep_retention(parts.settings.retention_days)
        forgotten += swept
        if not swept:
            break
    if forgotten:
        run_log().info("%d person(s) were forgotten, as RETENTION_DAYS says", forgotten)


@task(**PHASE)
def try_web_address() -> None:
    """Try whether the web app unsubscribes, for campaigns whose mails offer that."""
    parts = current()
    try_address(parts.store, parts.settings, REST_SECONDS)


def _end_older(seconds: float, flow: str, *states: StateType) -> None:
    """Mark the flow's runs Crashed that have been in one of these states for longer."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            **runs_in(flow, *states), sort=FlowRunSort.EXPECTED_START_TIME_ASC
        )
    for run in found:
        if run.state is not None and age_of(run.state) > seconds:
            _mark_crashed(run.id)


def _mark_crashed(flow_run: UUID) -> None:
    """Mark a run Crashed that fell silent or whose worker died early, else it stays unfinished.

    Not Cancelled: that is a person's decision, and would cancel the campaign.
    """
    state = state_of(flow_run)
    if state is None or state.is_final():
        return
    message = "It fell silent" if state.is_running() else "No worker began it within five minutes"
    replace_state(flow_run, state, Crashed(message=f"{message}."))
