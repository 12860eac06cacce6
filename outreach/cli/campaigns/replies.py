"""`outreach campaigns replies`: who answered, bounced, is away or unsubscribed."""

from typing import Annotated

import typer

from outreach.campaign.mailboxes import Returned
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.output import AsJson, show_json_list, show_table

COLUMNS = (
    "email",
    "kind",
    "at",
    "verdict",
    "status",
    "back on",
    "via",
    "account",
    "lead",
    "thread",
)


def replies(
    campaign: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """Show what came back to a campaign, the oldest first; the words stay in the mailbox."""
    found = campaign_id(campaign)
    with opened_store() as store:
        store.campaign_status(found)  # an unknown campaign is no empty list
        returned = store.mailboxes.replies(found)
        if as_json:
            show_json_list(returned)
        else:
            show_table(COLUMNS, map(_row, returned))


def _row(one: Returned) -> tuple[object, ...]:
    verdict = None if one.verdict == "none" else one.verdict
    return (
        one.email, one.kind, one.at, verdict, one.status, one.back_on, one.via, one.account,
        one.lead, one.thread_id,
    )  # fmt: skip
