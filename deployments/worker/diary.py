"""What a dispatcher started, shown in Prefect: an event for each campaign, and an artifact."""

from collections import deque
from datetime import UTC, datetime
from uuid import UUID

from outreach.store.results import Due
from tasks.artifacts import ChangingArtifact
from tasks.background import background
from tasks.events import announce

KEY = "dispatcher"
LINES = 50


class Diary:
    """One dispatcher's last starts. Its artifact is changed in place, and made by the first."""

    def __init__(self, dispatcher: UUID, name: str) -> None:
        """`name`: the worker's."""
        self._id = dispatcher
        self._lines: deque[str] = deque(maxlen=LINES)
        title = f"Started by the worker {name}"
        self._artifact = ChangingArtifact("markdown", KEY, title, self._table)

    def note(self, campaign: Due, run: UUID) -> None:
        name = campaign.name or str(campaign.id)
        announce("dispatched", campaign.id, run, name, flow_run_id=str(run))
        name = " ".join(name.replace("|", "\\|").split())
        self._lines.appendleft(f"| {datetime.now(UTC):%Y-%m-%d %H:%M:%S} | {name} | {run} |")
        background().put(self._id, "diary", self._artifact.publish)

    def _table(self) -> str:
        return "| UTC | campaign | flow run |\n|---|---|---|\n" + "\n".join(self._lines)
