"""`outreach campaigns cancel`: end a campaign for good."""

from typing import Annotated

import typer

from outreach.cli import flow_runs
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import say
from outreach.cli.output import AsJson, show_json
from outreach.errors import Rejected


def cancel(
    campaign: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """End a campaign for good: what is pending is not mailed."""
    found = campaign_id(campaign)
    with opened_store() as store:
        answer = store.cancel_campaign(found)
        runs = store.campaign_status(found).flow_run_ids
    if answer["answer"] == "already_ended":
        raise Rejected(
            f"The campaign is {answer['status']} already", "there is nothing left to cancel"
        )
    if as_json:
        show_json({"id": str(found), "status": "cancelled", "leads": answer["leads"]})
    else:
        what = "Its follow-ups are" if answer.get("follow_ups_only") else "The campaign is"
        say(f"{what} cancelled; {answer['leads']} lead(s) will not be mailed.")
    if runs:
        flow_runs.cancel(runs[-1])
