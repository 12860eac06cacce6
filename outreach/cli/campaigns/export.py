"""`outreach campaigns export`: every lead of a campaign as CSV, for a spreadsheet or a script."""

import codecs
import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from outreach.cli.campaigns.show import LeadStatus
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import note
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.campaign.models import ExportedLead, LeadFailure

COLUMNS = ("email", "name", "company", "role", "status", "account", "sent_at", "opened_at",
           "thread_id", "message_id", "error", "lead", "failed_at", "failures",
           "replied_at", "bounced_at", "bounce", "bounce_status", "away_at", "back_on",
           "unsubscribed_at")  # fmt: skip

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""First character of a cell that a spreadsheet may read as a formula (OWASP, “CSV injection”)."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Characters that may control a terminal and are not part of a name."""


def export(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, metavar="FILE", help="Write it there.")
    ] = None,
    status: Annotated[LeadStatus | None, typer.Option(help="Only these.")] = None,
    bom: Annotated[
        bool, typer.Option("--bom", help="Begin with a byte order mark, as Excel wants it.")
    ] = False,
) -> None:
    """Write every lead of a campaign as CSV: UTF-8, a header, times in UTC.

    A cell that a spreadsheet would take for a formula begins with an apostrophe instead.
    """
    found = campaign_id(campaign)
    with opened_store() as store:
        store.campaign_status(found)  # an unknown campaign is no empty file
        with destination(out) as file:
            if bom:
                file.write(codecs.BOM_UTF8)
            count = write(store.export_leads(found, status), file)
    if out is not None:
        note(f"{count} lead(s) are in {out}.")


def write(leads: "Iterable[ExportedLead]", file: BinaryIO) -> int:
    """Write the leads; returns their number."""
    return write_rows(COLUMNS, map(_row, leads), file)


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], file: BinaryIO) -> int:
    """Write rows by RFC 4180, one at a time; returns their number."""
    out, count = csv.writer(codecs.getwriter("utf-8")(file)), 0
    out.writerow(columns)
    for row in rows:
        out.writerow([cell(value) for value in row])
        count += 1
    return count


def _row(lead: "ExportedLead") -> list[Any]:
    values = {**dict(lead), "lead": lead.id, "failures": _told(lead.failures)}
    return [values[column] for column in COLUMNS]


def _told(failures: "list[LeadFailure]") -> str:
    """All failures in one cell, each with its time."""
    return " | ".join(f"{cell(one.failed_at)} {one.reason}".strip() for one in failures)


def cell(value: Any) -> str:
    """A value's text, as a spreadsheet shows it without calculating it."""
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        case _:
            text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))
            return f"'{text}" if _FORMULA.match(text) else text


@contextmanager
def destination(out: Path | None, option: str = "--out") -> Iterator[BinaryIO]:
    """A regular file appears only when complete; pipes and special files are written directly."""
    if out is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    part = out if out.exists() and not out.is_file() else out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        if part != out:
            part.replace(out)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise Rejected(
            f"{out} cannot be written ({error.strerror})", f"name another file with {option}"
        ) from None
    finally:
        if part != out:
            part.unlink(missing_ok=True)
