"""`outreach campaigns list`, `status` and `leads`: how campaigns stand and what became of leads."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from outreach.cli import watching
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.output import (
    AsJson,
    cell,
    note,
    redraws,
    say,
    show_fields,
    show_json,
    show_json_line,
    show_json_list,
    show_table,
)
from outreach.models import CampaignStatus

if TYPE_CHECKING:
    from uuid import UUID

    from outreach.store import Store


class LeadStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


def show_all(*, as_json: AsJson = False) -> None:
    """Show every campaign."""
    with opened_store() as store:
        campaigns = list(store.list_campaigns())
    if as_json:
        show_json_list(campaigns)
    elif campaigns:
        show_table(
            ("id", "name", "status", "sent", "failed", "goes on", "error"),
            (
                (
                    c.id,
                    c.name,
                    _shown(c),
                    f"{c.leads.sent}/{c.leads.total}",
                    c.leads.failed,
                    c.resume_at,
                    c.error,
                )
                for c in campaigns
            ),
        )
    else:
        note("There is no campaign yet; make one with `outreach campaigns create`.")


def status(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a campaign stands, how fast its accounts send, and what it waits for."""
    found = campaign_id(campaign)
    with opened_store() as store:
        if watch and as_json:
            for change in _changes(store, found):
                show_json_line(change)
        elif as_json:
            show_json(store.campaign_status(found))
        elif not watch:
            _show(store, found)
        elif redraws(sys.stdout):
            watching.watch(store, found)
        else:
            for change in _changes(store, found):
                say(_line(change))
                sys.stdout.flush()


def show_leads(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    status: Annotated[LeadStatus | None, typer.Option(help="Only these.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of each lead of a campaign."""
    found = campaign_id(campaign)
    with opened_store() as store:
        store.campaign_status(found)  # an unknown campaign is no empty list
        leads = store.list_campaign_leads(found, status)
        if as_json:
            show_json_list(leads)
        else:
            show_table(
                ("email", "status", "account", "sent at", "thread", "message", "error"),
                (
                    (x.email, x.status, x.account, x.sent_at, x.thread_id, x.message_id, x.error)
                    for x in leads
                ),
            )


def _show(store: "Store", campaign: "UUID") -> None:
    now, progress = store.campaign_status(campaign), store.campaign_progress(campaign)
    show_fields(
        {
            "id": now.id,
            "name": now.name,
            "status": _shown(now),
            "error": now.error,
            "starts": now.scheduled_at if now.status == "scheduled" else None,
            "goes on": now.resume_at,
            "waits for": now.waiting_for,
            **now.leads.model_dump(),
            **watching.facts(progress),
            "flow runs": ", ".join(now.flow_run_ids),
        }
    )
    if progress.accounts:
        say("")
        watching.show_accounts(progress)


def _changes(store: "Store", campaign: "UUID") -> Iterator[CampaignStatus]:
    before = None
    for now, _ in watching.follow(store.campaign_status, campaign):
        if now != before:
            yield now
        before = now


def _line(campaign: CampaignStatus) -> str:
    counts = ", ".join(f"{n} {name}" for name, n in campaign.leads.model_dump().items())
    return ": ".join(filter(None, (_shown(campaign), counts, cell(campaign.error))))


def _shown(campaign: CampaignStatus) -> str:
    """A paused campaign keeps the status that the web app knows; a person is told both."""
    return f"{campaign.status}, paused" if campaign.paused_at else campaign.status
