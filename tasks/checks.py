"""Reports the findings of a check at every start of a run: in its log and as an artifact.

It stops nothing: errors that stop a run are raised elsewhere, before.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx

from outreach import commands
from outreach.mail.addresses import mask, masked
from outreach.preflight.findings import Finding, Report
from outreach.preflight.runner import Inspecting
from tasks.artifacts import publish
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun

MOST = 500
"""Leads that are checked: this delays the first mail by a tenth of a second or two."""
SECONDS = 2.0
"""The longest delay of the first mail; checks begin only in its first half."""
LINES = 10


def tell_findings(run: CampaignRun, plan: CampaignPlan) -> None:
    """Check the campaign as `outreach campaigns check` does; reports a failed check, too."""
    try:
        report = _looked(run, plan)
    except TimeoutError:
        run_log().warning(
            "The campaign was not checked: it took more than %.0f s; %s takes its time",
            SECONDS,
            commands.check(run.campaign),
        )
        return
    except Exception as error:  # noqa: BLE001 - a check stops no mail
        run_log().warning("The campaign was not checked (%s)", type(error).__name__)
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
    if report.findings:
        rows = json.dumps([_row(finding) for finding in report.findings])
        with suppress(httpx.HTTPError):
            title = (
                f"What a check found before {plan.name} was sent, in the first {report.looked_at} "
                f"of {report.pending} pending leads"
            )
            publish(run, "table", "campaign-check", rows, title)


def _looked(run: CampaignRun, plan: CampaignPlan) -> Report:
    """Raises TimeoutError when the database takes too long; the check then ends on its own."""
    services = run.services
    looking = Inspecting(
        services.store, services.mailer, services.settings, load=lambda _: plan.attachment
    )
    aside = ThreadPoolExecutor(1)
    until = time.monotonic() + SECONDS / 2
    look = aside.submit(looking.inspect, run.campaign, limit=MOST, until=until)
    aside.shutdown(wait=False)
    return look.result(SECONDS)


def _row(finding: Finding) -> dict[str, str | int]:
    return {
        "severity": finding.severity,
        "what": masked(finding.message),
        "company": masked(finding.company),
        "leads": finding.count,
        "such as": ", ".join(map(mask, finding.examples)),
        "what to do": masked(finding.remedy),
    }
