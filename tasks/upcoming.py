"""Names waiting runs, which Prefect's page of upcoming runs shows by two random words.

Runs that the dispatcher or the command creates have a name at once. Those of a schedule, an event
or Prefect's own API are made by its server, which does not have the campaign's name.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from uuid import UUID

import httpx
from prefect import task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from outreach.deployment_names import SEND_FLOW, run_name
from outreach.errors import CampaignNotFound
from outreach.wiring import current
from tasks.retries import PHASE
from tasks.run_filters import paged, runs_in

MOST = 2000
"""Runs that are read each minute, the next ones first."""
RANDOM_WORDS = re.compile("[a-z]+-[a-z]+")
"""A name that Prefect made; one that a person gave stays until the run begins."""


@task(**PHASE)
def name_upcoming() -> None:
    """Name each waiting run without its own name after its campaign."""
    names: dict[UUID, str | None] = {}
    with get_client(sync_client=True) as client:
        for run in list(_unnamed(client)):
            if (campaign := _campaign(run)) is None:
                continue
            if campaign not in names:
                names[campaign] = _name(campaign)
            if (name := names[campaign]) is not None:
                with suppress(httpx.HTTPStatusError):  # deleted by a change of its schedule
                    client.set_flow_run_name(run.id, name)


def _unnamed(client: SyncPrefectClient) -> Iterator[FlowRun]:
    waiting = paged(
        client,
        MOST,
        **runs_in(SEND_FLOW, StateType.SCHEDULED),
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[SEND_FLOW])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )
    return (run for run in waiting if RANDOM_WORDS.fullmatch(run.name))


def _campaign(run: FlowRun) -> UUID | None:
    """None when the parameter is not an id: that run will report it."""
    try:
        return UUID(str(run.parameters.get("campaign_id")))
    except ValueError:
        return None


def _name(campaign: UUID) -> str | None:
    try:
        return run_name(current().store.campaign_status(campaign).name)
    except CampaignNotFound:
        return None
