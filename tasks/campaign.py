"""Begin and end of a campaign's run."""

import time
from uuid import UUID

from prefect import task

from outreach.delivery import attachments
from outreach.errors import AccountMissing, NeverOpen, NoAccounts
from outreach.store.results import Begun, Finished
from outreach.wiring import current
from tasks.checks import tell_findings
from tasks.events import announce_end, announce_failure, announce_start
from tasks.log import run_log
from tasks.retries import PHASE
from tasks.run import LEASE_SECONDS, CampaignRun, flow_run_id, tag

NEAR_SECONDS = 120.0
"""A run waits at most this long for its campaign's time; later ones are the dispatcher's."""


@task(**PHASE)
def begin(campaign_id: UUID) -> Begun:
    """Take the campaign, and wait for its time if that is near; else give it back.

    A repeated call renews the lease and notices a campaign that was moved or cancelled meanwhile.
    Raises CampaignNotFound, and SchemaMismatch before the campaign is this run's.
    """
    store, run, logged = current().store, flow_run_id(), False
    tag(campaign_id)
    while (begun := store.begin_run(campaign_id, run, LEASE_SECONDS)).answer == "wait":
        if begun.wait_seconds > NEAR_SECONDS:
            store.release_run(campaign_id, run)
            return begun
        if not logged:
            run_log().info("%s is due in %.0f s", begun.name, begun.wait_seconds)
            logged = True
        time.sleep(min(begun.wait_seconds, LEASE_SECONDS / 4))
    if begun.answer == "failed":
        announce_failure(campaign_id, run)
    return begun


@task(**PHASE)
def check(run: CampaignRun) -> None:
    """Find everything that would stop the campaign, before anything is sent.

    Raises NoAccounts, AccountMissing, NeverOpen or AttachmentMissing.
    """
    found = run.store.check_campaign(run.campaign)
    if found.accounts == 0:
        raise NoAccounts
    if found.misassigned:
        raise AccountMissing(found.misassigned)
    if not found.opens:
        raise NeverOpen
    default = run.settings.send_pace_seconds
    run.name, run.leads = found.name, found.leads
    run.paces = [default if pace is None else pace for pace in found.pace_seconds or []]
    run.attachment = attachments.load(run.settings.attachment_pdf, found.attachment)
    run_log().info(
        "%s: %d of %d leads pending, %d account(s)",
        run.name,
        run.leads.pending,
        run.leads.total,
        found.accounts,
    )
    announce_start(run)
    tell_findings(run)


@task(**PHASE)
def finish(run: CampaignRun) -> Finished:
    """Count the campaign's end from its rows, or leave it running until its leads can go on."""
    run.finishing = True
    finished = run.store.finish_run(run.campaign, run.id, run.resume_after, run.waiting_for)
    announce_end(run, finished)
    return finished
