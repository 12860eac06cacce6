"""`outreach leads`: bringing people in from a file."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer

from outreach.answers import Imported
from outreach.cli.context import Owner, opened_store
from outreach.cli.csv_leads import Row, Skip, check_encoding, read_leads
from outreach.cli.output import AsJson, note, progress, say, show_json
from outreach.errors import Rejected, StoreUnavailable

BATCH = 1000
"""Leads in one call of the database."""

TOLD = 20
"""Lines left out that are told one by one; `--json` has them all."""

app = typer.Typer(help="The people to be mailed.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The people to be mailed."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE.csv")],
    *,
    tag: Annotated[
        str | None, typer.Option(help="Marks these leads, for `campaigns create --tag`.")
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="The file's encoding, such as cp1252 or utf-16.")
    ] = "utf-8",
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Add or update leads from a CSV file.

    Columns: email, and any of name, role, company, domain, email_subject, email_template; any other
    column becomes a custom field. A line that cannot be used is left out and told.
    """
    skipped: list[Skip] = []
    with _lines(file, encoding) as lines:
        imported = _import(read_leads(lines, skipped.append), tag, owner)
    if as_json:
        show_json({**imported.model_dump(), "skipped": [asdict(skip) for skip in skipped]})
    else:
        say(f"{imported.added} lead(s) added, {imported.updated} updated, {len(skipped)} left out.")
        _tell(skipped)
    if not imported.added + imported.updated:
        raise Rejected(
            f"No lead was imported: {len(skipped)} line(s) could not be used; correct them."
            if skipped
            else "The file has a header and no lead below it; nothing was imported."
        )


def _import(leads: Iterator[Row], tag: str | None, owner: UUID | None) -> Imported:
    """In batches, so that memory stays flat. What is in stays in when the database goes away."""
    done = Imported()
    with opened_store() as store, progress("Importing") as tell:
        while batch := list(islice(leads, BATCH)):
            try:
                new = store.import_leads(batch, tag, owner)
            except StoreUnavailable as error:
                raise StoreUnavailable(
                    f"{error} {done.added + done.updated} leads are imported; importing the file "
                    "again adds the rest."
                ) from None
            done = Imported(
                added=done.added + new.added,
                updated=done.updated + new.updated,
                companies_added=done.companies_added + new.companies_added,
            )
            tell(f"{done.added + done.updated:,} leads")
    return done


@contextmanager
def _lines(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The file's text, once all of it is known to be in this encoding."""
    with path.open("rb") as opened, tempfile.TemporaryFile() as copy:
        file: BinaryIO = opened
        if not opened.seekable():  # a pipe, such as <(…), can be read once only
            shutil.copyfileobj(opened, copy)
            copy.seek(0)
            file = copy
        check_encoding(file, encoding)
        file.seek(0)
        yield io.TextIOWrapper(file, encoding=encoding, newline="")


def _tell(skipped: list[Skip]) -> None:
    for skip in skipped[:TOLD]:
        who = f" ({skip.email})" if skip.email else ""
        note(f"Line {skip.line}{who} is left out: {skip.reason}.")
    if len(skipped) > TOLD:
        note(f"… and {len(skipped) - TOLD} more; --json lists them all.")
