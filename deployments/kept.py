"""Deployments that keep operators' changes on the server, and report them.

Prefect's own redeployment turns paused deployments, their schedules and their triggers on again,
and deletes schedules that were made in its UI.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound

from outreach import commands
from outreach.deployment_names import DEPLOYMENTS, DISPATCH, DISPATCH_FLOW, POOL, READ

WITHOUT = {DISPATCH: "no campaign starts by its row", READ: "no mailbox is read"}
"""What a deployment's rest means, where no worker does its work."""


class Kept(RunnerDeployment):
    """A deployment that is created once. Later calls only update the parts that code defines."""

    def apply(self, *_: Any, **__: Any) -> UUID:
        with get_client(sync_client=True) as client:
            try:
                found = client.read_deployment_by_name(self.full_name)
            except ObjectNotFound:
                return cast(UUID, super().apply())
            changed = DeploymentUpdate(
                entrypoint=self.entrypoint,
                parameter_openapi_schema=self._parameter_openapi_schema.model_dump(
                    exclude_unset=True
                ),
                enforce_parameter_schema=True,
            )
            if found.work_pool_name is None:  # as earlier versions made it
                changed.work_pool_name = self.work_pool_name
                if self.flow_name == DISPATCH_FLOW and _rests(found):
                    # That stopped the starts by rows; a worker's dispatcher needs no schedule.
                    changed.paused = True
            client.update_deployment(found.id, changed)
            return found.id


def _rests(deployment: DeploymentResponse) -> bool:
    """Whether a person has switched all of its schedules off."""
    return bool(deployment.schedules) and not any(one.active for one in deployment.schedules)


def switched_off(client: SyncPrefectClient, *, dispatched: bool) -> Iterator[tuple[str, str]]:
    """What operators have switched off, with its effect, and where to switch it on.

    `dispatched`: a worker dispatches by itself. A deployment that does not exist (yet) is skipped.
    """
    with suppress(ObjectNotFound):
        if client.read_work_pool(POOL).is_paused:
            yield (f"The work pool {POOL} is paused: no run begins.", "resume it in Prefect's UI")
    for name in DEPLOYMENTS:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound:
            continue
        if deployment.paused and name in WITHOUT:
            yield f"{name} is paused: {WITHOUT[name]}.", "resume it in Prefect's UI"
        elif deployment.paused:
            yield (
                f"{name} is paused: none of its schedules makes runs.",
                "resume it in Prefect's UI",
            )
        elif (
            name in WITHOUT
            and not dispatched
            and not any(one.active for one in deployment.schedules)
        ):
            yield (
                f"{name} has no schedule that is on: {WITHOUT[name]}.",
                f"run {commands.WORKER}, or turn its schedule on in Prefect's UI",
            )
        for trigger in _triggers_off(client, deployment):
            yield (
                f"The trigger {trigger} of {name} is off: its event starts nothing.",
                "turn it on in Prefect's UI, under Automations",
            )


def _triggers_off(client: SyncPrefectClient, deployment: DeploymentResponse) -> Iterator[str]:
    for automation in client.read_resource_related_automations(
        f"prefect.deployment.{deployment.id}"
    ):
        if not automation.enabled:
            yield automation.name
