"""Serves both deployments from one process, as `outreach up` does: no work pool, no worker.

They are the same as in prefect.yaml, whose comments hold here too.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from threading import Thread
from typing import Any

import psutil
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from deployments.provision import provision
from deployments.reaping import reap
from flows.dispatch_campaigns import dispatch_at_start, dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.errors import ConfigurationError
from outreach.loopback import never_through_a_proxy
from outreach.wiring import current
from tasks.stopping import HELD_BACK

TAGS = ["outreach"]
POLL_SECONDS = 2.0
"""From a start to its first task in 1 to 3 s; Prefect's own 10 s make that 4 to 9."""
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 5.0
"""A library that was in mid-work may have lost the request."""
STOP_SECONDS = 30.0
"""How long runs may take to record their mails in flight when all is stopped."""


class Serving(Runner):
    """A runner that stops in order: its runs are asked to end, and waited for."""

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Nothing: `serve` waits for the signals, which are let in nowhere else."""

    async def cancel_all(self) -> None:
        """Nothing: a stop cancels no run, since a cancelled run cancels its campaign."""

    async def serve(self) -> None:
        """Serve until a signal of HELD_BACK, which this process blocks."""
        reaping = asyncio.ensure_future(reap())
        serving = asyncio.ensure_future(self.start())
        told = asyncio.ensure_future(_told_to_stop())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        while not self.started and not serving.done():  # told before it had begun
            await asyncio.wait({serving}, timeout=LOOK_SECONDS)
        if not serving.done():
            await self.astop()
            await _end_runs(serving)
        reaping.cancel()
        await serving


async def _told_to_stop() -> None:
    told, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        signal.sigwait(HELD_BACK)
        loop.call_soon_threadsafe(told.set)

    Thread(target=wait, name="signals", daemon=True).start()
    await told.wait()


async def _end_runs(serving: "asyncio.Future[None]") -> None:
    """Ask each run, also one that is just being started; kill those that take too long."""
    asked: dict[psutil.Process, float] = {}
    deadline = time.monotonic() + STOP_SECONDS
    while not serving.done():
        for run in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                if time.monotonic() > deadline:
                    run.kill()
                elif time.monotonic() > asked.get(run, 0) + AGAIN_SECONDS:
                    run.terminate()
                    asked[run] = time.monotonic()
        await asyncio.wait({serving}, timeout=LOOK_SECONDS)


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
    never_through_a_proxy()
    # Waited for in one place; a run inherits this, and lets them in when it can answer them.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
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
    dispatch_at_start(return_state=True)  # what fails is in its log, and due again in a minute
    asyncio.run(runner.serve())


if __name__ == "__main__":
    main()
