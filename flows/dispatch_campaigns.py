"""Every minute: start what is due and put right what died without a word.

A web app needs no access to Prefect: it writes a campaign's row, and this flow finds it.
"""

from prefect import flow

from tasks.dispatch import follow_up, settle_all, start_due, sweep_cancelled, sweep_drafts


@flow(name="dispatch-campaigns")
def dispatch_campaigns() -> int:
    """Start a run for each campaign that is due; returns how many."""
    follow_up()
    started = start_due()
    settle_all()
    sweep_cancelled()
    sweep_drafts()
    return started
