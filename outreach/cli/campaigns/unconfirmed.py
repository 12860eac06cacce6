"""`outreach campaigns settle` and `resolve`: mails with an unknown outcome."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from outreach.cli.context import campaign_id, opened_services, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json, show_table
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.campaign.models import OpenAttempt
    from outreach.delivery.reconciler import Settling


def settle(
    campaign: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """Find out now what became of mails whose sender died; the dispatcher does the same.

    A mail that may still be on its way, or that Gmail may not show yet, stays open.
    """
    from outreach.delivery.reconciler import Settling

    found = campaign_id(campaign)
    with opened_services() as parts:
        parts.store.campaign_status(found)
        settling = Settling(parts.store, parts.mailer, parts.settings)
        settled = [_settled(settling, one) for one in parts.store.list_open_attempts(found)]
    if as_json:
        show_json(settled)
    elif settled:
        show_table(("lead", "outcome", "reason"), [tuple(row.values()) for row in settled])
    else:
        note("No mail of this campaign is in doubt.")
    unclear = Counter(row["outcome"] for row in settled)["unclear"]
    if unclear:
        note(
            f"{unclear} may have been sent: look into the account, then "
            "`outreach campaigns resolve LEAD --sent` or `--not-sent`."
        )


def resolve(
    lead: Annotated[str, typer.Argument(metavar="LEAD", help="Its id, or its address.")],
    *,
    sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What you found.")],
    campaign: Annotated[
        str | None, typer.Option(metavar="ID", help="The campaign, where LEAD is an address.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say of a lead that “may have been sent” whether it was; if not, it is mailed again."""
    with opened_store() as store:
        if "@" in lead:
            if campaign is None:
                raise Rejected("An address is in many campaigns", "name the one with --campaign ID")
            answer = store.resolve_lead(sent, campaign=campaign_id(campaign), address=lead.strip())
        else:
            answer = store.resolve_lead(sent, lead=_lead_id(lead))
    if as_json:
        show_json(answer)
    else:
        say(f"The lead is {answer['lead_status']}, its campaign {answer['campaign_status']}.")


def _lead_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(
            f"{text!r} is no lead",
            "give its address with --campaign ID, or the id that `outreach campaigns settle` shows",
        ) from None


def _settled(settling: "Settling", attempt: "OpenAttempt") -> dict[str, Any]:
    outcome = settling.settle(attempt)
    became = {"deferred": "not sent"}.get(outcome.kind, outcome.kind)
    return {
        "lead": str(attempt.campaign_lead_id),
        "outcome": became,
        "reason": getattr(outcome, "reason", None),
    }
