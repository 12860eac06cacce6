"""The worker type `outreach`: it polls a work pool and runs our flows as threads of its process.

Each Prefect server of this installation imports this module at its start, to know the type: what
runs flows is imported by the first worker.
"""

import math
import os
import socket
import time
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import anyio.abc
from prefect import Flow
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import (
    DeploymentResponse,
    OrchestrationResult,
    SetStateStatus,
)
from prefect.exceptions import ObjectNotFound
from prefect.states import Failed, Pending, Scheduled
from prefect.workers.base import (
    BaseJobConfiguration,
    BaseVariables,
    BaseWorker,
    BaseWorkerResult,
)

from outreach.deployment_names import DEPLOYMENTS, SEND, SEND_FLOW, run_name, run_tag
from tasks.places import is_open
from tasks.token import Order

if TYPE_CHECKING:
    from deployments.worker.hosted import Runs
    from outreach.store.results import Due

TYPE = "outreach"
AHEAD_SECONDS = 1.0
"""A run that is due so soon may begin: the flow waits for its campaign's time."""
LATE_POLLS = 30
STOP_SECONDS = 30.0
"""Seconds that runs have to record their mails in flight."""


def default_name() -> str:
    """Of a worker, as people see it."""
    return f"{socket.gethostname()}-{os.getpid()}"


class Result(BaseWorkerResult):
    """That a thread has ended; the run's state says how."""


