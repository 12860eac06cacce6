"""Mail addresses in text that servers and people write."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_DOMAIN = re.compile(
    r"\[[\w.:]{3,60}\]|[\w\u0080-\U0010ffff-]{1,63}(?:\.[\w\u0080-\U0010ffff-]{1,63}){0,20}"
)
_LOCAL_BACKWARDS = re.compile(r"\"[^\"\s@]{1,64}\"|[^\s<>()\[\]\",;:@\\\u3000「（“«]{1,128}")
_QUOTES = "'`*"
_ANGLED = re.compile(r"<([^<>]*)>")


class Found(NamedTuple):
    """An address in a text, and its place there."""

    address: str
    start: int
    end: int


def within(text: str) -> Iterator[Found]:
    """The addresses of a text, in order. Each step is bounded."""
    at = text.find("@")
    while at >= 0:
        local = _LOCAL_BACKWARDS.match(text[max(at - 128, 0) : at][::-1])
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            written = local[0][::-1].lstrip(_QUOTES)
            if written[:5].lower() == "smtp=":  # an address of X.400 or Exchange
                written = written[5:]
            end = domain.end()
            yield Found(f"{written}@{domain[0]}", at - len(written), end)
        at = text.find("@", at + 1)


def plain(text: str) -> str:
    """The address of `<jo@acme.com>`, `Jo <jo@acme.com>`; empty when the text is none."""
    angled = _ANGLED.search(text)
    text = (angled[1] if angled else text).strip(" \t'`").rstrip(".")
    found = next(within(text), None)
    return found.address if found and len(found.address) == len(text) else ""


def first(text: str) -> str:
    """The first address of a header's value; empty when it has none."""
    found = next(within(text), None)
    return plain(text) or (found.address if found else "")


def several(text: str) -> list[str]:
    """All addresses of a header's value."""
    return [one.address for one in within(text)]


def local_part(address: str) -> str:
    """In lower case."""
    return address.rpartition("@")[0].lower()
