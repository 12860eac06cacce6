"""What a run publishes for those who watch it."""

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate

from tasks.run import CampaignRun


def publish(run: CampaignRun, kind: str, key: str, data: Any, title: str | None = None) -> None:
    """An artifact of the flow run: those of a task run are at the end of its page, out of sight.

    `data` of a table is JSON text. Raises httpx.HTTPError: Prefect is away, which stops nobody.
    """
    artifact = ArtifactCreate(
        type=kind, key=key, data=data, description=title, flow_run_id=run.id, task_run_id=None
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(artifact)
