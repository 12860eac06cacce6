"""Reads leads from a CSV file, row by row, and reports skipped rows with their line.

Reads only. A fault of the whole file is refused before its first row is returned; a fault of one
row skips that row alone.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from outreach.campaign.models import LONGEST_NAME
from outreach.cli.leads.column_names import FIRST_NAME, KNOWN, LAST_NAME
from outreach.cli.leads.columns import Columns, asked_for, columns_of, has_address
from outreach.cli.leads.csv_header import Header, find_header
from outreach.errors import Rejected
from outreach.mail.addresses import from_cell, is_valid

Row = dict[str, Any]

LONGEST_CELL = 1_000_000
"""Characters, as for a template."""
LONGEST_COLUMN = 1_000
"""Characters of a column's name; a form's question may be one."""

_HARD_SPACE = "\u00a0"

ONE_LINE = ("name", "role", "company")
"""Values that appear in one line of a mail or in its header."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A skipped row. `line` counts from 1 and is where the row begins in the file."""

    line: int
    email: str
    reason: str


Skipped = Callable[[Skip], None]


def _ignore(_: Skip) -> None:
    """For callers that have reported them already."""


class Sheet:
    """A file with its header read: its columns, and its rows, which can be read once."""

    def __init__(self, lines: Iterable[str], maps: Iterable[str] = ()) -> None:
        """`maps`: columns with another meaning, as `HEADER=field`. Raises Rejected."""
        asked = asked_for(maps)
        self._source = iter(lines)
        self.header: Header = find_header(self._source, lambda names: has_address(names, asked))
        names = self.header.names
        while not names[-1] and f"#{len(names)}" not in asked:
            names.pop()
        _refuse_long(names)
        self.columns: Columns = columns_of(names, asked)
        self.nameless: set[int] = set()
        """Numbers of columns without a name that have a value."""

    def rows(self, skipped: Skipped = _ignore) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not blank, each with its line, at least one cell per column."""
        names = self.header.names
        nameless = [n for n, name in enumerate(names) if not name and n + 1 not in self._mapped()]
        for line, cells in _rows(self._source, self.header, skipped):
            self.nameless.update(n + 1 for n in nameless if n < len(cells) and cells[n].strip())
            yield line, [*cells, *[""] * (len(names) - len(cells))]

    def _mapped(self) -> set[int]:
        return {column.number for column in self.columns.all}


def _refuse_long(names: list[str]) -> None:
    for number, name in enumerate(names, start=1):
        if len(name) > LONGEST_COLUMN:
            raise Rejected(
                f"Column {number} has a name of more than {LONGEST_COLUMN:,} characters "
                f"({name[:40]!r}…)",
                "shorten it",
            )


def read_leads(
    sheet: Sheet,
    skipped: Skipped = _ignore,
    *,
    clear: Iterable[str] = (),
) -> Iterator[Row]:
    """The leads in the shape of `Store.import_leads`, one at a time; others go to `skipped`.

    `clear`: columns whose empty cells empty the lead's field. Raises Rejected.
    """
    reader, seen = _Reader(sheet.columns, clear), dict[str, int]()
    for line, cells in sheet.rows(skipped):
        lead = reader.lead(cells)
        reason = _wrong(lead["email"], cells, sheet.header.names) or _too_long(lead)
        if not reason and (first := seen.setdefault(lead["email"].lower(), line)) != line:
            reason = f"the address is already on line {first}"
        if reason:
            skipped(Skip(line, lead["email"], reason))
        else:
            yield lead


# --- one row ----------------------------------------------------------------------------------


class _Reader:
    """Cells -> a lead; looks up the position of each value once."""

    def __init__(self, columns: Columns, clear: Iterable[str]) -> None:
        at = {one.field: one.number - 1 for one in columns.all if one.field}
        self._first, self._last = at.pop(FIRST_NAME, None), at.pop(LAST_NAME, None)
        self._parts = self._first is not None or self._last is not None
        self._known = [(name, at[name]) for name in KNOWN if name in at]
        custom = [(one.custom_field, one.number - 1) for one in columns.all if one.custom_field]
        self._custom = [name for name, _ in custom]
        self._custom_at = [n for _, n in custom]
        self._clear = _cleared(columns, clear, parts=self._parts)

    def lead(self, cells: list[str]) -> Row:
        """A row's missing cells are empty."""
        lead: Row = {name: value_of(name, cells[n]) for name, n in self._known}
        if self._parts and not lead.get("name"):
            lead["name"] = _joined(*(self._cell(cells, n) for n in (self._first, self._last)))
        if self._custom:
            lead["custom_fields"], lead["empty_fields"] = self._fields(cells)
        if clear := [name for name in self._clear if lead.get(name) == ""]:
            lead["clear"] = clear
        return lead

    def _fields(self, cells: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Custom fields with a value or to be emptied, and empty ones."""
        values = [cells[n].strip() for n in self._custom_at]
        if all(values):
            filled, empty = dict(zip(self._custom, values, strict=True)), dict[str, str]()
        else:
            found, clear = list(zip(self._custom, values, strict=True)), self._clear
            filled = {name: value for name, value in found if value or name in clear}
            empty = {name: value for name, value in found if not value and name not in clear}
        if _HARD_SPACE in "".join(values):
            filled = {name: value.replace(_HARD_SPACE, " ") for name, value in filled.items()}
        return filled, empty

    @staticmethod
    def _cell(cells: list[str], number: int | None) -> str:
        return "" if number is None else " ".join(cells[number].split())


def value_of(name: str, cell: str) -> str:
    """A cell's value for this field of a lead."""
    if name == "email_template":
        return cell  # it keeps its indentation
    if name == "email":
        return from_cell(cell)
    return " ".join(cell.split()) if name in ONE_LINE else _plain(cell)


def _plain(cell: str) -> str:
    """Strip it; replace a no-break space by a space."""
    cell = cell.strip()
    return cell.replace(_HARD_SPACE, " ")


def _joined(first: str, last: str) -> str:
    """Only the one that is the whole name already, if one is."""
    if not first or not last:
        return first or last
    one, other = first.casefold(), last.casefold()
    words = other.replace(",", " , ").split()
    if one == other or other.startswith(f"{one} ") or (one in words and len(words) > 2):  # noqa: PLR2004 - San Martín
        return last
    return first if one.endswith(f" {other}") else f"{first} {last}"


def _cleared(columns: Columns, clear: Iterable[str], *, parts: bool) -> list[str]:
    """The fields of these columns. Raises Rejected."""
    found: dict[str, None] = {}
    for asked in clear:
        if asked == "name" and parts:
            found["name"] = None
            continue
        columns_asked = [
            one for one in columns.all if asked in {one.header, one.field, one.custom_field}
        ]
        names = [
            name for one in columns_asked for name in (one.field, one.custom_field)
            if name and name not in {"email", "domain", FIRST_NAME, LAST_NAME}
        ]  # fmt: skip
        if not names:
            raise Rejected(
                f"There is nothing to empty in a column {asked!r}",
                "name one of the file's with "
                "--clear, and neither the address nor the company's domain",
            )
        found |= dict.fromkeys(names)
    return [*found]


def _wrong(email: str, cells: list[str], names: list[str]) -> str:
    """Why the row is skipped; empty when it is not."""
    if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
        return (
            f"it has {len(cells)} cells and the header {len(names)}: a cell that holds the "
            "delimiter has to be in quotes"
        )
    if "\0" in "".join(cells):
        return "it holds a NUL character"
    if not email:
        return "it has no address"
    if is_valid(email):
        return ""
    if email.count("@") > 1:
        return "it holds several addresses"
    if [" ".join(cell.split()) for cell in cells[: len(names)]] == names:
        return "it repeats the header"
    return "this is not a mail address"


def _too_long(lead: Row) -> str:
    long = [name for name in (*ONE_LINE, "domain") if len(lead.get(name, "")) > LONGEST_NAME]
    return f"its {long[0]} has more than {LONGEST_NAME} characters" if long else ""


def _rows(
    source: Iterator[str], header: Header, skipped: Skipped
) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line. An unclosed quote is reported, not swallowed."""
    csv.field_size_limit(LONGEST_CELL)
    # Strict: else a stray quote silently takes the rows after it into one cell.
    reader = csv.reader(source, delimiter=header.delimiter, strict=True)
    while True:
        line = header.lines + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            last = header.lines + reader.line_num
            message = _cell_too_long if "field limit" in str(error) else _broken_quotes
            skipped(Skip(line, "", message(line, last)))
            continue
        if any(map(str.strip, cells)):
            yield line, cells


def _cell_too_long(first: int, last: int) -> str:
    if first == last:
        return f"it has a cell of more than {LONGEST_CELL:,} characters"
    return (
        f"lines {first} to {last} have a cell of more than {LONGEST_CELL:,} characters, or a quote "
        "that is not closed"
    )


def _broken_quotes(first: int, last: int) -> str:
    where = "it" if first == last else f"lines {first} to {last}, where a quote is not closed,"
    return f"{where} cannot be read: a quote inside a cell is written twice, the cell in quotes"
