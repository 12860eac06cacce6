"""A worker that was told to end in the middle of a poll."""

import asyncio
import gc
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client

from deployments.provision import provision
from deployments.worker.worker import CampaignWorker
from flows.send_campaign import send_campaign
from outreach.deployment_names import POOL


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("prefect_api")
def test_a_run_that_it_has_just_taken_waits_for_another_worker() -> None:
    provision()

    async def taken() -> tuple[str | None, int]:
        async with CampaignWorker(POOL) as worker, get_client() as client:
            await worker.sync_with_backend()
            flow = await client.create_flow(send_campaign)
            deployment = await client.create_deployment(
                flow,
                f"ends-{uuid4()}",
                work_pool_name=POOL,
                entrypoint="flows/send_campaign.py:send_campaign",
            )
            run = await client.create_flow_run_from_deployment(
                deployment, parameters={"campaign_id": str(uuid4())}
            )
            asked = worker.client.set_flow_run_state

            async def told_to_end(*given: Any, **more: Any) -> Any:
                worker.ending = True
                return await asked(*given, **more)

            worker.client.set_flow_run_state = told_to_end  # type: ignore[method-assign]
            begun = await worker.get_and_submit_flow_runs()
            state = (await client.read_flow_run(run.id)).state
            await client.delete_deployment(deployment)
            return state and state.name, len(begun) + len(worker.runs)

    assert asyncio.run(taken()) == ("Scheduled", 0)
    gc.collect()  # Prefect's asynchronous clients leave sockets to it, which would blame another test
