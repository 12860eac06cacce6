"""The option for the tag of a list of leads."""

from typing import Any

import typer


def tag(meaning: str) -> Any:
    """An option with a tag, without the spaces around it.

    An empty one is refused: it is a shell's variable that was never set, and would be a list, too.
    """
    return typer.Option(help=meaning, callback=_named)


def _named(given: str | None) -> str | None:
    if given is None:
        return None
    named = given.strip()
    if not named or not named.isprintable():
        raise typer.BadParameter("a tag is one line of text; name one, such as spring.")
    return named
