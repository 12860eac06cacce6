"""What a check finds, told at every start of a run: in its log and as an artifact.

It decides nothing and stops nothing: what stops a run is raised elsewhere, before.
"""

import json
from contextlib import suppress

import httpx

from outreach.addresses import mask, masked
from outreach.checks import Finding
from outreach.inspecting import Inspecting
from outreach.wiring import current
from tasks.artifacts import publish
from tasks.log import run_log
from tasks.run import CampaignRun

MOST = 500
"""Leads that are looked at: a tenth of a second or two, which the first mail waits for."""
LINES = 10


def tell_findings(run: CampaignRun) -> None:
    """Look at the campaign as `outreach campaigns check` does; a look that fails is told too."""
    parts = current()
    looking = Inspecting(parts.store, parts.mailer, parts.settings, load=lambda _: run.attachment)
    try:
        report = looking.inspect(run.campaign, most=MOST)
    except Exception as error:  # noqa: BLE001 - nobody's mail waits for this
        run_log().warning("The campaign was not checked (%s)", type(error).__name__)
        return
    run_log().info(
        "Check: %d error(s), %d warning(s) in the first %d of %d pending leads",
        report.errors,
        report.warnings,
        report.looked_at,
        report.pending,
    )
    for finding in report.findings[:LINES]:
        run_log().warning(
            "%s: %s (%d leads)", finding.severity, masked(finding.what), finding.count
        )
    if report.findings:
        rows = json.dumps([_row(finding) for finding in report.findings])
        with suppress(httpx.HTTPError):
            title = f"What a check found before {run.name} was sent"
            publish(run, "table", "campaign-check", rows, title)


def _row(finding: Finding) -> dict[str, str | int]:
    return {
        "severity": finding.severity,
        "what": masked(finding.what),
        "company": masked(finding.company),
        "leads": finding.count,
        "such as": ", ".join(map(mask, finding.examples)),
        "what to do": masked(finding.todo),
    }
