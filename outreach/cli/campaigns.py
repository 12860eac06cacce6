"""`outreach campaigns`: make one, look at it, call it off."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer

from outreach import window as windows
from outreach.cli.context import Owner, campaign_id, opened_store
from outreach.cli.output import (
    AsJson,
    cell,
    note,
    say,
    show_changes,
    show_fields,
    show_json,
    show_json_line,
    show_json_list,
    show_table,
)
from outreach.errors import Rejected, StoreUnavailable
from outreach.headers import breaks_a_header
from outreach.models import CampaignStatus, LeadCounts

if TYPE_CHECKING:
    from outreach.answers import Created
    from outreach.store import Store

ENDED = ("completed", "error", "cancelled")
WATCH_SECONDS = 1.0
TOLD = 5
"""Duplicates that `create` names."""

app = typer.Typer(help="Campaigns: make, start, watch and end them.", no_args_is_help=True)


class LeadStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


# --- make -------------------------------------------------------------------------------------


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What it is called, here and in Prefect.")],
    account: Annotated[list[str], typer.Option(help="Sends it; may be given several times.")],
    tag: Annotated[str | None, typer.Option(help="Its leads are those with this tag …")] = None,
    company: Annotated[
        list[str] | None,
        typer.Option(help="… or of this company (name, domain or id); several times."),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, as in 2026-12-01T09:00:00+01:00.")
    ] = None,
    attachment: Annotated[
        str | None,
        typer.Option(help="An https address, a file beside ATTACHMENT_PDF, or “none”."),
    ] = None,
    window: Annotated[
        str | None, typer.Option(help=f"Mail at these times only, as in “{windows.EXAMPLE}”.")
    ] = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Make a campaign, as a draft, and print its id; `start` sends it."""
    if (tag is None) == (not company):
        raise typer.BadParameter("name the leads with --tag or with --company, not both or neither")
    given: dict[str, Any] = {
        "tag": tag,
        "companies": company or None,
        "starts_at": _moment(at) if at else None,
        "attachment": None if attachment is None else _attachment(attachment),
        "owner": owner,
        **(_window(window) if window else {}),
    }
    with opened_store() as store:
        created = store.create_campaign(uuid4(), _name(name), account, **given)
    if as_json:
        show_json(created)
    else:
        say(str(created.id))
        _tell_skipped(created)


def _name(text: str) -> str:
    if not text.strip() or breaks_a_header(text):
        raise Rejected("A campaign needs a name of one line; give it with --name.")
    return text.strip()


def _moment(text: str) -> datetime:
    """An aware time. Raises Rejected with what to write instead."""
    try:
        moment = datetime.fromisoformat(text)
        here = moment.astimezone()
    except (ValueError, OverflowError):
        raise Rejected(
            f"{text!r} is not a time; write --at like 2026-12-01T09:00:00+01:00."
        ) from None
    if moment.utcoffset() is None:
        raise Rejected(
            f"{text!r} has no time zone; for this machine's write --at {here.isoformat()}."
        )
    if moment < datetime.now(moment.tzinfo):
        note(f"{cell(moment)} is past: the campaign begins as soon as it is started.")
    return moment


def _window(text: str) -> dict[str, Any]:
    parsed = windows.parse(text)
    return {
        "days": parsed.days,
        "day_from": parsed.start,
        "day_until": parsed.until,
        "time_zone": parsed.zone,
    }


def _attachment(text: str) -> str:
    """As the campaign records it. A file is looked at now; an address when the campaign runs."""
    if text == "none":
        return ""
    if not text.startswith("https://"):
        from outreach import attachments, settings  # noqa: PLC0415 - an HTTP client

        attachments.load(settings.load().attachment_pdf, text)
    return text


def _tell_skipped(created: "Created") -> None:
    if created.skipped:
        more = ", …" if len(created.skipped) > TOLD else ""
        note(
            f"{len(created.skipped)} lead(s) left out, since another one has the same address: "
            f"{', '.join(created.skipped[:TOLD])}{more}"
        )


# --- look -------------------------------------------------------------------------------------


@app.command("list")
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


@app.command()
def status(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a campaign stands."""
    found = campaign_id(campaign)
    with opened_store() as store:
        now = store.campaign_status(found)
        if watch:
            _watch(now, store, as_json=as_json)
        elif as_json:
            show_json(now)
        else:
            show_fields(_fields(now))


@app.command("leads")
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


def _watch(now: CampaignStatus, store: "Store", *, as_json: bool) -> None:
    """Show it anew whenever something changed, until the campaign ends."""
    changes = _changes(now, store)
    if as_json:
        for change in changes:
            show_json_line(change)
    else:
        show_changes((_fields(change), _line(change)) for change in changes)


def _changes(now: CampaignStatus, store: "Store") -> Iterator[CampaignStatus]:
    yield now
    while now.status not in ENDED:
        time.sleep(WATCH_SECONDS)
        before = now
        with suppress(StoreUnavailable):  # who watches for hours waits that out too
            now = store.campaign_status(before.id)
        if now != before:
            yield now


def _fields(campaign: CampaignStatus) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "name": campaign.name,
        "status": _shown(campaign),
        "error": campaign.error,
        "starts": campaign.scheduled_at if campaign.status == "scheduled" else None,
        "goes on": campaign.resume_at,
        "waits for": campaign.waiting_for,
        **_counts(campaign.leads),
        "flow runs": ", ".join(campaign.flow_run_ids),
    }


def _line(campaign: CampaignStatus) -> str:
    counts = ", ".join(f"{n} {name}" for name, n in _counts(campaign.leads).items())
    return ": ".join(filter(None, (_shown(campaign), counts, cell(campaign.error))))


def _shown(campaign: CampaignStatus) -> str:
    """A paused campaign keeps the status that the web app knows; a person is told both."""
    return f"{campaign.status}, paused" if campaign.paused_at else campaign.status


def _counts(leads: LeadCounts) -> dict[str, int]:
    return leads.model_dump()


# --- call off ---------------------------------------------------------------------------------


@app.command()
def cancel(
    campaign: Annotated[str, typer.Argument(metavar="ID")], *, as_json: AsJson = False
) -> None:
    """End a campaign for good: what is pending is not mailed."""
    found: UUID = campaign_id(campaign)
    with opened_store() as store:
        answer = store.cancel_campaign(found)
    if answer["answer"] == "already_ended":
        raise Rejected(
            f"The campaign is {answer['status']} already; there is nothing left to cancel."
        )
    if as_json:
        show_json({"id": str(found), "status": "cancelled", "leads": answer["leads"]})
    else:
        say(f"The campaign is cancelled; {answer['leads']} lead(s) will not be mailed.")
