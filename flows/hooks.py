"""State hooks: apply a run's failure, crash or cancellation to its campaign, if the run owns it."""

from typing import Any
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun, State

from outreach.errors import (
    ConfigurationError,
    OutreachError,
    SchemaMismatch,
    TemporarilyUnavailable,
)
from outreach.wiring import current
from tasks.events import announce_failure


def fail_campaign(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """End the campaign in error; release it when the cause of the failure is transient.

    A worker that may not call the database's functions is not the campaign's fault: it declines.
    """
    campaign = _campaign(flow_run)
    if campaign is None:
        return
    error = state.data if isinstance(state.data, BaseException) else _raised(state)
    if isinstance(error, SchemaMismatch):
        current().store.decline_run(campaign, flow_run.id)
        return
    if (passing := _passing(error)) is not None:
        failed = current().store.crash_run(campaign, flow_run.id, passing)
    else:
        failed = current().store.fail_run(campaign, flow_run.id, _reason(error, state))
    if failed:
        announce_failure(campaign, flow_run.id, flow_run.run_count)


def release_campaign(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """The run died: the next one goes on, three times at most without progress."""
    campaign = _campaign(flow_run)
    if campaign is None:
        return
    if current().store.crash_run(campaign, flow_run.id, state.message or "it crashed"):
        announce_failure(campaign, flow_run.id, flow_run.run_count)


def cancel_campaign(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """A run cancelled in Prefect cancels its campaign and the leads that are still pending."""
    campaign = _campaign(flow_run)
    if campaign is not None:
        current().store.cancel_run(campaign, flow_run.id)


def _campaign(flow_run: FlowRun) -> UUID | None:
    """None when the parameter is not an id: then there is no campaign to mark."""
    try:
        return UUID(str(flow_run.parameters.get("campaign_id")))
    except ValueError:
        return None


def _raised(state: State[Any]) -> BaseException | None:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else None


def _passing(error: BaseException | None) -> str | None:
    """The message of a transient cause: the database is away, or Prefect; else None."""
    if isinstance(error, TemporarilyUnavailable):
        return str(error)
    if isinstance(error, httpx.HTTPError):  # Prefect's client; other HTTP clients raise our errors
        return f"Prefect's server did not answer ({type(error).__name__})"
    return None


def _reason(error: BaseException | None, state: State[Any]) -> str:
    """One sentence for a person. Unexpected errors by kind only: their text may hold secrets."""
    if isinstance(error, OutreachError | ConfigurationError):
        return str(error)
    if error is not None:
        return f"Unexpected {type(error).__name__}; the run's log in Prefect has the details."
    return state.message or "The run failed; its log in Prefect has the details."
