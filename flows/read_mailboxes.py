"""Reads the accounts' mailboxes: replies, bounces, away notices and opt-outs.

For work pools of processes: a worker of the type outreach reads by itself.
"""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.parameters import tell_what_is_wrong
from tasks.dispatch import compare_schema
from tasks.mailboxes import guard, read_due, tell_returned
from tasks.stopping import stoppable
from tasks.token import StopRequest


@flow(name="read-mailboxes", flow_run_name="read mailboxes", on_crashed=[tell_what_is_wrong])
def read_mailboxes() -> int | State[Any]:
    """Read every mailbox that is due; returns how many mails were recorded."""
    try:
        with stoppable():
            return read_all()
    except StopRequest:
        return Completed(name="Stopped", message="Told to stop; the next one goes on.")


def read_all() -> int:
    """The steps of one round."""
    compare_schema()
    recorded = read_due()
    guard()
    tell_returned()
    return recorded
