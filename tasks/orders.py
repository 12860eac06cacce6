"""Applies a person's change of a run's state in Prefect to its campaign, too.

Suspended, or Paused, holds the campaign until Resume. Cancelled cancels it. Any other end that a
person sets while the run sends ends the campaign in error, for a person to take it up again.
Prefect itself tells a live run only of Suspended, and overwrites any other when the run ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect import runtime, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound, Pause
from prefect.states import Cancelled, Completed, Crashed, Scheduled, Suspended

from outreach.deployment_names import SEND_FLOW
from outreach.store.results import Suspension
from outreach.wiring import current
from tasks.log import Logger, run_log
from tasks.retries import PHASE
from tasks.run import CampaignRun
from tasks.run_filters import runs_in
from tasks.token import Order

BEGIN_SECONDS = 60.0
"""A resumed run has begun its campaign by then, or it has no process."""
CANCEL_SECONDS = 90.0
"""A cancelled run has ended by then, or it has no process."""
GONE = "It was cancelled, and its process was gone."
LIMIT_REACHED = "Deployment concurrency limit reached."
"""Prefect's own message where a deployment's limit has the strategy CANCEL_NEW."""


def state_of(flow_run: UUID) -> State[Any] | None:
    """The run's state; None for a run that Prefect does not have (any more)."""
    with get_client(sync_client=True) as client:
        try:
            return client.read_flow_run(flow_run).state
        except ObjectNotFound:
            return None


def is_over_the_limit(state: State[Any] | None) -> bool:
    """Whether Prefect cancelled the run for its deployment's limit: no person has decided that."""
    return state is not None and state.is_cancelled() and state.message == LIMIT_REACHED


def replace_state(flow_run: UUID, seen: State[Any], state: State[Any]) -> None:
    """Set the run's state, whatever Prefect's rules say, unless a person set another meanwhile.

    `seen` is the state that the caller decided by. Prefect cannot change a state on a condition: a
    state that came in between is found in the run's history, and set again.

    Some runs no state can end: those that hold a slot of a deployment which was deleted. Prefect's
    server answers 500; such a run keeps no other from its turn.
    """
    with get_client(sync_client=True) as client:
        try:
            ours = client.set_flow_run_state(flow_run, state, force=True).state
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
                raise
            run_log().warning(
                "Prefect's server failed to end run %s; if that stays so, delete it there", flow_run
            )
            return
        history = {one.id: one for one in client.read_flow_run_states(flow_run)}
        if ours is None or not {seen.id, ours.id} <= history.keys():
            return
        ids = list(history)
        if between := ids[ids.index(seen.id) + 1 : ids.index(ours.id)]:
            client.set_flow_run_state(flow_run, history[between[-1]], force=True)


# --- in the run -----------------------------------------------------------------------------------


def order_of(state: State[Any] | None) -> Order | None:
    """What a person orders by setting this state while the run goes on."""
    if state is None:
        return None
    if state.is_paused():
        return Order.HOLD
    if state.is_cancelling() or state.is_cancelled():
        return Order.CANCEL
    if state.is_failed() or state.is_completed():
        return Order.END
    return None


def obey(run: CampaignRun, logger: Logger) -> None:
    """For a run in a process of its own: read its state; an unavailable Prefect changes nothing.

    Of a cancellation its process hears by a signal, before the run is Cancelled.
    """
    try:
        state = state_of(run.id)
    except httpx.HTTPError:
        return
    if state is None or state.is_cancelling() or (order := order_of(state)) is None:
        return
    match order:
        case Order.HOLD:
            run.store.suspend_run(run.campaign, run.id)
        case Order.CANCEL:
            run.store.cancel_run(run.campaign, run.id)
        case Order.END:
            _fail(run, str(state.name))
    logger.info("The run was set to %s in Prefect: nothing more is sent", state.name)
    run.token.stop()


def heed(run: CampaignRun) -> None:
    """For a run in a worker: end as its token was told. See RunToken.obey."""
    if run.token.order is Order.END:
        _fail(run, run.token.state)
    run.token.obey()


