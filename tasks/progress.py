"""The progress bar of a run, and its log lines."""

import time

from tasks.artifacts import ChangingArtifact
from tasks.background import background
from tasks.log import run_log
from tasks.plan import CampaignPlan
from tasks.run import CampaignRun

KEY = "campaign-progress"
MOVE_SECONDS = 5.0
"""Between two moves of a bar."""
LINE_SECONDS = 20.0
"""Between two log lines."""
SENT_SECONDS = 1.0
"""Between two log records of mails that were sent."""
ENDED = ("sent", "failed", "unclear", "cancelled")


class Progress:
    """How far a run is, shown by its process's background jobs: no mail waits for Prefect."""

    def __init__(self, run: CampaignRun, plan: CampaignPlan) -> None:
        self._run = run
        self._leads = plan.leads
        self._bar = ChangingArtifact(
            "progress", KEY, f"Leads of {plan.name} done", self._percent, run.id
        )
        self._shown = 0.0
        now = time.monotonic()
        self._bar_due, self._line_due = now + MOVE_SECONDS, now + LINE_SECONDS
        self._sent_due = now

    def show(self) -> None:
        """Log the mails sent, move the bar, and log a line, when they are due."""
        now = time.monotonic()
        if now >= self._sent_due:
            self._sent_due = now + SENT_SECONDS
            self._run.sent_log.write()
        if now >= self._bar_due and self._percent() != self._shown:
            self._bar_due = now + MOVE_SECONDS
            self.close()
        if now >= self._line_due:
            self._line_due = now + LINE_SECONDS
            run_log().info("%s", self._run.outcomes)

    def close(self) -> None:
        """Move the bar to where the run is."""
        self._shown = self._percent()
        background().put(self._run.id, "progress", self._bar.publish)

    def _percent(self) -> float:
        leads = self._leads
        done = leads.total - leads.pending + self._run.outcomes.of(*ENDED)
        return min(100.0, 100 * done / leads.total) if leads.total else 100.0
