"""Cuts text of a row or a response to fit a message, a log or a table."""

NAME = 100
"""Characters of a name in output."""
REASON = 1_000
"""Characters of a stored reason or error."""


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and `…`: `limit` characters in all."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def one_line(text: str | None, limit: int = NAME) -> str:
    """The same, with one space for each run of spaces and line breaks; empty for None."""
    return cut(" ".join((text or "")[: 2 * limit].split()), limit)
