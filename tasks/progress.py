"""Progress bars of the runs of this process, published by one thread: no run waits for Prefect."""

import threading
import time
from contextvars import copy_context
from functools import cache
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.logging.loggers import get_logger

KEY = "campaign-progress"
EVERY_SECONDS = 5.0
"""Between two moves of a bar."""
BETWEEN_SECONDS = 0.25
"""Between two requests of this process: each costs Prefect's server some 8 ms."""
PREFECT_AWAY_SECONDS = 60.0
"""Without updates after Prefect failed."""


class Bar:
    """One run's progress artifact; made by its first update."""

    def __init__(self, run: UUID, title: str) -> None:
        self._run, self._title = run, title
        self._artifact: UUID | None = None
        self._lock = threading.Lock()
        self._context = copy_context()
        """Prefect's settings and the run's client, for the thread that publishes."""
        self._due = time.monotonic() + EVERY_SECONDS
        self.percent = self._shown = 0.0

    def show(self, percent: float) -> None:
        """Publish it soon; a later value replaces it."""
        self.percent = percent
        if time.monotonic() >= self._due and percent != self._shown:
            self._shown = percent
            self._due = time.monotonic() + EVERY_SECONDS
            board().put(self)

    def publish(self) -> None:
        """Now. Raises httpx.HTTPError."""
        with self._lock, get_client(sync_client=True) as client:
            if self._artifact is not None:
                client.update_artifact(self._artifact, ArtifactUpdate(data=self.percent))
                return
            made = ArtifactCreate(
                type="progress",
                key=KEY,
                data=self.percent,
                description=self._title,
                flow_run_id=self._run,
                task_run_id=None,
            )
            self._artifact = client.create_artifact(made).id

    def publish_beside(self) -> None:
        """The same, from another thread."""
        self._context.run(self.publish)


class Board:
    """The bars that wait to be published, in the order in which they moved."""

    def __init__(self) -> None:
        self._waiting: dict[int, Bar] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, bar: Bar) -> None:
        with self._changed:
            self._waiting[id(bar)] = bar
            if self._thread is None:
                self._thread = threading.Thread(target=self._publish, name="progress", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, bar: Bar) -> None:
        with self._changed:
            self._waiting.pop(id(bar), None)

    def _publish(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                bar = self._waiting.pop(next(iter(self._waiting)))
            try:
                bar.publish_beside()
            except Exception as error:  # noqa: BLE001 - nothing depends on a bar
                get_logger("outreach.progress").warning(
                    "No progress is shown for now (%s)", type(error).__name__
                )
                time.sleep(PREFECT_AWAY_SECONDS)
            time.sleep(BETWEEN_SECONDS)


@cache
def board() -> Board:
    """Of this process."""
    return Board()
