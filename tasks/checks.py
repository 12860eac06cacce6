"""Reports the findings of a check at every start of a run: in its log and as an artifact.

It stops and delays nothing: errors that stop a run are raised elsewhere, before.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from outreach import commands
from outreach.mail.addresses import mask, masked
from outreach.preflight.findings import Finding
from outreach.preflight.runner import Inspecting, Rows
from tasks.artifacts import publish
from tasks.background import background
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun

LIMIT = 500
"""Leads that are checked."""
SECONDS = 2.0
"""The longest delay of the first mail by the reading, and of other jobs by the check.

Checks of leads begin only in its first half.
"""
LINES = 10


Result = TypeVar("Result")


def check_beside(run: CampaignRun, plan: CampaignPlan) -> None:
    """Check the campaign as `outreach campaigns check` does, and report it beside the mails.

    It is read here, while its leads are pending. A failed check is reported, too.
    """
    services = run.services
    looking = Inspecting(
        services.store, services.mailer, services.settings, load=lambda _: plan.attachment
    )
    try:
        rows = _within_seconds(partial(looking.read, run.campaign, limit=LIMIT))
    except Exception as error:  # noqa: BLE001 - a check stops no mail
        _not_checked(run, error)
    else:
        background().put(run.id, "check", partial(_report, run, plan, looking, rows))


def _report(run: CampaignRun, plan: CampaignPlan, looking: Inspecting, rows: Rows) -> None:
    """Raises httpx.HTTPError when Prefect does not take the findings."""
    try:
        until = time.monotonic() + SECONDS / 2
        report = _within_seconds(partial(looking.judge, rows, until=until))
    except Exception as error:  # noqa: BLE001 - a check stops no mail
        _not_checked(run, error)
        return
    run_log().info(
        "Check: %d error(s), %d warning(s) in the first %d of %d pending leads; "
        "%d lead(s) were not looked at",
        report.errors,
        report.warnings,
        report.looked_at,
        report.pending,
        max(0, report.pending - report.looked_at),
    )
    for finding in report.findings[:LINES]:
        run_log().warning(
            "%s: %s (%d leads)", finding.severity, masked(finding.message), finding.count
        )
    for note in report.notes[:LINES]:
        run_log().info("Check: %s", masked(note))
    if report.findings:
        rows_told = json.dumps([_row(finding) for finding in report.findings])
        title = (
            f"What a check found in {plan.name}, in the first {report.looked_at} "
            f"of {report.pending} pending leads"
        )
        publish(run, "table", "campaign-check", rows_told, title)


def _not_checked(run: CampaignRun, error: Exception) -> None:
    if not isinstance(error, TimeoutError):
        run_log().warning("The campaign was not checked (%s)", type(error).__name__)
        return
    run_log().warning(
        "The campaign was not checked: it took more than %.0f s; %s takes its time",
        SECONDS,
        commands.check(run.campaign),
    )


def _within_seconds(step: Callable[[], Result]) -> Result:
    """Raises TimeoutError when the step takes too long; it then ends on its own."""
    aside = ThreadPoolExecutor(1)
    going = aside.submit(step)
    aside.shutdown(wait=False)
    return going.result(SECONDS)


def _row(finding: Finding) -> dict[str, str | int]:
    return {
        "severity": finding.severity,
        "what": masked(finding.message),
        "company": masked(finding.company),
        "leads": finding.count,
        "such as": ", ".join(map(mask, finding.examples)),
        "what to do": masked(finding.remedy),
    }
