"""Finds the header and the delimiter of a file of leads.

Above it may be blank lines, Excel's `sep=;`, and a few lines of text, as in LinkedIn's exports.
"""

import csv
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from outreach.errors import Rejected

DELIMITERS = (",", ";", "\t", "|")
MOST_LINES = 30
"""The header has to end within these lines."""
MOST_CHARACTERS = 64 * 1024

_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?[,;\t|]*\s*', re.IGNORECASE)


class Header(NamedTuple):
    delimiter: str
    names: list[str]
    """One per column, on one line each; empty for a column without a name."""
    lines: int
    """Number of the file's lines to the end of the header."""
    passed_over: int
    """Lines of text above it."""


def find_header(source: Iterator[str], is_header: Callable[[list[str]], bool]) -> Header:
    """Read `source` up to the end of its header. Raises Rejected without one.

    `is_header` decides by the names in a line.
    """
    delimiters: tuple[str, ...] = DELIMITERS
    head: list[str] = []
    for number, line in enumerate(islice(source, MOST_LINES), start=1):
        line = line.removeprefix("\ufeff") if number == 1 else line  # noqa: PLW2901 - a mark
        if "\0" in line:
            raise Rejected(
                "The file holds NUL characters", "is it UTF-16? Then use --encoding utf-16"
            )
        if not any(map(str.strip, head)) and (separator := _SEPARATOR.fullmatch(line)):
            delimiters, line = (separator[1],), ""  # noqa: PLW2901 - it has been read
        head.append(line)
        for first in range(len(head)):
            read = [(_record(head[first:], delimiter), delimiter) for delimiter in delimiters]
            found = [(names, delimiter) for names, delimiter in read if names and is_header(names)]
            if found:
                names, delimiter = max(found, key=lambda one: len(one[0]))
                above = sum(bool(passed.strip()) for passed in head[:first])
                return Header(delimiter, names, number, above)
        if sum(map(len, head)) > MOST_CHARACTERS:
            break
    raise _none(head)


def _record(lines: list[str], delimiter: str) -> list[str]:
    """The names in these lines if they are exactly one row; a name may have a line break."""
    if not lines[0].strip():
        return []
    csv.field_size_limit(sum(map(len, lines)))  # a name that is too long gets its own message
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        cells = next(reader)
    except csv.Error:
        return []
    return [" ".join(cell.split()) for cell in cells] if reader.line_num == len(lines) else []


def _none(head: list[str]) -> Rejected:
    first = next((line.strip() for line in head if line.strip()), "")
    if not first:
        return Rejected(
            "The file is empty", "its first line has to name the columns, one of them email"
        )
    return Rejected(
        f"The file has no column email: its first line is {first[:60]!r}",
        "name the columns there, "
        "with commas, semicolons, tabs or | between them, or say which one it is with "
        '--map "HEADER=email"',
    )
