"""Publishes artifacts in Prefect's UI."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from tasks.run import CampaignRun


def publish(run: CampaignRun, kind: str, key: str, data: Any, title: str | None = None) -> None:
    """Publish an artifact of the flow run; those of a task run are hidden at the end of its page.

    A table's `data` is JSON text. Raises httpx.HTTPError when Prefect is away; callers go on.
    """
    with get_client(sync_client=True) as client:
        client.create_artifact(_artifact(kind, key, data, title, run.id))


class ChangingArtifact:
    """One artifact whose data changes in place. The first `publish` creates it."""

    def __init__(
        self,
        kind: str,
        key: str,
        title: str,
        data: Callable[[], Any],
        flow_run: UUID | None = None,
    ) -> None:
        """`data`: its data now. `flow_run`: the run that shows it, if it belongs to one."""
        self._kind, self._key, self._title = kind, key, title
        self._data = data
        self._flow_run = flow_run
        self._id: UUID | None = None
        self._lock = threading.Lock()

    def publish(self) -> None:
        """As the function `publish`. Of several threads the last one's data stays."""
        with self._lock, get_client(sync_client=True) as client:
            data = self._data()
            if self._id is not None:
                client.update_artifact(self._id, ArtifactUpdate(data=data))
                return
            made = _artifact(self._kind, self._key, data, self._title, self._flow_run)
            self._id = client.create_artifact(made).id


def _artifact(
    kind: str, key: str, data: Any, title: str | None, flow_run: UUID | None
) -> ArtifactCreate:
    return ArtifactCreate(
        type=kind, key=key, data=data, description=title, flow_run_id=flow_run, task_run_id=None
    )
