"""Prints results: JSON, tables or plain columns.

On a terminal a list is a table. Through a pipe it is one line per row with tabs between the cells,
complete, without colour or frame, as `cut` and `grep` expect.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from outreach.cli.lines import printable

AsJson = Annotated[bool, typer.Option("--json", help="Show it as JSON.")]


def show_json(value: Any) -> None:
    """Plain ASCII, so that no pipe's encoding can break it."""
    print(json.dumps(_plain(value), indent=2 if sys.stdout.isatty() else None))


def show_json_list(values: Iterable[Any]) -> None:
    """A JSON list, one element per line, written as it comes: it may have 100,000 of them."""
    before = "[\n "
    for value in values:
        print(before + json.dumps(_plain(value)), end="")
        before = ",\n "
    print("[]" if before.startswith("[") else "\n]")


def show_json_line(value: Any) -> None:
    """One of several consecutive values."""
    print(json.dumps(_plain(value)), flush=True)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    if not sys.stdout.isatty():
        for row in chain([columns], rows):
            print("\t".join(cell(value) for value in row))
        return
    terminal().print(table(columns, rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    """A rich Table of these cells."""
    from rich import box
    from rich.table import Table

    cells = [[cell(value) for value in row] for row in rows]
    # An empty column takes no room; the first one names the row, for copying, so it is never cut.
    used = [n for n in range(len(columns)) if n == 0 or any(row[n] for row in cells)]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column(columns[0], min_width=max((len(row[0]) for row in cells), default=0))
    for number in used[1:]:
        made.add_column(columns[number], overflow="fold")
    for row in cells:
        made.add_row(*(row[number] for number in used))
    return made


def show_fields(fields: dict[str, Any]) -> None:
    """One record, a line for each of its fields that has a value."""
    print(_fields(fields))


def redraws(stream: Any) -> bool:
    """Whether the stream allows redrawing in place."""
    return bool(stream.isatty()) and os.environ.get("TERM") not in {"dumb", "unknown"}


def cell(value: Any) -> str:
    """A value for people: times in the local zone, empty for None, one line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case float():
            return f"{value:g}"
        case _:
            return printable(" ".join(str(value).split()))


def terminal(*, notes: bool = False) -> Any:
    """A rich Console that shows text as it is: a name such as [red] is not markup."""
    from rich.console import Console

    return Console(stderr=notes, markup=False, highlight=False, emoji=False)


@contextmanager
def progress(text: str) -> Iterator[Callable[[str], None]]:
    """Shows progress on stderr, if that is a terminal: call the result with each update."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with terminal(notes=True).status(text) as status:
        yield lambda news: status.update(f"{text}: {news}")


def _fields(fields: dict[str, Any]) -> str:
    width = max(map(len, fields)) + 2
    shown = {name: cell(value) for name, value in fields.items()}
    return "\n".join(f"{name:<{width}}{text}" for name, text in shown.items() if text)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value
