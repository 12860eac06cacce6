"""Publishes a run's artifacts in Prefect's UI."""

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from tasks.run import CampaignRun


def publish(run: CampaignRun, kind: str, key: str, data: Any, title: str | None = None) -> None:
    """Publish an artifact of the flow run; those of a task run are hidden at the end of its page.

    A table's `data` is JSON text. Raises httpx.HTTPError when Prefect is away; callers go on.
    """
    artifact = ArtifactCreate(
        type=kind, key=key, data=data, description=title, flow_run_id=run.id, task_run_id=None
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)
