"""Publishes a campaign's outcome as Prefect events, for automations that notify.

The resource is `campaign.<id>`; the payload has the campaign's name and the event's data.
"""

from typing import Any, Literal
from uuid import UUID, uuid5

from prefect import runtime
from prefect.events import emit_event

from outreach.store.results import Finished
from outreach.wiring import current
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun

What = Literal[
    "dispatched",
    "started",
    "completed",
    "failed",
    "deferred",
    "paused",
    "reply",
    "bounce",
    "unsubscribe",
]


def announce(
    what: What, campaign: UUID, run: UUID, name: str, times_begun: int = 0, **payload: Any
) -> None:
    """Emit the event once each time that the run is begun, even when its task is retried.

    A run is begun again by Retry and Resume in Prefect, which drops an event whose id it knows.
    """
    emit_event(
        f"campaign.{what}",
        resource={"prefect.resource.id": f"campaign.{campaign}", "prefect.resource.name": name},
        payload={"campaign_id": str(campaign), "name": name, **payload},
        id=uuid5(run, f"{what} {campaign} {times_begun}"),
    )


def announce_start(run: CampaignRun, plan: CampaignPlan) -> None:
    announce(
        "started",
        run.campaign,
        run.id,
        plan.name,
        runtime.flow_run.run_count,
        pending=plan.leads.pending,
        total=plan.leads.total,
    )


def announce_failure(campaign: UUID, run: UUID, times_begun: int = 0) -> None:
    """Report a campaign that `run` has just ended in error, or that was given up."""
    status = current().store.campaign_status(campaign)
    counts = {"sent": status.leads.sent, "failed": status.leads.failed, "total": status.leads.total}
    announce("failed", campaign, run, status.name, times_begun, error=status.error, **counts)


def announce_end(run: CampaignRun, plan: CampaignPlan, finished: Finished) -> None:
    """Report the end of a run. No event when paused, cancelled or superseded: a person knows."""
    leads = finished.leads
    counts = {"sent": leads.sent, "failed": leads.failed, "total": leads.total}

    def tell(what: What, **payload: Any) -> None:
        times_begun = runtime.flow_run.run_count
        announce(what, run.campaign, run.id, plan.name, times_begun, **payload, **counts)

    if finished.answer == "deferred":
        tell(
            "deferred",
            resume_seconds=finished.resume_seconds,
            waiting_for=finished.waiting_for,
        )
    elif finished.error is not None:
        tell("failed", error=finished.error)
    elif finished.answer == "ended":
        tell("completed")
