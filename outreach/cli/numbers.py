"""Options with a number of seconds."""

from math import isfinite
from typing import Any

import typer


def seconds(least: float, most: float, meaning: str) -> Any:
    """An option from `least` to `most`, in seconds.

    `nan` is refused too: versions of Typer differ in whether a comparison refuses it.
    """
    return typer.Option(min=least, max=most, help=meaning, callback=_finite)


def _finite(number: float | None) -> float | None:
    if number is not None and not isfinite(number):
        raise typer.BadParameter(f"{number} is no number of seconds; write one like 30.")
    return number
