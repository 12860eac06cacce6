"""Reads a request's message: from JSON `raw`, from bytes, or from both in multipart/related."""

import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from gmail_sandbox.refusal import Refusal, invalid, too_large

JSON_LIMIT = int(6.5 * 1024 * 1024)
UPLOAD_LIMIT = 36_700_160
BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Incoming:
    raw: bytes | None = None
    thread_id: str | None = None
    draft_id: str | None = None


async def read(request: Request) -> Incoming:
    """Raises Refusal for a body that Gmail would not accept."""
    if request.method != "POST":
        return Incoming()
    body = await request.body()
    if not request.url.path.startswith("/upload/"):
        return _plain(body)
    if len(body) > UPLOAD_LIMIT:
        raise too_large(UPLOAD_LIMIT)
    kind = request.query_params.get("uploadType")
    content_type = request.headers.get("content-type", "")
    if kind == "media":
        _check_type(content_type.encode("latin-1"))
        return Incoming(raw=body)
    if kind == "multipart":
        return _related(body, content_type)
    raise Refusal(400, "badRequest", f"Upload type {kind!r} is not known to the sandbox.")


def _plain(body: bytes) -> Incoming:
    if len(body) > JSON_LIMIT:
        raise too_large(JSON_LIMIT)
    document = _document(body)
    return _incoming(document, None)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise Refusal(400, "parseError", "Parse Error") from None
    if not isinstance(document, dict):
        raise Refusal(400, "parseError", "Parse Error")
    return document


def _incoming(document: dict[str, Any], media: bytes | None) -> Incoming:
    """From a Message (`raw`, `threadId`) or a Draft (`id`, `message`)."""
    message = document.get("message") or document
    raw = message.get("raw") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(raw, str | None):
        raise invalid("Invalid value at 'message'")
    return Incoming(
        raw=media if media is not None or raw is None else decode(raw),
        thread_id=_text(message.get("threadId")),
        draft_id=_text(document.get("id")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def decode(raw: str) -> bytes:
    """Base64, of either alphabet, with or without padding."""
    text = raw.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise invalid(
            "Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed"
        ) from None


def _check_type(content_type: bytes) -> None:
    if b"message/rfc822" not in content_type.lower():
        raise Refusal(400, "badContent", "Media type is not supported: message/rfc822 is needed.")


def _related(body: bytes, content_type: str) -> Incoming:
    boundary = re.search(r'boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    pieces = (b"\n" + body).split(b"\n--" + boundary[1].encode()) if boundary else []
    sections = [_section(piece) for piece in pieces[1:-1]]
    if len(sections) != 2:  # noqa: PLR2004 - the metadata and the message
        raise Refusal(400, "badContent", "A multipart upload has two parts: JSON and the message.")
    (_, document), (kind, media) = sections
    _check_type(kind)
    return _incoming(_document(document), media)


def _section(piece: bytes) -> tuple[bytes, bytes]:
    """Head and body of a part; the line break before the next delimiter belongs to neither."""
    head, _, content = _divided(piece)
    return head, content.removesuffix(b"\r")


def _divided(piece: bytes) -> tuple[bytes, bytes, bytes]:
    blank = BLANK_LINE.search(piece)
    if blank is None:
        return piece, b"", b""
    return piece[: blank.start()], blank[0], piece[blank.end() :]
