"""Runs with parameters that their flow does not take: none of their code has run.

Prefect's API refuses them, but a schedule's parameters are not checked, and a caller may skip the
check. Prefect's engine ends such a run with a traceback and a crash, or with its own words.
"""

import inspect
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Failed

from outreach import commands

NAMES = 3
"""Unknown parameters in the message, each cut to LETTERS."""
LETTERS = 40


def tell_what_is_wrong(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """A hook: such a run ends as Failed, with a sentence."""
    if (sentence := wrong(flow, flow_run.parameters)) is None:
        return
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run.id, Failed(message=sentence), force=True)


def wrong(flow: Any, given: dict[str, Any]) -> str | None:
    """The fault in the parameters of a run of this flow; None if there is none."""
    takes = list(inspect.signature(flow.fn).parameters)
    if unknown := sorted(given.keys() - set(takes)):
        named = ", ".join(repr(name[:LETTERS]) for name in unknown[:NAMES])
        return f"The run was given {named}; {flow.name} takes {' and '.join(takes) or 'nothing'}."
    for name in takes:
        if not _is_id(given.get(name)):
            return (
                f"The run was given {str(given.get(name))[:LETTERS]!r} as {name}, which is no "
                f"campaign id; {commands.LIST_CAMPAIGNS} shows them."
            )
    return None


def _is_id(given: Any) -> bool:
    try:
        UUID(str(given))
    except ValueError:
        return False
    return True
