"""What people who watch see in Prefect's UI: progress, failures, and a closing summary.

Nothing here decides anything; addresses are masked, and the database stays the record.
"""

import time
from uuid import UUID

from prefect import task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from outreach.addresses import mask
from outreach.answers import Finished
from tasks.log import run_log
from tasks.retries import PHASE
from tasks.run import CampaignRun

ENDED = ("sent", "failed", "unclear")
TELL_EVERY_SECONDS = 20.0


class Progress:
    """The run's progress artifact, updated once a second at most; a log line now and then."""

    def __init__(self, run: CampaignRun) -> None:
        self._run = run
        self._shown = self._told = time.monotonic()
        self._artifact = create_progress_artifact(
            self._percent(), key="campaign-progress", description=f"Leads of {run.name} done"
        )

    def show(self) -> None:
        now = time.monotonic()
        if now - self._shown >= 1:
            self._shown = now
            self._update()
        if now - self._told >= TELL_EVERY_SECONDS:
            self._told = now
            run_log().info("%s", told(self._run))

    def close(self) -> None:
        self._update()

    def _update(self) -> None:
        if isinstance(self._artifact, UUID):
            update_progress_artifact(self._artifact, self._percent())

    def _percent(self) -> float:
        leads = self._run.leads
        done = leads.total - leads.pending + sum(self._run.outcomes[kind] for kind in ENDED)
        return min(100.0, 100 * done / leads.total) if leads.total else 100.0


def told(run: CampaignRun) -> str:
    """`12 sent, 1 failed`: what this run made of its leads so far."""
    return ", ".join(f"{n} {kind}" for kind, n in run.outcomes.most_common()) or "nothing sent yet"


@task(**PHASE)
def report(run: CampaignRun, finished: Finished) -> None:
    """Publish the failures by reason, and the summary."""
    reasons = run.store.failure_reasons(run.campaign)
    if reasons:
        create_table_artifact(
            [{"leads": r.leads, "reason": r.reason} for r in reasons],
            key="campaign-failures",
            description=f"Why leads of {run.name} failed",
        )
    accounts = [a for a in run.store.list_accounts() if a.status != "active"]
    lines = [
        f"# {run.name}: {finished.leads.sent}/{finished.leads.total} sent",
        "",
        "| | leads |",
        "|---|---|",
        f"| sent | {finished.leads.sent} |",
        f"| failed | {finished.leads.failed} |",
        f"| pending | {finished.leads.pending} |",
        f"| cancelled | {finished.leads.cancelled} |",
        "",
        f"This run: {told(run)}.",
    ]
    if finished.waiting_for:
        lines.append(
            f"It goes on in {finished.resume_seconds or 0:.0f} s, after {finished.waiting_for}."
        )
    lines += [f"- {mask(a.email)} cannot send: {a.status_reason}" for a in accounts]
    create_markdown_artifact("\n".join(lines), key="campaign-summary", description=run.name)
    run_log().info(
        "%s: %d/%d sent (%s)", run.name, finished.leads.sent, finished.leads.total, finished.status
    )
