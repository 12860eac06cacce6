"""A run that is told to stop gives its campaign back: a stop is neither death nor cancellation.

A worker tells the token of its run. A run in a process of its own gets SIGTERM, for both a stop and
a cancellation, and Prefect turns it into an exception of the main thread: the run's state on
Prefect's server tells which of the two it was.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.states import Completed

from outreach.wiring import current
from tasks.ending import is_ending
from tasks.log import run_log
from tasks.run import flow_run_id
from tasks.token import StopRequest, is_hosted


def nothing() -> None:
    """The `give_back` of a run that owns no campaign."""


@contextmanager
def stoppable(give_back: Callable[[], None] = nothing) -> Iterator[None]:
    """Let a stop reach the run from here on: calls `give_back` and raises StopRequest.

    It has waited for sends in flight by then. A cancellation continues as Prefect raises it.
    """
    if is_hosted():
        try:
            yield
        except StopRequest:
            give_back()
            raise
        return
    try:
        yield
    except BaseException as error:
        if not is_stop(error):
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second stop changes nothing
        give_back()
        if isinstance(error, KeyboardInterrupt):
            raise
        raise StopRequest from None


@contextmanager
def unstoppable() -> Iterator[None]:
    """Ignore stops while the run is about to end by itself."""
    if current_thread() is not main_thread():  # where no signal ever comes
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def give_back(campaign: UUID) -> None:
    """Release the campaign: the next run goes on with it at once."""
    run_log().info("Told to stop: the campaign is given back")
    current().store.release_run(campaign, flow_run_id())


def given_back(campaign: UUID) -> State[None]:
    """The final state of a run that was told to stop."""
    leads = current().store.campaign_status(campaign).leads
    message = f"{leads.sent}/{leads.total} sent"
    return Completed(name="GivenBack", message=f"Told to stop: {message}; the next run goes on.")


def is_stop(error: BaseException) -> bool:
    """Whether the error comes from a stop and not from a cancellation.

    The signal may have hit a library in the middle, which then raises an error of its own.
    """
    cause: BaseException | None = error
    seen: set[int] = set()  # two errors may be each other's cause
    while cause is not None and not isinstance(cause, TerminationSignal | KeyboardInterrupt):
        seen.add(id(cause))
        following = cause.__cause__ or cause.__context__
        cause = None if id(following) in seen else following
    if isinstance(cause, KeyboardInterrupt):
        return True
    return cause is not None and not is_ending() and not _is_cancelled()


def _is_cancelled() -> bool:
    """Whether a person cancelled the run; False when the server does not answer.

    If it was cancelled after all, the hook cancels its campaign, unless another run has it.
    """
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run_id()).state
    except (httpx.HTTPError, ObjectNotFound):
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())
