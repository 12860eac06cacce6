"""`outreach campaigns pause`, `resume` and `retry-failed`: interrupt a campaign and continue it."""

from typing import Annotated
from uuid import UUID

import typer

from outreach import commands
from outreach.cli.campaigns.start import start
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import say
from outreach.cli.output import AsJson, show_json
from outreach.errors import Rejected

Campaign = Annotated[str, typer.Argument(metavar="ID")]
_NONE = "No failed lead fits."


def pause(campaign: Campaign, *, as_json: AsJson = False) -> None:
    """Send nothing more of a campaign until it is resumed; what is pending stays."""
    found = campaign_id(campaign)
    with opened_store() as store:
        store.pause_campaign(found)
    if as_json:
        show_json({"id": str(found), "paused": True})
    else:
        say(f"Paused; {commands.resume(found)} goes on.")


def resume(
    campaign: Campaign,
    *,
    local: Annotated[bool, typer.Option("--local", help="Go on in this process.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a paused campaign, or with one in error whose cause was mended.

    After a change of senders: first see which pending leads the old one has mailed already.
    """
    found = campaign_id(campaign)
    with opened_store() as store:
        store.resume_campaign(found)
    if local:
        start(campaign, local=True, force=True, as_json=as_json)
    elif as_json:
        show_json({"id": str(found), "paused": False})
    else:
        say(f"Resumed; {_goes_on(found)}")


def retry_failed(
    campaign: Campaign,
    *,
    account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Only leads of this account.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only leads whose error has this in it.")
    ] = None,
    include_unclear: Annotated[
        bool,
        typer.Option("--include-unclear", help="Those that may have been sent, too."),
    ] = False,
    suppressed: Annotated[
        bool,
        typer.Option(
            "--suppressed",
            help="Instead those cancelled for a suppression that was lifted or has ended.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Mail failed leads again, after their cause was mended."""
    found = campaign_id(campaign)
    if reason is not None and not reason.strip():
        raise Rejected("Every error has an empty text in it", "write a part of one, or no --reason")
    with opened_store() as store:
        retried = store.retry_failed(
            found,
            account=account,
            reason=reason,
            include_unclear=include_unclear,
            suppressed=suppressed,
        )
    if as_json:
        show_json({"id": str(found), "leads": retried})
    elif retried:
        say(f"{retried} lead(s) are pending again; {_goes_on(found)}")
    else:
        say("No lead fits: the addresses are suppressed still." if suppressed else _NONE)


def _goes_on(campaign: UUID) -> str:
    return (
        "the dispatcher goes on within a minute; where none is served, "
        f"{commands.start_here(campaign)} does."
    )
