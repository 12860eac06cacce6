"""Reads a list of addresses and domains from a file of another tool, line by line.

One address or domain a line, or CSV: of columns with a name for addresses those, else every cell
that is an address. Reads only.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from outreach.cli.leads.columns import has_address
from outreach.errors import Rejected
from outreach.mail.addresses import from_cell, is_valid, suppression_key

DELIMITERS = ",;\t|"
LONGEST_CELL = 1_000_000
SHOWN = 80


@dataclass(frozen=True, slots=True)
class Left:
    """A line without an address; `line` counts from 1."""

    line: int
    text: str


def read_keys(lines: Iterable[str]) -> Iterator[str | Left]:
    """The keys of the file, and the lines that have none. Raises Rejected."""
    rows = _rows(lines)
    first = next(rows, None)
    if first is None:
        return
    named = [n for n, cell in enumerate(first[1]) if has_address([cell], {})]
    if not named:
        rows = chain([first], rows)
    for line, cells in rows:
        chosen = [cells[n] for n in named if n < len(cells)] if named else cells
        if keys := _keys(chosen, alone=len(cells) == 1 or bool(named)):
            yield from keys
        else:
            yield Left(line, " ".join(cells)[:SHOWN])


def _keys(cells: list[str], *, alone: bool) -> list[str]:
    """`alone`: the cell can only be meant, so it may be a domain."""
    if alone:
        return [key for key in map(suppression_key, cells) if key]
    addresses = map(from_cell, cells)
    return [address.lower() for address in addresses if is_valid(address)]


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it ends.

    Raises Rejected where a quote opens and does not close: it would swallow the lines that follow.
    """
    csv.field_size_limit(LONGEST_CELL)
    source = iter(lines)
    head = next(source, "")
    delimiter = max(DELIMITERS, key=head.count)
    taken: list[str] = []  # of the row that is read
    reader = csv.reader(_noted(chain([head.lstrip("\ufeff")], source), taken), delimiter=delimiter)
    try:
        for cells in reader:
            if len(taken) > 1:  # by a cell of several lines, or by a quote that is a mistake
                list(csv.reader(taken, delimiter=delimiter, strict=True))
            taken.clear()
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise Rejected(
            f"Line {reader.line_num - len(taken) + 1} of the file cannot be read as CSV ({error})",
            "correct it; importing the file again adds the rest",
        ) from None


def _noted(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line
