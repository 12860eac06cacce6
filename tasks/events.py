"""Publishes a campaign's outcome as Prefect events, for automations that notify.

The resource is `campaign.<id>`; the payload has the campaign's name and the event's data.
"""

from typing import Any, Literal
from uuid import UUID, uuid5

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


def announce(what: What, campaign: UUID, run: UUID, name: str, **payload: Any) -> None:
    """Emit the event once per run, even when its task is retried."""
    emit_event(
        f"campaign.{what}",
        resource={"prefect.resource.id": f"campaign.{campaign}", "prefect.resource.name": name},
        payload={"campaign_id": str(campaign), "name": name, **payload},
        id=uuid5(run, f"{what} {campaign}"),
    )


def announce_start(run: CampaignRun, plan: CampaignPlan) -> None:
    announce(
        "started",
        run.campaign,
        run.id,
        plan.name,
        pending=plan.leads.pending,
        total=plan.leads.total,
    )


def announce_failure(campaign: UUID, run: UUID) -> None:
    """Report a campaign that `run` has just ended in error, or that was given up."""
    status = current().store.campaign_status(campaign)
    counts = {"sent": status.leads.sent, "failed": status.leads.failed, "total": status.leads.total}
    announce("failed", campaign, run, status.name, error=status.error, **counts)


def announce_end(run: CampaignRun, plan: CampaignPlan, finished: Finished) -> None:
    """Report the end of a run. No event when paused, cancelled or superseded: a person knows."""
    leads = finished.leads
    counts = {"sent": leads.sent, "failed": leads.failed, "total": leads.total}
    if finished.answer == "deferred":
        announce(
            "deferred",
            run.campaign,
            run.id,
            plan.name,
            resume_seconds=finished.resume_seconds,
            waiting_for=finished.waiting_for,
            **counts,
        )
    elif finished.error is not None:
        announce("failed", run.campaign, run.id, plan.name, error=finished.error, **counts)
    elif finished.answer == "ended":
        announce("completed", run.campaign, run.id, plan.name, **counts)
