"""`outreach leads show` and `template`: what happened to a person, and what was sent."""

from typing import TYPE_CHECKING, Annotated

import typer

from outreach import commands
from outreach.cli.context import opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_fields, show_json, show_table
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.campaign.history import LeadEvent, LeadHistory

CAMPAIGN_COLUMNS = ("campaign", "id", "status", "account", "sent at", "opened at", "opened by",
                    "error")  # fmt: skip
EVENT_COLUMNS = ("at", "what", "campaign", "account", "outcome", "detail", "subject", "template",
                 "placeholders")  # fmt: skip
SHORT = 12
"""Characters of a version's hash in a table."""


def show(address: Annotated[str, typer.Argument()], *, as_json: AsJson = False) -> None:
    """Show all that ever happened to a person: campaigns, mails, openings, suppressions."""
    with opened_store() as store:
        found = store.lead_history(address)
    if not found.known:
        raise Rejected(f"Nothing is known of {address}", f"{commands.LIST_LEADS} shows the leads")
    if as_json:
        show_json(found)
    else:
        _show(found)


def template(
    version: Annotated[
        str, typer.Argument(metavar="HASH", help="Its first eight characters are enough.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show the text of a template's version, as `leads show` and the reports name it."""
    with opened_store() as store:
        found = store.template_text(version.strip().lower())
    if found is None:
        raise Rejected(f"No mail was made from a template {version!r}; give a hash of a report.")
    if as_json:
        show_json(found)
        return
    show_fields({"version": found.hash, "first used": found.first_used_at})
    for name in ("subject", "body", "footer"):
        if text := getattr(found, name):
            note(f"--- {name}")
            for line in text.splitlines():
                say(line)


def _show(found: "LeadHistory") -> None:
    for held in found.suppressions:
        until = f" until {held.until:%Y-%m-%d}" if held.until else ""
        say(f"Suppressed: {held.key}, {held.cause}{until}" + ("" if held.holds else " (past)"))
    if found.campaigns:
        show_table(
            CAMPAIGN_COLUMNS,
            (
                (
                    x.campaign,
                    x.campaign_id,
                    x.status,
                    x.account,
                    x.sent_at,
                    x.opened_at,
                    x.opened_by,
                    x.error,
                )
                for x in found.campaigns
            ),
        )
    if found.events:
        say("")
        show_table(EVENT_COLUMNS, map(_row, found.events))


def _row(event: "LeadEvent") -> tuple[object, ...]:
    return (
        event.at,
        event.kind,
        event.campaign,
        event.account,
        event.outcome,
        f"{event.detail or ''}{f' ({event.by})' if event.by else ''}",
        event.subject,
        (event.template or "")[:SHORT],
        ", ".join(event.placeholders or ()),
    )
