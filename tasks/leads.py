"""Which leads are to be mailed next, and what became of those that an earlier run left in doubt."""

from uuid import UUID

from prefect import runtime, task

from outreach.store.results import Batch
from tasks.log import tell_settled
from tasks.retries import PHASE
from tasks.run import CampaignRun

BATCH = 200
"""Leads a claim at most: few enough to hold in memory, enough to keep every account busy."""


@task(**PHASE)
def claim(run: CampaignRun) -> Batch:
    """Take the next leads. A retry of this task is the same batch and gets the same leads."""
    batch = run.store.claim_leads(UUID(str(runtime.task_run.id)), run.campaign, run.id, BATCH)
    run.tell_release(batch.installed)
    return batch


@task(**PHASE)
def settle(run: CampaignRun) -> None:
    """Find out what became of mails whose sender died or lost the answer."""
    for attempt in run.store.list_open_attempts(run.campaign):
        outcome = run.settling.settle(attempt)
        if outcome.kind != "open":
            tell_settled(attempt, outcome)
            run.count(outcome)
