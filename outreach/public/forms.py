"""Pure: whether the body of a POST asks to unsubscribe (RFC 8058).

The body is read as text. Form parsers refuse valid multipart, with blanks after the boundary, a
preamble or a folded part header, and a mail provider does not ask twice.
"""

from collections.abc import Iterable, Iterator
from email.utils import collapse_rfc2231_value
from urllib.parse import parse_qsl

from outreach.mail import parts

LONGEST = 16 * 1024
"""Octets of a body; those of mail providers have some hundred."""
_FIELDS = 20
_KEY, _VALUE = "list-unsubscribe", "one-click"


def asks_to_unsubscribe(content_type: str, body: bytes) -> bool:
    """`List-Unsubscribe=One-Click`, urlencoded or as multipart; a body without a type is read as
    the first.
    """
    kind = content_type.partition(";")[0].strip().lower()
    found: Iterable[tuple[str, str]]
    if kind in {"", "application/x-www-form-urlencoded"}:
        found = _urlencoded(body)
    elif kind == "multipart/form-data":
        try:
            found = list(_multipart(content_type, body))
        except Exception:  # noqa: BLE001 - the parser's errors on broken headers have no common class
            return False
    else:
        return False
    return any(
        name.strip().lower() == _KEY and value.strip().lower() == _VALUE for name, value in found
    )


def _urlencoded(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield from parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        return  # more fields than that


def _multipart(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    header = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    for part in parts.tree(header + body).children:
        name = part.head.get_param("name", header="content-disposition")
        if name is not None:
            yield collapse_rfc2231_value(name), part.text
