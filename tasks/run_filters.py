"""Flow runs as Prefect's client reads them: by filters, and page by page."""

from collections.abc import Iterator
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

PAGE = 200
"""Prefect returns no more runs per request."""


def runs_in(flow: str, *states: StateType) -> dict[str, Any]:
    """For `read_flow_runs`: the runs of a flow, by its name, that are in one of these states."""
    types = FlowRunFilterStateType(any_=[*states])
    return {
        "flow_filter": FlowFilter(name=FlowFilterName(any_=[flow])),
        "flow_run_filter": FlowRunFilter(state=FlowRunFilterState(type=types)),
    }


def paged(client: SyncPrefectClient, most: int, **filters: Any) -> Iterator[FlowRun]:
    """What `read_flow_runs` gives for these filters, at most so many."""
    for offset in range(0, most, PAGE):
        page = client.read_flow_runs(**filters, limit=PAGE, offset=offset)
        yield from page
        if len(page) < PAGE:
            return
