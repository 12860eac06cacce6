"""What a Prefect server needs before the first worker comes, made as often as one likes.

    python -m deployments.provision [--processes] [--notify URL]

It needs PREFECT_API_URL, and PREFECT_API_AUTH_STRING where the server has a password. What is there
already stays as operators have set it. Called again after the deployments were made, it closes them
to parameters that they do not know.
"""

import argparse
from contextlib import suppress
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    DeploymentUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from deployments.worker.worker import TYPE, CampaignWorker
from outreach.deployment_names import DEPLOYMENTS, DISPATCH, POOL, READ
from tasks.slots import limit

NOTIFICATION = "campaign-failed"
"""The name of the automation, and of the webhook block that it calls."""

SCHEDULES = {DISPATCH: timedelta(minutes=1), READ: timedelta(minutes=2)}
"""Of prefect.yaml, for who has no worker of our type."""

PAYLOAD = """{"text": {{
  ("Campaign " ~ event.payload.name ~ " failed: " ~ event.payload.error) | tojson
}}}"""


def provision(notify: str | None = None, pool_type: str = TYPE) -> None:
    """The work pool, the limit, and with an address the notification on failed campaigns."""
    with get_client(sync_client=True) as client:
        before_deployments(client, pool_type)
        after_deployments(client)
    if notify is not None:
        _notification(notify)


def before_deployments(client: SyncPrefectClient, pool_type: str = TYPE) -> None:
    """What deployments and their runs need."""
    _work_pool(client, pool_type)
    limit(client)


def after_deployments(client: SyncPrefectClient) -> None:
    """What only an existing deployment takes."""
    for name in DEPLOYMENTS:
        refuse_unknown_parameters(client, name)
    if client.read_work_pool(POOL).type == TYPE:
        for name, interval in SCHEDULES.items():
            _rest(client, name, interval)


def _work_pool(client: SyncPrefectClient, pool_type: str) -> None:
    """An existing one stays, unless it is of the other type and unused.

    A process pool gets its template from its first worker.
    """
    with suppress(ObjectNotFound):
        if client.read_work_pool(POOL).type == pool_type or _is_used(client):
            return
        client.delete_work_pool(POOL)
    template = CampaignWorker.get_default_base_job_template() if pool_type == TYPE else {}
    client.create_work_pool(WorkPoolCreate(name=POOL, type=pool_type, base_job_template=template))


def _is_used(client: SyncPrefectClient) -> bool:
    in_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    deployments = client.read_deployments(work_pool_filter=in_pool, limit=1)
    return bool(deployments or client.read_workers_for_work_pool(POOL))


def refuse_unknown_parameters(client: SyncPrefectClient, deployment: str) -> None:
    """Make the API answer 409 to parameters that the flow does not have; it then creates no run.

    A deployment that does not exist (yet) is skipped. A redeployment undoes this: Prefect makes the
    schema from the flow, without this key.
    """
    with suppress(ObjectNotFound):
        found = client.read_deployment_by_name(deployment)
        schema = {**(found.parameter_openapi_schema or {}), "additionalProperties": False}
        client.update_deployment(found.id, DeploymentUpdate(parameter_openapi_schema=schema))


def _rest(client: SyncPrefectClient, name: str, interval: timedelta) -> None:
    """Switch the deployment's own schedule off: the workers of this type do its work.

    Its runs would be 1,440 a day. Other schedules stay, and so does its Run button.
    """
    with suppress(ObjectNotFound):
        found = client.read_deployment_by_name(name)
        for one in found.schedules:
            if one.active and getattr(one.schedule, "interval", None) == interval:
                client.update_deployment_schedule(found.id, one.id, active=False)


def _notification(address: str) -> None:
    """An example to copy: posts `{"text": …}`, the format of chat webhooks, when a campaign fails.

    The address is often a secret: it is kept in a block, whose values Prefect encrypts.
    """
    webhook = Webhook(
        method="POST",
        url=SecretStr(address),
        headers=SecretDict({"Content-Type": "application/json"}),
    )
    block: Any = webhook.save(NOTIFICATION, overwrite=True)  # sync, as its caller is
    automation = Automation(
        name=NOTIFICATION,
        description="Tells people about each campaign that ends in error.",
        trigger=EventTrigger(
            expect={"campaign.failed"},
            match={"prefect.resource.id": "campaign.*"},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block, payload=PAYLOAD)],
    )
    try:
        existing: Any = Automation.read(name=NOTIFICATION)
    except ValueError:
        automation.create()
    else:
        automation.id = existing.id
        automation.enabled = existing.enabled
        automation.update()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deployments.provision", description=__doc__)
    parser.add_argument("--notify", metavar="URL", help="a webhook that hears of failed campaigns")
    parser.add_argument(
        "--processes",
        action="store_true",
        help="a work pool whose runs have a process each, for `prefect worker start`",
    )
    chosen = parser.parse_args()
    provision(chosen.notify, "process" if chosen.processes else TYPE)


if __name__ == "__main__":
    main()
