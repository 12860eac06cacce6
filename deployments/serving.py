"""Serves both deployments from one process, as `outreach up` does: no work pool, no worker.

They are the same as in prefect.yaml, whose comments hold here too.
"""

import asyncio
import signal
import sys
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from deployments.provision import provision
from deployments.reaping import reap
from flows.dispatch_campaigns import dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.errors import ConfigurationError
from outreach.wiring import current

TAGS = ["outreach"]
POLL_SECONDS = 2.0
"""From a start to its first task in 1 to 3 s; Prefect's own 10 s make that 4 to 9."""


class Serving(Runner):
    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """End as on Ctrl-C: runs crash, and release their campaigns for the next start.

        Prefect's own handler means to cancel them, and a cancelled run cancels its campaign; in
        3.8.8 it forgets to await that, and kills them without a word.
        """
        signal.raise_signal(signal.SIGINT)


def served() -> list[RunnerDeployment]:
    """Both deployments; module entrypoints, so that no file of the current folder is loaded."""
    send: Any = send_campaign.to_deployment(
        name="send-campaign",
        tags=TAGS,
        triggers=[
            DeploymentEventTrigger(
                expect={"campaign.start"},
                parameters={"campaign_id": "{{ event.payload.campaign_id }}"},
            )
        ],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    dispatch: Any = dispatch_campaigns.to_deployment(
        name="dispatch-campaigns",
        tags=TAGS,
        interval=60,
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return [send, dispatch]


def main() -> None:
    """Provision the server and serve until a signal. It needs PREFECT_API_URL and our settings."""
    # A shell's background jobs ignore Ctrl-C; here it is how all ends.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        difference = current().store.compare_schema()
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    if difference is not None:
        print(f"The database: {difference}.", file=sys.stderr)  # noqa: T201 - its log
    # A stop is no pause: the next start goes on by itself.
    runner = Serving(name="outreach", query_seconds=POLL_SECONDS, pause_on_shutdown=False)
    for deployment in served():
        runner.add_deployment(deployment)
    provision()
    try:
        asyncio.run(_serve(runner))
    except KeyboardInterrupt:
        return


async def _serve(runner: Runner) -> None:
    reaping = asyncio.create_task(reap())
    try:
        await runner.start()
    finally:
        reaping.cancel()


if __name__ == "__main__":
    main()
