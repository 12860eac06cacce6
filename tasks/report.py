"""Shows a run's end in Prefect's UI: its result, failures, and a closing summary.

Nothing here decides anything, nor stops a run; addresses are masked, the database is the record.
"""

import json
from collections.abc import Iterator

import httpx
from prefect import task

from outreach.campaign.durations import format_duration
from outreach.delivery.modes import UNREAD
from outreach.errors import StoreUnavailable
from outreach.mail.addresses import mask
from outreach.store.results import Finished
from tasks.artifacts import publish
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.retries import PHASE, is_last_try
from tasks.run import CampaignRun


@task(**PHASE)
def report(run: CampaignRun, plan: CampaignPlan, finished: Finished) -> None:
    """Publish the result for programs, the failures by reason, and the summary for people."""
    try:
        _publish_all(run, plan, finished)
    except httpx.HTTPError as error:
        run_log().warning("Prefect did not take the summary: %s", type(error).__name__)
    except StoreUnavailable as error:
        if not is_last_try():
            raise
        run_log().warning("There is no summary: %s", error)
    run_log().info(
        "%s: %d/%d sent (%s)", plan.name, finished.leads.sent, finished.leads.total, finished.status
    )


def _publish_all(run: CampaignRun, plan: CampaignPlan, finished: Finished) -> None:
    # All is read before anything is published: a retry must publish nothing twice.
    reasons = run.store.failure_reasons(run.campaign)
    text = "\n".join(summary(run, plan, finished))
    # A run's return value is on its worker's disk: programs read this through Prefect's API. The UI
    # leaves artifacts of this type out.
    publish(run, "result", "campaign-result", finished.result)
    if reasons:
        table = [{"leads": r.leads, "reason": r.reason} for r in reasons]
        title = f"Why leads of {plan.name} failed"
        publish(run, "table", "campaign-failures", json.dumps(table), title)
    publish(run, "markdown", "campaign-summary", text, plan.name)


def summary(run: CampaignRun, plan: CampaignPlan, finished: Finished) -> Iterator[str]:
    """The whole campaign, each of its accounts, and this run's outcomes; lines of Markdown."""
    leads = finished.leads
    yield f"# {plan.name}: {leads.sent}/{leads.total} sent"
    yield ""
    yield "| account | sent | failed | pending | cancelled | this run | mails a minute |"
    yield "|---|---|---|---|---|---|---|"
    accounts = list(run.store.campaign_account_summary(run.campaign, run.id))
    for account in accounts:
        counts = f"{account.sent} | {account.failed} | {account.pending} | {account.cancelled}"
        rate = "" if account.per_minute is None else f"{account.per_minute:.1f}"
        yield f"| {mask(account.email or '')} | {counts} | {account.sent_by_run} | {rate} |"
    counts = f"{leads.sent} | {leads.failed} | {leads.pending} | {leads.cancelled}"
    took = format_duration(run.outcomes.seconds)
    yield f"| **all** | {counts} | {sum(account.sent_by_run for account in accounts)} | |"
    yield ""
    yield f"This run: {run.outcomes}, in {took}."
    if not_mailed := run.store.cancelled_reasons(run.campaign):
        yield f"Not mailed: {', '.join(f'{one.leads} {one.reason}' for one in not_mailed)}."
    if back := run.store.campaign_status(run.campaign).returned:
        told = ", ".join(f"{count} {name}" for name, count in back.items())
        yield f"Came back so far: {told}."
    if finished.waiting_for:
        yield f"It {finished.told_next}."
    for one in run.store.list_accounts():
        if one.status != "active":
            yield f"- {mask(one.email)} cannot send: {one.status_reason}"
        elif one.mailbox.can_read is False:
            yield f"- {mask(one.email)}: {UNREAD}"
