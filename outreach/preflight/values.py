"""Pure: finds values that a tool wrote for a missing one, and values written for another medium."""

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from outreach.preflight.findings import Problem

SHOWN = 40
_NOTHING = frozenset(
    re.split(
        r"\s{2,}",
        """-  --  ---  ?  ??  ???  N/A  n/a  #N/A  #NAME?  #REF!  #VALUE!  #DIV/0!  #NULL!  #NUM!
        #NV  NULL  null  (null)  <null>  NIL  nil  nan  NaN  NAN  None  none  NONE  <NA>  NaT
        undefined  Undefined  UNDEFINED  unknown  Unknown  UNKNOWN  (blank)  (empty)
        [object Object]""",
    )
)
"""In exactly this spelling: Null, Nan and the like are people's names."""
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
LOST = "\N{REPLACEMENT CHARACTER}"
_MISREAD = re.compile(
    r"(?<![A-ZÀ-Þ])[ÂÃâ][^\x00-\x7f]{1,2}"  # after a capital, MAÇÃ may be a word that is quoted
    r"|[ÂÃ](?![”»…™®\u2013\u00a0])[^\x00-\x7f]{1,2}"
)
"""How UTF-8 looks that was read as Western text: `Ã©` for `é`, `Ã¤` for `ä`."""
_ELEMENT = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>")


def of_values(used: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of `used`: the values that a mail shows, by the template's names for them."""
    for name, value in used.items():
        if isinstance(value, str) and (message := _told(value)):
            yield Problem(
                "warning", "values", f"{{{{ {name} }}}} is {message}", "correct the value"
            )


def _told(value: str) -> str:
    if not value.isascii() and (broken := _broken(value)):
        return broken
    if len(value) <= SHOWN and (stripped := value.strip()) in _NOTHING:
        return f"“{stripped}” for the lead, which a person reads as a mistake"
    if "&" in value and (found := _reference(value)):
        return f"a text with “{found}”, which is shown as it stands: values are no HTML"
    if "<" in value and (element := _ELEMENT.search(value)):
        return (
            f"a text with “{element[0][:SHOWN]}”, which is shown as it stands: values are no HTML"
        )
    return ""


def _broken(value: str) -> str:
    if LOST in value:
        return f"a text with “{LOST}”, in place of a letter that its file had lost"
    for found in _MISREAD.finditer(value):
        for length in (3, 2):
            part = found[0][:length]
            with suppress(UnicodeError):
                meant = b"".join(map(_octet, part)).decode()
                return f"a text with “{part}” for “{meant}”: its file was read in a wrong encoding"
    return ""


def _octet(character: str) -> bytes:
    """Of Windows' Western encoding, which leaves some octets out."""
    try:
        return character.encode("cp1252")
    except UnicodeError:
        return character.encode("latin-1")


def _reference(value: str) -> str:
    found = _REFERENCE.search(value)
    return found[0] if found and html.unescape(found[0]) != found[0] else ""


def of_subject(subject: str) -> Iterator[Problem]:
    """HTML in a subject, which is plain text."""
    if "&" in subject and (found := _reference(subject)):
        message = (
            f"The email subject has “{found}”, which is shown as it stands: a subject is no HTML"
        )
        yield Problem("warning", "template", message, "write the character itself")
