"""Serves both deployments from one process, as `outreach up` does: no work pool, no worker.

Their definitions are in prefect.yaml. Each has a runner of its own:
campaigns that are sent for hours must not take the dispatcher's place.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any, cast

import psutil
import yaml
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from deployments.kept import Kept, switched_off
from deployments.provision import provision_serving
from deployments.reaping import reap
from flows.dispatch_campaigns import dispatch_at_start, dispatch_campaigns
from flows.send_campaign import send_campaign
from outreach.errors import ConfigurationError
from outreach.loopback import never_through_a_proxy
from outreach.wiring import current, current_settings
from tasks.stopping import HELD_BACK

POLL_SECONDS = 2.0
"""From a start to its first task in 1 to 3 s; with Prefect's own 10 s it takes 4 to 9."""
DISPATCHER_POLL_SECONDS = 5.0
"""Its runs are known ahead of their minute; only one that a person starts waits for this."""
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 5.0
"""Seconds until a request is repeated: a library may have swallowed the signal."""
STOP_SECONDS = 30.0
"""Seconds that runs have to record their mails in flight when everything is stopped."""


class Serving(Runner):
    """A runner that stops in order: asks its runs to end, and waits for them."""

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Does nothing: only `serve` handles the signals."""

    async def cancel_all(self) -> None:
        """Does nothing: a stop cancels no run, since a cancelled run cancels its campaign."""


async def serve(*runners: Serving) -> None:
    """Serve until a signal of HELD_BACK, which this process blocks, or until a runner ends."""
    reaping = asyncio.ensure_future(reap())
    serving = [asyncio.ensure_future(runner.start()) for runner in runners]
    told_to = asyncio.ensure_future(_told_to_stop())
    await asyncio.wait({*serving, told_to}, return_when=asyncio.FIRST_COMPLETED)
    for runner, its in zip(runners, serving, strict=True):
        while not runner.started and not its.done():  # told before it had begun
            await asyncio.wait({its}, timeout=LOOK_SECONDS)
        if not its.done():
            await runner.astop()
    await _end_runs(asyncio.gather(*serving, return_exceptions=True))
    reaping.cancel()
    for its in serving:
        its.result()  # raises the error that ended it


async def _told_to_stop() -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        signal.sigwait(HELD_BACK)
        loop.call_soon_threadsafe(stop.set)

    Thread(target=wait, name="signals", daemon=True).start()
    await stop.wait()


async def _end_runs(serving: "asyncio.Future[Any]") -> None:
    """Ask each run to end, also one that is just starting; kill those that take too long."""
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


def served() -> tuple[Kept, Kept]:
    """Both deployments of prefect.yaml, without their work pool."""
    send, dispatch = (_served(flow) for flow in (send_campaign, dispatch_campaigns))
    return send, dispatch


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
    )
    return cast(Kept, made)


def declared_deployments() -> list[dict[str, Any]]:
    """Of prefect.yaml: in the checkout, or as the wheel carries it."""
    checkout = Path(__file__).parents[1] / "prefect.yaml"
    file = checkout if checkout.is_file() else files("deployments") / "prefect.yaml"
    declared: list[dict[str, Any]] = yaml.safe_load(file.read_text("utf-8"))["deployments"]
    return declared


def registered() -> tuple[Serving, Serving]:
    """A runner for campaigns, with as many runs as there are places, and one for the dispatcher."""
    # A stop must not pause the deployment: the next start goes on by itself.
    campaigns = Serving(
        name="outreach",
        query_seconds=POLL_SECONDS,
        pause_on_shutdown=False,
        limit=current_settings().campaigns_at_once,
    )
    dispatcher = Serving(
        name="outreach-dispatcher",
        query_seconds=DISPATCHER_POLL_SECONDS,
        pause_on_shutdown=False,
        limit=None,
    )
    for runner, deployment in zip((campaigns, dispatcher), served(), strict=True):
        runner.add_deployment(deployment)
    return campaigns, dispatcher


def main() -> None:
    """Provision the server and serve until a signal. Needs PREFECT_API_URL and our settings."""
    never_through_a_proxy()
    # `serve` alone waits for the signals; a run inherits the mask, and unblocks them when ready.
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        difference = current().store.compare_schema()
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    if difference is not None:
        print(f"The database: {difference}.", file=sys.stderr)  # noqa: T201 - its log
    runners = registered()
    provision_serving()
    with get_client(sync_client=True) as client:
        for off, remedy in switched_off(client):
            print(f"{off} To change that, {remedy}.", file=sys.stderr)  # noqa: T201 - its log
    dispatch_at_start(return_state=True)  # an error is in its log, and due again in a minute
    asyncio.run(serve(*runners))


if __name__ == "__main__":
    main()
