"""`outreach mailboxes explain`: what a received mail is taken for, and by which rule."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from outreach.cli.output import AsJson, show_json, show_table
from outreach.errors import Rejected
from outreach.excerpts import one_line

LARGEST = 64 * 1024 * 1024
"""Bytes of a file; Gmail takes mails of at most 50 MB."""


def explain(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE.eml", help="A mail as a mail program saves it.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what a received mail is taken for: a bounce, an away notice, a reply, an opt-out.

    Changes nothing, and needs neither a database nor an account.
    """
    shown = [_explained(file) for file in files]
    if as_json:
        show_json(shown)
        return
    columns = ("file", "kind", "recipients", "about", "back on", "own words", "rule")
    show_table(columns, map(_row, shown))


def _explained(file: Path) -> dict[str, Any]:
    """The file's element of the JSON list."""
    from outreach.inbound.classify import classify

    reading = classify(_content(file))
    return {
        "file": str(file),
        "kind": reading.kind,
        "recipients": [asdict(one) for one in reading.recipients],
        "original_message_id": reading.original_message_id,
        "back_on": reading.back_on.isoformat() if reading.back_on else None,
        "own_words": reading.own_words,
        "why": reading.why,
    }


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise Rejected(
            f"The file {str(file)!r} cannot be read ({error.strerror})",
            "give the path of a mail that a mail program saved",
        ) from None
    if len(content) > LARGEST:
        raise Rejected(f"The file {str(file)!r} is too large for a mail", "give a file of one mail")
    return content


def _row(shown: dict[str, Any]) -> list[Any]:
    recipients = ", ".join(
        " ".join(filter(None, (one["address"], one["status"], one["verdict"])))
        for one in shown["recipients"]
    )
    return [
        shown["file"],
        shown["kind"],
        recipients,
        shown["original_message_id"],
        shown["back_on"],
        one_line(shown["own_words"]),
        shown["why"],
    ]
