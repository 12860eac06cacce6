"""State of one run of one campaign, shared by its tasks: lease, sending, progress."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client

from outreach.campaign.models import Claim, LeadCounts, Outcome
from outreach.delivery.reconciler import Settling
from outreach.delivery.sender import Sending
from outreach.errors import StoreUnavailable
from outreach.gc_tuning import rarely_collected
from outreach.mail.compose import compose
from outreach.mail.mime import Attachment, Mail
from outreach.mail.render import pixel_url
from outreach.store import schema
from outreach.store.results import InstalledRelease
from outreach.wiring import Services, current
from tasks.ending import (
    GRACE_SECONDS,
    end_process,
    ended_if_cancelled,
    watch,
    watch_no_longer,
)
from tasks.log import Logger, run_log
from tasks.orders import obey

LEASE_SECONDS = 60.0
"""A run that does not renew its lease for this long counts as dead."""
LOOK_SECONDS = 1.5
"""How often a run checks that the campaign is still its own."""
ORDERS_SECONDS = 15.0
"""How often it reads its state from Prefect, which costs the server 24 ms."""
SILENT_SECONDS = 2 * LEASE_SECONDS
"""A process that does not keep even the lease for this long is ended."""


class CampaignRun:
    """A plain class: Prefect inspects models and copies them for every task.

    All its threads sleep by `wait` and are woken by `stop`.
    """

    def __init__(self, campaign: UUID, run: UUID, services: Services) -> None:
        self.campaign = campaign
        self.id = run
        self.store = services.store
        self.settings = services.settings
        self.name = ""
        self.leads = LeadCounts()
        """The campaign's counts when this run began."""
        self.paces: list[float] = []
        """Seconds between two mails, one entry per account."""
        self.attachment: Attachment | None = None
        self.began = time.monotonic()
        self.outcomes: Counter[str] = Counter()
        """This run's outcomes, by kind."""
        self.resume_after: float | None = None
        self.waiting_for: str | None = None
        self.in_flight = threading.BoundedSemaphore(services.settings.send_concurrency)
        self.settling = Settling(services.store, services.mailer, services.settings)
        self._release: InstalledRelease | None = None
        self.orders_at = self.began + ORDERS_SECONDS
        """The time of the next request to Prefect, on the monotonic clock."""
        self.finishing = False
        """All its sends have returned: the rest has time-outs of its own."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.sending = Sending(
            store=services.store,
            mailer=services.mailer,
            settings=services.settings,
            run=run,
            build=self._build,
            wait=self._stop.wait,
            in_flight=self.in_flight,
        )

    def stop(self) -> None:
        """Send nothing more; wakes up all waiting threads."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def defer(self, seconds: float, reason: str) -> None:
        """Continue the campaign in `seconds`; `reason`: what it waits for."""
        self.resume_after, self.waiting_for = seconds, reason

    def tell_release(self, installed: InstalledRelease | None) -> None:
        """Log how the database's schema differs from this version's, when that has changed."""
        if installed is not None and installed != self._release:
            difference = schema.difference(installed.state, installed.version)
            run_log().warning("The database: %s", difference)
        self._release = installed

    def count(self, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes[outcome.kind] += 1

    def _build(self, claim: Claim, search_token: str) -> Mail:
        return compose(
            claim,
            sender=claim.sender,
            attachment=self.attachment,
            pixel_url=pixel_url(self.settings.app_url, claim.id),
            search_token=search_token,
            date=datetime.now(UTC),
        ).mail


def flow_run_id() -> UUID:
    return UUID(str(runtime.flow_run.id))


def run_name(campaign: str | None) -> str:
    """The name of a campaign's runs, from their creation on."""
    return f"send {campaign or 'a campaign'}"


def tag(campaign: UUID) -> None:
    """Tag this flow run `campaign:ID`: the UI shows all runs of a campaign, however started.

    Its task runs have no tags: Prefect asks its server about each tag of each task run, so per
    mail.
    """
    known = list(runtime.flow_run.tags)
    if (mine := f"campaign:{campaign}") in known:
        return
    # A failed tag must not stop a run.
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        client.update_flow_run(flow_run_id(), tags=[*known, mine])


@contextmanager
def owned(campaign: UUID) -> Iterator[CampaignRun]:
    """The campaign that this flow run has begun, with its lease kept alive until the end."""
    run, logger = CampaignRun(campaign, flow_run_id(), current()), run_log()
    over = threading.Event()
    heartbeat = threading.Thread(
        target=_keep_lease, args=(run, over, logger), name="lease", daemon=True
    )
    heartbeat.start()
    try:
        with rarely_collected(), ended_if_cancelled(run.id, logger):
            yield run
    finally:
        run.stop()
        over.set()
        heartbeat.join()


def _keep_lease(run: CampaignRun, over: threading.Event, logger: Logger) -> None:
    """Keep the lease; stop the run when the campaign is no longer its own.

    A run that does not end then is ended: it would hold its slots without a purpose.
    """
    ends_at = math.inf
    while not over.wait(min(LOOK_SECONDS, ends_at - time.monotonic())):
        if run.finishing:
            ends_at = math.inf
        elif time.monotonic() >= ends_at:
            end_process(logger)
            return
        watch(SILENT_SECONDS)
        if (grace := _look(run, logger)) is not None:
            run.stop()
            ends_at = min(ends_at, time.monotonic() + grace)
    watch_no_longer()


def _look(run: CampaignRun, logger: Logger) -> float | None:
    """None while the run goes on, or the seconds that it has to end in.

    A database outage stops nothing: claims and attempts have their own fences.
    """
    try:
        answer = run.store.renew_run(run.campaign, run.id, LEASE_SECONDS)
    except StoreUnavailable as error:
        logger.warning("The lease was not renewed: %s", error)
    except Exception as error:  # noqa: BLE001 - the heartbeat survives unexpected errors
        logger.warning("The lease was not renewed: %s", type(error).__name__)
    else:
        if answer == "paused":  # no other run has it, and Gmail may take its time
            return run.settings.settle_after_seconds
        if answer == "stopped":
            return GRACE_SECONDS
        if time.monotonic() >= run.orders_at:
            run.orders_at = time.monotonic() + ORDERS_SECONDS
            obey(run, logger)
    return None
