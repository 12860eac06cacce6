"""Prefect's filters, for `client.read_flow_runs(**filters)`."""

from typing import Any

from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType


def runs_in(flow: str, *states: StateType) -> dict[str, Any]:
    """The runs of a flow, by its name, that are in one of these states."""
    types = FlowRunFilterStateType(any_=[*states])
    return {
        "flow_filter": FlowFilter(name=FlowFilterName(any_=[flow])),
        "flow_run_filter": FlowRunFilter(state=FlowRunFilterState(type=types)),
    }
