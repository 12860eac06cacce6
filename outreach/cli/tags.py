"""The option for the tag of a list of leads."""

from typing import Any
from unicodedata import category

import typer


def tag(meaning: str) -> Any:
    """An option with a tag.

    An empty one is refused: it is a shell's variable that was never set, and would be a list, too.
    """
    return typer.Option(help=meaning, callback=_named)


def _named(given: str | None) -> str | None:
    if given is not None and (not given.strip() or any(category(one) == "Cc" for one in given)):
        raise typer.BadParameter("a tag is one line of text; name one, such as spring.")
    return given