class CampaignWorker(BaseWorker[BaseJobConfiguration, BaseVariables, Result]):
    """Runs flow runs as threads of its own process; other than our flows it refuses."""

    type = TYPE
    job_configuration_variables = BaseVariables
    _description = "Runs many campaigns in one process, a thread each."

    def __init__(self, work_pool_name: str, *, runs: "Runs | None" = None, **options: Any) -> None:
        """`runs`: of a process that outlives this worker, and stops them itself.

        `limit`: campaigns at once; the dispatcher takes no place of theirs.
        """
        from deployments.worker.hosted import Runs
        from deployments.worker.listening import Listening

        options["name"] = options.get("name") or default_name()
        super().__init__(work_pool_name, **options)
        self._stops_runs = runs is None
        self.runs = Runs(copy_context()) if runs is None else runs
        self.ending = False
        self.ready = anyio.Event()
        """Its pool is known."""
        self._known_pool: UUID | None = None
        self._listening = Listening(self, self.runs)
        self._entrypoints: dict[UUID, str | None] = {}
        self._queues: list[str] = options.get("work_queues") or []
        self._most: float = options.get("limit") or math.inf
        self._polled = time.monotonic()

    # --- what Prefect's worker asks for -------------------------------------------------

    async def sync_with_backend(self) -> None:
        """Prefect makes a deleted pool anew, but leaves its deployments without one."""
        await super().sync_with_backend()
        if (pool := self._work_pool) is None or pool.id == self._known_pool:
            return
        if self._known_pool is not None:
            self._logger.warning("The work pool %s was deleted: it is made anew", pool.name)
            await self._attach_deployments()
            self._listening.subscribe_anew()
        self._known_pool = pool.id
        self.ready.set()

    async def start(self, *args: Any, **options: Any) -> None:
        """Poll until cancelled; then let the runs record what is in flight, and give back."""
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._listening.listen)
            try:
                await super().start(*args, **options)
            finally:
                if self._stops_runs:
                    with anyio.CancelScope(shield=True):
                        await self.stop_runs()
                beside.cancel_scope.cancel()

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Begin the runs that wait in the pool and are due; returns those that have begun.

        Prefect's own way asks the server eight times a run, and an error between two of them ends
        its loop.
        """
        self._polled = time.monotonic()
        if self.ending or not self.ready.is_set():
            return []
        try:
            waiting = await self.client.get_scheduled_flow_runs_for_work_pool(
                self.work_pool.name,
                work_queue_names=sorted(self._queues) or None,
                scheduled_before=datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS),
            )
        except ObjectNotFound:
            return []  # the pool was deleted: the next synchronisation makes it anew
        begun = []
        for flow_run in (entry.flow_run for entry in waiting):
            try:
                if await self._begin(flow_run):
                    begun.append(flow_run)
            except Exception as error:  # noqa: BLE001 - one run holds up no other
                self._logger.warning(
                    "The run %s was not begun (%s)", flow_run.id, type(error).__name__
                )
        return begun

    async def begin_due(self, campaign: "Due") -> UUID:
        """Begin a run of the campaign here, or leave it to any worker; returns its id.

        Created as Pending, it passes by the server's queue: half of the requests. Raises
        httpx.HTTPError.
        """
        deployment = await self.client.read_deployment_by_name(SEND)
        flow = await self._taken(deployment)
        run = await self.client.create_flow_run_from_deployment(
            deployment.id,
            parameters={"campaign_id": str(campaign.id)},
            name=run_name(campaign.name),
            tags=[run_tag(campaign.id)],
            idempotency_key=campaign.key,
            state=Pending(message=f"Taken by the worker {self.name}") if flow else None,
        )
        if flow is None or run.state is None or not run.state.is_pending():
            return run.id
        if self.ending:  # meanwhile: another worker has to find it in the queue
            await self.client.set_flow_run_state(run.id, Scheduled(), force=True)
        else:
            self.runs.begin(run, flow)
        return run.id

    async def _taken(self, deployment: DeploymentResponse) -> Flow[..., Any] | None:
        """The deployment's flow, if Prefect would give this worker a run of it at once."""
        pool, queue = self.work_pool, deployment.work_queue_id
        flow = self.runs.flow_of(deployment.entrypoint)
        if (
            self.ending
            or self._queues
            or self.runs.campaigns >= self._most
            or flow is None
            or flow.name != SEND_FLOW
            or deployment.work_pool_name != pool.name
            or deployment.global_concurrency_limit is not None
            or queue is None
            or not is_open(pool)
        ):
            return None
        return flow if is_open(await self.client.read_work_queue(queue)) else None

    def is_worker_still_polling(self, query_interval_seconds: float) -> bool:
        """For the health check of Prefect's command."""
        return time.monotonic() - self._polled < LATE_POLLS * query_interval_seconds

    async def _begin(self, flow_run: FlowRun) -> bool:
        if self.ending:
            return False
        if (earlier := self.runs.find(flow_run.id)) is not None:
            earlier.again = True  # resumed before its thread had ended
            return False
        if (flow := await self._flow(flow_run)) is None:
            await self._refuse(flow_run)
            return False
        if flow.name == SEND_FLOW and self.runs.campaigns >= self._most:
            self.runs.held_back = True
            return False
        answer: OrchestrationResult[Any] = await self.client.set_flow_run_state(
            flow_run.id, Pending()
        )
        if answer.status is not SetStateStatus.ACCEPT:  # another worker has it, or a limit holds it
            return False
        if self.ending:  # meanwhile: another worker has to find it in the queue
            await self.client.set_flow_run_state(flow_run.id, Scheduled(), force=True)
            return False
        self.get_flow_run_logger(flow_run).info("Taken by the worker %s", self.name)
        flow_run.state = answer.state
        self.runs.begin(flow_run, flow)
        return True

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002 - Prefect's signature
        task_status: anyio.abc.TaskStatus[str] | None = None,  # type: ignore[override]
    ) -> Result:
        """One run to its end; for callers of Prefect's interface, as this worker begins its own."""
        identifier = f"{self.name}:{flow_run.id}"
        if task_status is not None:
            task_status.started(identifier)
        if await self._begin(flow_run) and (hosted := self.runs.find(flow_run.id)) is not None:
            await hosted.ended.wait()
        return Result(identifier=identifier, status_code=0)

    async def _attach_deployments(self) -> None:
        for name in DEPLOYMENTS:
            with suppress(ObjectNotFound):
                found = await self.client.read_deployment_by_name(name)
                if found.work_pool_name is None:
                    changed = DeploymentUpdate(work_pool_name=self._work_pool_name)
                    await self.client.update_deployment(found.id, changed)

    # --- stop ---------------------------------------------------------------------------

    async def stop_runs(self) -> bool:
        """Tell each run to give its campaign back; False when one did not end in time."""
        self.ending = True
        self.runs.tell(Order.STOP)
        return await self.runs.wait(STOP_SECONDS)

    # --- which flow ---------------------------------------------------------------------

    async def _flow(self, flow_run: FlowRun) -> Flow[..., Any] | None:
        return self.runs.flow_of(await self._entrypoint(flow_run))

    async def _entrypoint(self, flow_run: FlowRun) -> str | None:
        """Of the run's deployment; None without one."""
        if (deployment := flow_run.deployment_id) is None:
            return None
        if deployment not in self._entrypoints:
            try:
                found = await self.client.read_deployment(deployment)
            except ObjectNotFound:
                return None
            self._entrypoints[deployment] = found.entrypoint
        return self._entrypoints[deployment]

    async def _refuse(self, flow_run: FlowRun) -> None:
        message = (
            "This work pool runs the flows send-campaign, dispatch-campaigns and read-mailboxes "
            "alone. Give the deployment of this run another work pool."
        )
        self.get_flow_run_logger(flow_run).error(message)
        await self.client.set_flow_run_state(flow_run.id, Failed(message=message), force=True)
