"""Sentences for a person: results on stdout, notes on stderr."""

import os
import sys
from typing import TextIO


def note(text: str) -> None:
    """For the person, not for the pipe."""
    print(printable(text), file=sys.stderr)


def say(text: str) -> None:
    """Print a command's result that is a sentence or a value."""
    print(printable(text))


def printable(text: str) -> str:
    """Untrusted text without control characters, which could control the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def accept_any_stream() -> None:
    """Whatever this process prints to: nothing printed may fail for what it is."""
    # Closed by whoever started us, as some supervisors do: what is printed goes nowhere.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character shows its code, instead of an error.
            stream.reconfigure(errors="backslashreplace")


def discard_rest() -> None:
    """After a BrokenPipeError, which the interpreter's own flush at exit would raise again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - until the process ends
