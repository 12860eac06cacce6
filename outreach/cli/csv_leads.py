"""Leads from a CSV file: what is in it, row by row, and what had to be left out, with its line.

Reads only. What is wrong with the whole file is refused before its first row is handed out; what
is wrong with one row leaves out that row alone.
"""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from outreach.addresses import is_valid, normalise
from outreach.errors import Rejected

Row = dict[str, Any]

KNOWN = ("email", "name", "role", "company", "domain", "email_subject", "email_template")
DELIMITERS = (",", ";", "\t")
LONGEST_CELL = 1_000_000
"""Characters: what a template may have. More is a quote that was never closed."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that was left out. `line` counts from 1 and is where the row begins in the file."""

    line: int
    email: str
    reason: str


@dataclass(slots=True)
class _Header:
    delimiter: str
    names: list[str]
    """One a column: a known name in lower case, or a custom field's as it is written."""
    lines: int
    """How many lines of the file it and the empty lines above it take."""


@dataclass(slots=True)
class _Seen:
    """Addresses so far, whatever their case, and the line of each."""

    lines: dict[str, int] = field(default_factory=dict)

    def add(self, email: str, line: int) -> int | None:
        """The line that has this address already, if there is one."""
        first = self.lines.setdefault(email.lower(), line)
        return None if first == line else first


def check_encoding(file: BinaryIO, encoding: str) -> None:
    """Read the file to its end; raises Rejected with the line that is not in this encoding.

    Nothing is guessed: as Windows-1252 any file can be read, and a wrong guess would go out as a
    person's misspelt name.
    """
    decoder, line = _decoder(encoding), 1
    while True:
        chunk = file.read(_CHUNK)
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeError as error:
            raise _wrong_encoding(encoding, line, error) from None
        if not chunk:
            return


def read_leads(
    lines: Iterable[str], skipped: Callable[[Skip], None] = lambda _: None
) -> Iterator[Row]:
    """The leads as `Store.import_leads` takes them, one at a time; `skipped` hears of the others.

    The delimiter is the comma, semicolon or tab with which the header has a column `email`.
    Raises Rejected when the file as a whole cannot be read.
    """
    source = iter(lines)
    header = _header(source)
    seen = _Seen()
    for line, cells in _rows(source, header, skipped):
        reason, lead = _lead(header.names, cells)
        if not reason and (first := seen.add(lead["email"], line)):
            reason = f"the address is already on line {first}"
        if reason:
            skipped(Skip(line, lead["email"], reason))
        else:
            yield lead


# --- the whole file ---------------------------------------------------------------------------


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        decoder.decode(b"")
        "".encode(encoding)  # a codec such as base64 is none for text
    except (LookupError, TypeError, ValueError):
        raise Rejected(
            f"There is no encoding {encoding!r}; write one like utf-8, cp1252 or utf-16."
        ) from None
    return decoder


def _wrong_encoding(encoding: str, line: int, error: UnicodeError) -> Rejected:
    data = error.object if isinstance(error, UnicodeDecodeError) else b""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        advice = "it looks like UTF-16: import it with --encoding utf-16"
    elif codecs.lookup(encoding).name.startswith("utf-8"):
        advice = (
            "save it as “CSV UTF-8”, or name its encoding, for Western Excel usually "
            "--encoding cp1252"
        )
    else:
        advice = "name its encoding with --encoding"
    at = line + data[: getattr(error, "start", 0)].count(b"\n")
    return Rejected(f"The file is not {encoding} (line {at}), so nothing was imported; {advice}.")


def _header(source: Iterator[str]) -> _Header:
    number, first = 0, ""
    for number, first in enumerate(source, start=1):  # noqa: B007 - used after the loop
        first = first.removeprefix("\ufeff")  # noqa: PLW2901 - the mark is no part of the line
        if first.strip():
            break
    else:
        raise Rejected(
            "The file is empty; its first line has to name the columns, one of them email."
        )
    if "\0" in first:
        raise Rejected("The file holds NUL characters; is it UTF-16? Then use --encoding utf-16.")
    delimiter, names = _columns(first)
    return _Header(delimiter, names, number)


def _columns(line: str) -> tuple[str, list[str]]:
    for delimiter in DELIMITERS:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
        if "email" in (cell.lower() for cell in cells):
            return delimiter, _named(cells)
    shown = line.strip()[:60]
    raise Rejected(
        f"The file has no column email: its first line is {shown!r}; name the columns there, "
        "with commas, semicolons or tabs between them."
    )


def _named(cells: list[str]) -> list[str]:
    while not cells[-1]:
        cells.pop()
    names = [cell.lower() if cell.lower() in KNOWN else cell for cell in cells]
    lower = [name.lower() for name in names]
    for number, name in enumerate(lower, start=1):
        if not name:
            raise Rejected(
                f"Column {number} has no name in the file's first line; name or remove it."
            )
        if name in lower[: number - 1]:
            raise Rejected(f"The file has two columns {name!r}; rename or remove one of them.")
    return names


# --- one row ----------------------------------------------------------------------------------


def _rows(
    source: Iterator[str], header: _Header, skipped: Callable[[Skip], None]
) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with its line. A quote never closed is told, not swallowed."""
    csv.field_size_limit(LONGEST_CELL)
    # Strict: else a stray quote takes the rows after it into one cell, without a word.
    reader = csv.reader(source, delimiter=header.delimiter, strict=True)
    while True:
        line = header.lines + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            skipped(Skip(line, "", _broken_quotes(line, header.lines + reader.line_num)))
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _broken_quotes(first: int, last: int) -> str:
    where = "it" if first == last else f"lines {first} to {last}, where a quote is not closed,"
    return f"{where} cannot be read: a quote inside a cell is written twice, the cell in quotes"


def _lead(names: list[str], cells: list[str]) -> tuple[str, Row]:
    """(what is wrong with the row, or nothing; the lead). Cells that a row lacks are empty."""
    cells = [*cells, *[""] * (len(names) - len(cells))]
    row: Row = {
        # A template keeps its indentation.
        name: cell if name == "email_template" else cell.strip()
        for name, cell in zip(names, cells, strict=False)
    }
    row["email"] = normalise(row["email"])
    lead = {name: value for name, value in row.items() if name in KNOWN}
    if len(lead) < len(row):
        lead["custom_fields"] = {name: row[name] for name in row if name not in KNOWN}
    return _wrong(row, names, cells), lead


def _wrong(row: Row, names: list[str], cells: list[str]) -> str:
    if any(cell.strip() for cell in cells[len(names) :]):
        return (
            f"it has {len(cells)} cells and the header {len(names)}: a cell that holds the "
            "delimiter has to be in quotes"
        )
    if any("\0" in cell for cell in cells):
        return "it holds a NUL character"
    if not row["email"]:
        return "it has no address"
    if not is_valid(row["email"]):
        return "this is not a mail address"
    return ""
