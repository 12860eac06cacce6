"""`outreach leads`: imports leads from a file, and lists them."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from outreach import commands
from outreach.cli.campaigns.show import LeadStatus
from outreach.cli.context import Owner, opened_store
from outreach.cli.leads import summary as leads_told
from outreach.cli.leads.csv_file import Row, Sheet, Skip, read_leads
from outreach.cli.leads.csv_text import USUAL, opened_text
from outreach.cli.leads.own_texts import OwnTexts
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, progress, show_json, show_json_list, show_table
from outreach.cli.tags import tag as tag_option
from outreach.errors import Rejected, StoreUnavailable
from outreach.store.results import Imported

if TYPE_CHECKING:
    from outreach.campaign.models import ListedLead

BATCH = 1000
"""Leads in one call of the database."""

FIRST_ROWS = 3
"""Rows of the file that `--dry-run` shows."""
COLUMNS = ("email", "name", "company", "role", "tags", "pending", "sent", "failed", "cancelled",
           "last mailed")  # fmt: skip


def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.csv")],
    *,
    tag: Annotated[
        str | None, tag_option("Puts these leads on a list, for `campaigns create --tag`.")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEADER=field",
            help="What a column is; nothing behind = leaves it out. Several times.",
        ),
    ] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Its empty cells empty what the lead has; of others they change nothing.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what each column is, and the first rows."),
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option(
            help=f"The file's encoding, such as cp1252; {USUAL} unless its first bytes say another."
        ),
    ] = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Add or update leads from a CSV file.

    Columns: email, and any of name, role, company, domain, email_subject, email_template, also by
    the names that HubSpot, Apollo, LinkedIn, Google, Outlook and Excel give them; any other column
    becomes a custom field. A line that cannot be used is left out and told.
    """
    skipped: list[Skip] = []
    with opened_text(file, encoding) as text:
        own = OwnTexts.among(Sheet(text, maps or ()))
        text.seek(0)
        sheet = Sheet(text, maps or ())
        leads = own.marked(read_leads(sheet, skipped.append, clear=clear or ()))
        if dry_run:
            _show(sheet, leads, skipped, as_json=as_json)
            return
        imported = _import(leads, tag and tag.strip(), owner)
    notes = [*leads_told.of_file(sheet), *leads_told.of_import(imported)]
    if as_json:
        not_stored = {"skipped": [asdict(skip) for skip in skipped], "notes": notes}
        show_json({**imported.model_dump(mode="json"), **not_stored})
    else:
        say(f"{imported.added} lead(s) added, {imported.updated} updated, {len(skipped)} left out.")
        leads_told.tell(notes, skipped)
    if not imported.added + imported.updated:
        raise _none(skipped)


def show(
    *,
    tag: Annotated[str | None, tag_option("Only those with this tag.")] = None,
    status: Annotated[
        LeadStatus | None, typer.Option(help="Only those that have it in a campaign.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the leads, and in how many campaigns each is pending, sent, failed or cancelled."""
    with opened_store() as store:
        leads = store.list_leads(tag, status)
        if as_json:
            show_json_list(leads)
        elif (first := next(leads, None)) is not None:
            show_table(COLUMNS, (_row(lead) for lead in chain([first], leads)))
        elif tag is None and status is None:
            note(f"There is no lead yet; import some with {commands.IMPORT_LEADS}.")
        else:
            note("No lead fits.")


def _row(lead: "ListedLead") -> tuple[object, ...]:
    n = lead.campaigns
    return (
        lead.email, lead.name, lead.company, lead.role, ", ".join(lead.tags), n.pending, n.sent,
        n.failed, n.cancelled, lead.sent_at,
    )  # fmt: skip


def _import(leads: Iterator[Row], tag: str | None, owner: UUID | None) -> Imported:
    """In batches, so that memory stays flat. Imported batches stay when the database goes away."""
    done = Imported()
    with opened_store() as store, progress("Importing") as tell:
        while batch := list(islice(leads, BATCH)):
            try:
                done = done.plus(store.import_leads(batch, tag, owner))
            except StoreUnavailable as error:
                raise type(error)(
                    f"{error} {done.added + done.updated} leads are imported; importing the file "
                    "again adds the rest."
                ) from None
            tell(f"{done.added + done.updated:,} leads")
    return done


def _show(sheet: Sheet, leads: Iterator[Row], skipped: list[Skip], *, as_json: bool) -> None:
    first = list(islice(leads, FIRST_ROWS))
    number = len(first) + sum(1 for _ in leads)
    notes = leads_told.of_file(sheet)
    if as_json:
        shown: dict[str, Any] = {"columns": [one._asdict() for one in sheet.columns.all]}
        shown |= {"rows": first, "leads": number}
        show_json({**shown, "skipped": [asdict(skip) for skip in skipped], "notes": notes})
    else:
        leads_told.show_columns(sheet)
        leads_told.show_rows(first)
        say(f"{number} lead(s) to import, {len(skipped)} to leave out.")
        leads_told.tell(notes, skipped)
        note("Nothing was imported: this was a dry run.")
    if not number:
        raise _none(skipped)


def _none(skipped: list[Skip]) -> Rejected:
    return Rejected(
        f"No lead was imported: {len(skipped)} line(s) could not be used; correct them."
        if skipped
        else "The file has a header and no lead below it; nothing was imported."
    )
