"""Makes the deployments that `outreach up` serves: `python -m deployments.served`.

Their definitions are in prefect.yaml.
"""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, StateType
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from deployments.kept import Kept, switched_off
from deployments.provision import after_deployments, before_deployments
from flows.dispatch_campaigns import dispatch_campaigns
from flows.read_mailboxes import read_mailboxes
from flows.send_campaign import send_campaign
from outreach.deployment_names import POOL
from outreach.errors import ConfigurationError
from outreach.loopback import never_through_a_proxy
from outreach.wiring import current
from tasks.run_filters import runs_in


def served() -> list[Kept]:
    """The deployments of prefect.yaml."""
    return [_served(flow) for flow in (send_campaign, dispatch_campaigns, read_mailboxes)]


def _served(flow: Flow[..., Any]) -> Kept:
    """A module entrypoint, so that no file of the current folder is loaded."""
    declared = next(one for one in declared_deployments() if one["name"] == flow.name)
    limit = declared.get("concurrency_limit")
    made = Kept.from_flow(
        flow,
        name=declared["name"],
        description=declared["description"],
        tags=declared["tags"],
        interval=[schedule["interval"] for schedule in declared["schedules"] or []] or None,
        triggers=[
            DeploymentEventTrigger.model_validate(one) for one in declared.get("triggers", [])
        ],
        concurrency_limit=limit and ConcurrencyLimitConfig.model_validate(limit),
        enforce_parameter_schema=declared["enforce_parameter_schema"],
        entrypoint_type=EntrypointType.MODULE_PATH,
        work_pool_name=POOL,
    )
    return cast(Kept, made)


def declared_deployments() -> list[dict[str, Any]]:
    """Of prefect.yaml: in the checkout, or as the wheel carries it."""
    checkout = Path(__file__).parents[1] / "prefect.yaml"
    file = checkout if checkout.is_file() else files("deployments") / "prefect.yaml"
    declared: list[dict[str, Any]] = yaml.safe_load(file.read_text("utf-8"))["deployments"]
    return declared


def _close_rounds(client: SyncPrefectClient) -> None:
    """End the rounds of a predecessor that was killed.

    Prefect would leave them as they are, and cancel all new ones for five minutes: one runs at a
    time. Nobody else serves this home's server.
    """
    for flow in (dispatch_campaigns, read_mailboxes):
        for run in client.read_flow_runs(
            **runs_in(flow.name, StateType.PENDING, StateType.RUNNING)
        ):
            client.set_flow_run_state(run.id, Crashed(message="Its process was killed."))


def main() -> None:
    """Once the server is provisioned for them. Needs PREFECT_API_URL and our settings."""
    never_through_a_proxy()
    try:
        difference = current().store.compare_schema()
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    if difference is not None:
        print(f"The database: {difference}.", file=sys.stderr)  # noqa: T201 - its log
    with get_client(sync_client=True) as client:
        before_deployments(client)
        for deployment in served():
            deployment.apply()
        after_deployments(client)
        _close_rounds(client)
        for off, remedy in switched_off(client, dispatched=True):
            print(f"{off} To change that, {remedy}.", file=sys.stderr)  # noqa: T201 - its log


if __name__ == "__main__":
    main()
