"""Text from hostile bytes: any charset, any transfer encoding, never an exception."""

import binascii
import codecs
import re
from email.errors import HeaderParseError
from email.header import decode_header
from functools import lru_cache

_UNSAFE = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
"""Codecs of Python that are no charsets; some take a time that grows with the square."""
_ALIASES = {"windows-874": "cp874", "iso-8859-8-i": "iso-8859-8", "iso-8859-6-i": "iso-8859-6"}
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_HEADER = 2_000
"""Characters of a header that are decoded."""


def decoded(content: bytes, charset: str) -> str:
    """The text in the charset that it declares, or in the one that it is in."""
    if content.isascii() and b"\x1b" not in content:
        return content.decode("ascii")
    tried = ("iso-2022-jp" if b"\x1b$" in content or b"\x1b(" in content else "", charset, "utf-8")
    for name in filter(None, map(_codec, tried)):
        try:
            return content.decode(name)
        except (UnicodeError, ValueError):
            continue
    return content.decode(_codec(charset) or "utf-8", "replace")


def transferred(content: str, encoding: str) -> bytes:
    """The bytes of a part's content, which the parser gives as ASCII with surrogates."""
    raw = content.encode("ascii", "surrogateescape") if _is_bytes(content) else content.encode()
    match encoding:
        case "quoted-printable":
            return binascii.a2b_qp(raw)
        case "base64":
            letters = _NO_BASE64.sub(b"", raw)
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
        case _:
            return raw


def header_text(value: str) -> str:
    """A header's value for people: unfolded, its encoded words decoded."""
    value = " ".join(value[:_HEADER].split())
    if not value.isascii():
        return decoded(transferred(value, ""), "utf-8")
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(
        piece if isinstance(piece, str) else decoded(piece, charset or "utf-8")
        for piece, charset in pieces
    )


def _is_bytes(content: str) -> bool:
    """Whether all beyond ASCII are the parser's surrogates."""
    return content.isascii() or all(c < "\x80" or "\udc80" <= c <= "\udcff" for c in content)


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """Python's name of a charset; empty when it has none."""
    name = charset.strip(" \"'").lower()[:40]
    try:
        found = codecs.lookup(_ALIASES.get(name, name)).name if name.isascii() else ""
        "".encode(found or "undefined")  # an error for what makes no text of bytes, as `hex`
    except (LookupError, UnicodeError, ValueError):
        return ""
    return "" if found in _UNSAFE else found
