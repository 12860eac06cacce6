"""Writes the mails that come back, byte by byte as mail servers and programs write them."""

import quopri
import secrets
from collections.abc import Iterable
from html import escape

from outreach.mail import headers

EOL = "\r\n"


def clean(text: str) -> str:
    """One line without control characters, which hostile mails have in a subject or a name."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[: headers.LONGEST_TEXT]


def mail(fields: Iterable[str], body: bytes) -> bytes:
    """A mail of header fields (`Name: value`, folded) and its body: see `part`, `multipart`."""
    head = EOL.join((*fields, "MIME-Version: 1.0"))
    return head.encode("utf-8", "replace") + EOL.encode() + body


def part(kind: str, content: str | bytes) -> bytes:
    """A part of this type; text is encoded as quoted-printable, bytes stay as they are."""
    if isinstance(content, bytes):
        return f"Content-Type: {kind}{EOL}{EOL}".encode() + content
    encoded = quopri.encodestring(content.encode("utf-8", "replace"))
    head = f'Content-Type: {kind}; charset="UTF-8"{EOL}Content-Transfer-Encoding: quoted-printable'
    return f"{head}{EOL}{EOL}".encode() + encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def multipart(kind: str, *parts: bytes) -> bytes:
    """A part that holds parts; `kind` as `mixed` or `report; report-type=delivery-status`."""
    boundary = secrets.token_hex(14)
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"{EOL}{EOL}'
    pieces = [f"--{boundary}{EOL}".encode() + piece + EOL.encode() for piece in parts]
    return head.encode() + b"".join(pieces) + f"--{boundary}--{EOL}".encode()


def as_html(text: str) -> str:
    return "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.splitlines())
