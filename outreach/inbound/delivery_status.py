"""The fields of a delivery status (RFC 3464, RFC 6533), in a part of their own or in a text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from outreach.inbound.found_addresses import plain

_FOLD = re.compile(r"\r?\n[ \t]+")
_FIELD = re.compile(r"^[ \t]*([A-Za-z][A-Za-z-]{2,40}):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_BLOCK = re.compile(r"\n[ \t]*\r?\n")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_STATUS = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
BLOCKS = 100
"""Recipients that are read of one report."""
DIAGNOSTIC = 2_000
"""Characters of one recipient's diagnostic."""
_NAMES = frozenset(
    {
        "final-recipient",
        "original-recipient",
        "x-actual-recipient",
        "action",
        "status",
        "diagnostic-code",
    }
)
_BEGINS = frozenset({"final-recipient", "action"})
_NAMES_ONE = frozenset({"final-recipient", "original-recipient", "action"})


@dataclass(frozen=True, slots=True)
class Reported:
    """One recipient's block; any of its fields may be missing."""

    address: str
    original_address: str
    action: str
    """In lower case: failed, delayed, delivered, relayed, expanded."""
    status: str
    diagnostic: str


def read(texts: Iterable[str]) -> list[Reported]:
    """The recipients' blocks of these parts."""
    return [one for text in texts for one in _of_part(text)][:BLOCKS]


def read_in_text(text: str) -> list[Reported]:
    """The same of a text that holds the fields of a report, as some programs write it."""
    return list(_of_part(text)) if "inal-recipient:" in text.lower() else []


def _of_part(text: str) -> Iterator[Reported]:
    for number, block in enumerate(_BLOCK.split(_FOLD.sub(" ", text))):
        if number > BLOCKS:
            return
        found: dict[str, str] = {}
        for name, value in _FIELD.findall(block):
            key = name.lower()
            if key in found and key in _BEGINS:  # some programs write no line between two
                yield _reported(found)
                found = {}
            if key in _NAMES:
                found.setdefault(key, value)
        if not _NAMES_ONE.isdisjoint(found):
            yield _reported(found)


def _reported(found: dict[str, str]) -> Reported:
    final = address(found.get("final-recipient", ""))
    original = address(found.get("original-recipient", ""))
    code = _STATUS.search(found.get("status", ""))
    return Reported(
        address=final or original,
        original_address=original,
        action=found.get("action", "").partition(" ")[0].lower().strip(" ;"),
        status=code[0] if code else "",
        diagnostic=found.get("diagnostic-code", "")[:DIAGNOSTIC],
    )


def address(value: str) -> str:
    """The address of `rfc822; jo@acme.com`; empty when it is none."""
    written = value.rpartition(";")[2].strip()
    if "\\x{" in written:
        written = _ESCAPED.sub(lambda one: _character(int(one[1], 16)), written)
    return plain(written)


def _character(number: int) -> str:
    """The character; the replacement character for a surrogate and beyond the last one."""
    try:
        made = chr(number)
        made.encode()
    except (ValueError, UnicodeEncodeError):
        return "\N{REPLACEMENT CHARACTER}"
    return made
