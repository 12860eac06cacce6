"""What a dispatcher started, shown in Prefect: an event for each campaign, and an artifact."""

from collections import deque
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from outreach.store.results import Due
from tasks.background import background
from tasks.events import announce

KEY = "dispatcher"
LINES = 50


class Diary:
    """One dispatcher's last starts. Its artifact is changed in place, and made by the first."""

    def __init__(self, dispatcher: UUID, name: str) -> None:
        """`name`: the worker's."""
        self._id, self._name = dispatcher, name
        self._lines: deque[str] = deque(maxlen=LINES)
        self._artifact: UUID | None = None

    def note(self, campaign: Due, run: UUID) -> None:
        name = campaign.name or str(campaign.id)
        announce("dispatched", campaign.id, run, name, flow_run_id=str(run))
        name = " ".join(name.replace("|", "\\|").split())
        self._lines.appendleft(f"| {datetime.now(UTC):%Y-%m-%d %H:%M:%S} | {name} | {run} |")
        background().put(self._id, "diary", self._publish)

    def _publish(self) -> None:
        """Raises httpx.HTTPError."""
        table = "| UTC | campaign | flow run |\n|---|---|---|\n" + "\n".join(self._lines)
        with get_client(sync_client=True) as client:
            if self._artifact is not None:
                client.update_artifact(self._artifact, ArtifactUpdate(data=table))
                return
            made = ArtifactCreate(
                type="markdown",
                key=KEY,
                data=table,
                description=f"Started by the worker {self._name}",
                flow_run_id=None,
                task_run_id=None,
            )
            self._artifact = client.create_artifact(made).id