def _fail(run: CampaignRun, state: str) -> None:
    run.store.fail_run(
        run.campaign, run.id, f"A person set its run to {state} in Prefect while it sent."
    )


@contextmanager
def holding(campaign: UUID) -> Iterator[None]:
    """Hold the campaign of a run that is suspended: Prefect raises Pause in its next task.

    Pause continues upwards, and ends this process without ending its run. Sends in flight are
    recorded.
    """
    try:
        yield
    except Pause:
        store, flow_run = current().store, UUID(str(runtime.flow_run.id))
        store.suspend_run(campaign, flow_run)
        store.finish_run(campaign, flow_run, None, None)
        with suppress(httpx.HTTPError):  # then the dispatcher does
            _leave(flow_run)
        raise


def until_resumed(told: str) -> State[Any]:
    """End this process and leave its run Suspended: Resume starts it anew. See `holding`.

    A run without a deployment cannot be started anew: it ends here.
    """
    if runtime.deployment.id is None:
        return Completed(name="Paused", message=f"The campaign is paused: {told}.")
    raise Pause(told)


def _leave(flow_run: UUID) -> None:
    state = state_of(flow_run)
    if state is not None and state.is_running():  # resumed before it had ended
        replace_state(flow_run, state, Scheduled(name="Resuming"))
    elif state is not None and state.is_paused():
        _suspend(flow_run, state)


# --- for runs without a process -------------------------------------------------------------------


def ordered(campaign: UUID, flow_run: UUID) -> bool:
    """Whether its last run, which has ended, has a state that keeps the campaign from going on."""
    state = state_of(flow_run)
    if state is not None and state.is_paused():
        current().store.suspend_run(campaign, flow_run)
        _suspend(flow_run, state)
        return True
    if state is None or is_over_the_limit(state):
        return False
    if state.is_cancelled() or state.is_cancelling():
        current().store.cancel_campaign(campaign)
        if state.is_cancelling():
            replace_state(flow_run, state, Cancelled(message=GONE))
        return True
    return False


@task(**PHASE)
def follow_suspended() -> None:
    """Handle campaigns held by a suspended run, by the state of that run."""
    for suspension in current().store.list_suspended():
        _follow(suspension, state_of(suspension.flow_run))


def _follow(suspension: Suspension, state: State[Any] | None) -> None:
    store, run = current().store, suspension.flow_run
    if state is None or state.is_final():
        if is_over_the_limit(state) and suspension.held:
            store.resume_campaign(suspension.id)
        elif state is not None and state.is_cancelled() and suspension.held:
            store.cancel_campaign(suspension.id)
            run_log().info("Campaign %s was cancelled by its suspended run", suspension.id)
        store.forget_suspension(suspension.id, run)
    elif not suspension.held and state.is_paused():
        told = "Its campaign was resumed or ended without it."
        replace_state(run, state, Completed(name="Superseded", message=told))
        store.forget_suspension(suspension.id, run)
    elif state.is_paused():
        _suspend(run, state)
    elif suspension.held and state.is_running() and age_of(state) > BEGIN_SECONDS:
        replace_state(run, state, Crashed(message="It was resumed, and its process was gone."))
        store.resume_campaign(suspension.id)


@task(**PHASE)
def end_cancelling() -> None:
    """End runs that were cancelled after their process was killed: Prefect leaves them so."""
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(**runs_in(SEND_FLOW, StateType.CANCELLING))
    for run in found:
        if run.state is not None and age_of(run.state) > CANCEL_SECONDS:
            replace_state(run.id, run.state, Cancelled(message=GONE))


def _suspend(flow_run: UUID, state: State[Any]) -> None:
    """Hold the run until Resume, which then starts it anew.

    The UI's Suspend would end as Failed after a few minutes, and a Paused run, once resumed, would
    be Running without a process.
    """
    details = state.state_details
    if not details.pause_reschedule or details.pause_timeout is not None:
        told = "No mail of its campaign is sent until Resume."
        replace_state(flow_run, state, Suspended(message=told))


def age_of(state: State[Any]) -> float:
    """Seconds, by this machine's clock and the server's: exact enough for a minute."""
    return (datetime.now(UTC) - state.timestamp).total_seconds()
