"""Begin and end of a campaign's run."""

from uuid import UUID

from prefect import runtime, task

from outreach.mail.addresses import masked
from outreach.store.results import Begun, Finished
from outreach.wiring import current
from tasks.checks import check_beside
from tasks.events import announce_end, announce_failure, announce_start
from tasks.lease import LEASE_SECONDS
from tasks.log import run_log
from tasks.plan import CampaignPlan, Deferral, make_plan
from tasks.retries import PHASE
from tasks.run import CampaignRun, flow_run_id, label
from tasks.token import current_token

NEAR_SECONDS = 120.0
"""A run waits at most this long for its campaign's time; later ones are the dispatcher's."""


@task(**PHASE)
def begin(campaign_id: UUID) -> Begun:
    """Take the campaign, and wait for its time if that is near; else give it back.

    A repeated call renews the lease and notices a campaign that was moved or cancelled meanwhile.
    Raises CampaignNotFound, and SchemaMismatch before the campaign is this run's.
    """
    store, run, logged = current().store, flow_run_id(), False
    label(campaign_id)
    while (begun := store.begin_run(campaign_id, run, LEASE_SECONDS)).answer == "wait":
        if begun.wait_seconds > NEAR_SECONDS:
            store.release_run(campaign_id, run)
            return begun
        if not logged:
            run_log().info("%s is due in %.0f s", begun.name, begun.wait_seconds)
            logged = True
        if current_token().wait(min(begun.wait_seconds, LEASE_SECONDS / 4)):
            return begun
    if begun.answer == "failed":
        announce_failure(campaign_id, run, runtime.flow_run.run_count)
    return begun


@task(**PHASE)
def check(run: CampaignRun) -> CampaignPlan:
    """Find everything that would stop the campaign, before anything is sent.

    Raises NoAccounts, AccountMissing, NeverOpen or AttachmentMissing.
    """
    plan = make_plan(run)
    run_log().info(
        "%s: %d of %d leads pending, %d account(s)",
        plan.name,
        plan.leads.pending,
        plan.leads.total,
        plan.accounts,
    )
    if plan.by_mail_alone:
        run_log().warning("Recipients unsubscribe by mail alone: %s", plan.by_mail_alone)
    announce_start(run, plan)
    check_beside(run, plan)
    return plan


@task(**PHASE)
def finish(run: CampaignRun, plan: CampaignPlan, later: Deferral | None) -> Finished:
    """Count the campaign's end from its rows, or leave it running until its leads can go on."""
    run.token.finish()
    seconds, reason = (later.seconds, later.reason) if later else (None, None)
    finished = _shown(run.store.finish_run(run.campaign, run.id, seconds, reason))
    announce_end(run, plan, finished)
    return finished


def _shown(finished: Finished) -> Finished:
    """As Prefect's pages and events show it: with a masked address."""
    told = finished.waiting_for
    return finished.model_copy(update={"waiting_for": told and masked(told)})
