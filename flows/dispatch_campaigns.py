"""Every minute: start campaigns that are due, and repair runs that died silently.

A web app needs no access to Prefect: it writes a campaign's row, and this flow finds it.
"""

from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameters import tell_what_is_wrong
from tasks.boards import publish_digest, show_upcoming
from tasks.dispatch import (
    adopt_opens,
    compare_schema,
    end_pending,
    end_silent_rounds,
    follow_up,
    plan_steps,
    settle_all,
    start_due,
    sweep_cancelled,
    sweep_drafts,
    sweep_erasures,
    sweep_retention,
    sweep_suppressed,
    try_web_address,
)
from tasks.orders import end_cancelling, follow_suspended
from tasks.stopping import stoppable
from tasks.token import StopRequest
from tasks.upcoming import name_upcoming


def named_after_minute() -> str:
    """`dispatch 10:42`, in UTC; a missing name must not stop a run."""
    start = runtime.flow_run.scheduled_start_time
    return f"dispatch {start:%H:%M}" if start else "dispatch"


@flow(
    name="dispatch-campaigns",
    flow_run_name=named_after_minute,
    on_crashed=[tell_what_is_wrong],
)
def dispatch_campaigns() -> int | State[Any]:
    """Start a run for each campaign that is due; returns how many."""
    try:
        with stoppable():
            return dispatch_all()
    except StopRequest:
        return Completed(name="Stopped", message="Told to stop; the next one goes on.")


def dispatch_all() -> int:
    """The steps of one minute."""
    compare_schema()
    follow_up()
    follow_suspended()
    end_cancelling()
    plan_steps()
    end_pending()
    started = start_due()
    settle_all()
    sweep_cancelled()
    sweep_suppressed()
    sweep_erasures()
    adopt_opens()
    if is_first_of_the_hour():
        sweep_drafts()
        sweep_retention()
        end_silent_rounds()
    try_web_address()
    name_upcoming()
    show_upcoming()
    publish_digest()
    return started


def is_first_of_the_hour() -> bool:
    start = runtime.flow_run.scheduled_start_time
    return start is None or start.minute == 0
