"""One run of one campaign: its ids, its services, and the few things that change while it lasts."""

import threading
import time
from collections import Counter
from typing import Final
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client

from outreach.campaign.models import Outcome
from outreach.deployment_names import run_name, run_tag
from outreach.errors import Explained
from outreach.store import schema
from outreach.store.results import InstalledRelease
from outreach.store.store import Store
from outreach.wiring import Services, current
from tasks.background import background
from tasks.log import SentLog, run_log
from tasks.token import token_of


class Outcomes:
    """A run's outcomes so far, by kind; counted by all its threads."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._kinds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, outcome: Outcome) -> None:
        with self._lock:
            self._kinds[outcome.kind] += 1

    def of(self, *kinds: str) -> int:
        return sum(self._kinds[kind] for kind in kinds)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began

    def __str__(self) -> str:
        """`12 sent, 1 failed`."""
        return ", ".join(f"{n} {kind}" for kind, n in self._kinds.most_common()) or (
            "nothing sent yet"
        )


class SchemaNotice:
    """Logs how the database's schema differs from this version's, when that has changed."""

    def __init__(self) -> None:
        self._logged: InstalledRelease | None = None

    def log(self, installed: InstalledRelease | None) -> None:
        """`installed`: as each batch of claims has it; None when the two are the same."""
        if installed is not None and installed != self._logged:
            difference = schema.difference(installed.state, installed.version)
            run_log().warning("The database: %s", difference)
        self._logged = installed


class CampaignRun:
    """A plain class: Prefect inspects models and dataclasses, and copies them for every task."""

    def __init__(self, campaign: UUID, run: UUID, services: Services) -> None:
        self.campaign: Final = campaign
        self.id: Final = run
        """The id of the flow run."""
        self.services: Final = services
        self.token: Final = token_of(run)
        self.outcomes: Final = Outcomes()
        self.sent_log: Final = SentLog()
        self.schema_notice: Final = SchemaNotice()

    @property
    def store(self) -> Store:
        return self.services.store


def flow_run_id() -> UUID:
    return UUID(str(runtime.flow_run.id))


def label(campaign: UUID) -> None:
    """Name this flow run after its campaign, and tag it, however it was started.

    Its task runs have no tags: Prefect asks its server about each tag of each task run, so per
    mail.
    """
    run, name, tags = flow_run_id(), runtime.flow_run.name, set(runtime.flow_run.tags)

    def update() -> None:
        wanted = known_name(campaign), tags | {run_tag(campaign)}
        if (name, tags) != wanted:
            with get_client(sync_client=True) as client:
                client.update_flow_run(run, name=wanted[0], tags=sorted(wanted[1]))

    background().put(run, "label", update)


def known_name(campaign: UUID) -> str:
    """The name of the campaign's runs; with its id where the database does not tell its name."""
    try:
        return run_name(current().store.campaign_status(campaign).name)
    except Explained:
        return run_name(str(campaign))
