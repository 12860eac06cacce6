"""Reads a message: its parts, text and attachments. Parsed only on request.

Splits and decodes bodies itself, because the library's parser takes milliseconds even for an
attachment that is not read. The message is not trusted: every charset, encoding and boundary may be
wrong.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Head
from html import unescape
from typing import Any

from outreach.mail.plain_text import without_comments

HEAD_END = re.compile(rb"\r?\n\r?\n")
# Each stops at the next tag of its kind, so that the time is linear.
MARKUP = re.compile(r"(?is)<(script|style|head)\b(?:(?!</?\1\b).)*+</\1\s*>|<[^<>]*>")
SPACE = re.compile(r"\s+")
SNIPPET = 200
DEEPEST = 20
LONGEST_DECODED = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the tree; `number` is Gmail's part number (`0.1`), empty for the message itself."""

    number: str
    head: Head
    body: bytes
    """In its transfer encoding."""
    children: list["Part"] = field(default_factory=list)

    @property
    def type(self) -> str:
        return self.head.get_content_type()

    @property
    def filename(self) -> str | None:
        """The name of an attachment; None for other parts."""
        try:
            name = self.head.get_filename()
        except (LookupError, UnicodeError, ValueError):
            return "unreadable name"
        if name is None and self.head.get_content_disposition() == "attachment":
            return "unnamed"
        return decoded(name) if name is not None else None

    @property
    def data(self) -> bytes:
        encoding = str(self.head.get("content-transfer-encoding", "")).strip().lower()
        try:
            if encoding == "base64":
                return binascii.a2b_base64(self.body)
            return binascii.a2b_qp(self.body) if encoding == "quoted-printable" else self.body
        except binascii.Error:
            return self.body

    @property
    def text(self) -> str:
        try:
            return self.data.decode(self.head.get_content_charset() or "utf-8", "replace")
        except (LookupError, UnicodeError):
            return self.data.decode("utf-8", "replace")

    def leaves(self) -> Iterator["Part"]:
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


def tree(raw: bytes, number: str = "", depth: int = 0) -> Part:
    end = HEAD_END.search(raw)
    front, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    if raw.startswith((b"\n", b"\r\n")):
        front, body = b"", raw.lstrip(b"\r\n")
    head = message_from_bytes(front + b"\n\n")
    prefix = f"{number}." if number else ""
    pieces = _pieces(head, body) if depth < DEEPEST else []
    children = [tree(piece, f"{prefix}{i}", depth + 1) for i, piece in enumerate(pieces)]
    return Part(number, head, body, children)


def _pieces(head: Head, body: bytes) -> list[bytes]:
    """The raw parts between the delimiter lines of a multipart; none for other types."""
    if head.get_content_maintype() != "multipart":
        return []
    boundary = re.escape((head.get_boundary() or "").encode("utf-8", "replace"))
    if not boundary:
        return []
    found = re.split(rb"\n--" + boundary + rb"(--)?[ \t]*\r?(?:\n|\Z)", b"\n" + body)
    pieces = []
    for closed, piece in zip(found[1::2], found[2::2], strict=True):
        if closed:
            break
        pieces.append(piece.removesuffix(b"\r"))
    return pieces


def text_of(part: Part, kind: str) -> str | None:
    """The first text of this type (text/plain, text/html) that is not an attachment."""
    found = (leaf.text for leaf in part.leaves() if leaf.type == kind and leaf.filename is None)
    return next(found, None)


def searchable(subject: str, raw: bytes) -> str:
    """Subject and text in lower case, without markup."""
    texts = [subject]
    for leaf in tree(raw).leaves():
        if leaf.type == "text/html":
            texts.append(without_markup(leaf.text))
        elif leaf.type.startswith("text/"):
            texts.append(leaf.text)
    return SPACE.sub(" ", " ".join(texts)).lower()


def without_markup(html: str) -> str:
    return unescape(MARKUP.sub(" ", without_comments(html)))


def snippet(part: Part) -> str:
    plain = text_of(part, "text/plain")
    text = plain if plain is not None else without_markup(text_of(part, "text/html") or "")
    return SPACE.sub(" ", text).strip()[:SNIPPET]


def headers(head: Head, wanted: list[str] | None = None) -> list[dict[str, str]]:
    """Name and value of each header field, as Gmail's `payload.headers`; none wanted: all."""
    names = {name.lower() for name in wanted or []}
    return [
        {"name": name, "value": decoded(re.sub(r"\r?\n", "", str(value)))}
        for name, value in head.items()
        if not names or name.lower() in names
    ]


def payload(part: Part) -> dict[str, Any]:
    """The tree in the shape of `messages.get?format=full`."""
    shown: dict[str, Any] = {
        "partId": part.number,
        "mimeType": part.type,
        "filename": part.filename or "",
        "headers": headers(part.head),
        "body": _body(part),
    }
    if part.children:
        shown["parts"] = [payload(child) for child in part.children]
    return shown


def _body(part: Part) -> dict[str, Any]:
    if part.children:
        return {"size": 0}
    data = part.data
    if part.filename is not None:
        return {"attachmentId": f"part-{part.number or 0}", "size": len(data)}
    return {"size": len(data), "data": base64.urlsafe_b64encode(data).decode()}


def attachment(part: Part, identity: str) -> bytes | None:
    """The bytes of an `attachmentId` of `payload`; None when no part has it."""
    for leaf in part.leaves():
        if leaf.filename is not None and identity == f"part-{leaf.number or 0}":
            return leaf.data
    return None


def decoded(value: str) -> str:
    """A header's value with its encoded words decoded; a value over 10,000 characters as it is.

    The library's time grows with the square of their number.
    """
    if "=?" not in value or len(value) > LONGEST_DECODED:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value
