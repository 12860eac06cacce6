"""Claims the next leads, and reconciles those that an earlier run left open."""

from uuid import UUID

from prefect import runtime, task

from outreach.delivery.reconciler import Settling
from outreach.store.results import Batch
from tasks.log import tell_settled
from tasks.retries import PHASE
from tasks.run import CampaignRun

BATCH = 200
"""Leads per claim at most: few enough to hold in memory, enough to keep every account busy."""


@task(**PHASE)
def claim(run: CampaignRun) -> Batch:
    """Claim the next leads. A retry of this task is the same batch and gets the same leads."""
    batch = run.store.claim_leads(UUID(str(runtime.task_run.id)), run.campaign, run.id, BATCH)
    run.schema_notice.log(batch.installed)
    return batch


@task(**PHASE)
def settle(run: CampaignRun) -> int:
    """Reconcile mails whose sender died or lost the response; returns how many stay open."""
    services, left = run.services, 0
    settling = Settling(services.store, services.mailer, services.settings)
    for attempt in run.store.list_open_attempts(run.campaign):
        if run.token.stopped:
            break  # a look may take half a minute; the next run, or the dispatcher, looks on
        outcome = settling.settle(attempt)
        if outcome.kind == "open":
            left += 1
        else:
            tell_settled(attempt, outcome)
            run.outcomes.count(outcome)
    return left
