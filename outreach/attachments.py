"""Where a campaign's PDF comes from: ATTACHMENT_PDF, or what the campaign itself names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from outreach.errors import AttachmentMissing
from outreach.mime import Attachment

LARGEST = 18 * 1024 * 1024
"""Bytes: base64 makes 25 MB of it, Gmail's limit for a message."""


def load(default: str | None, named: str | None) -> Attachment | None:
    """The PDF to attach: `named` by the campaign (empty: none), else the `default`.

    What a campaign names comes from the database and is not trusted with this machine's files: it
    is an https address, or the bare name of a file beside the default one.
    Raises AttachmentMissing.
    """
    if named is None:
        if default is None:
            raise AttachmentMissing("ATTACHMENT_PDF", "it is not set, and the campaign names none")
        return _load(default)
    if not named.strip():
        return None
    if named.startswith("https://"):
        return _load(named)
    if Path(named).name != named or default is None or default.startswith("https://"):
        raise AttachmentMissing(
            named, "a campaign names an https address or a file in ATTACHMENT_PDF's folder"
        )
    return _load(str(Path(default).parent / named))


def _load(source: str) -> Attachment:
    if source.startswith("https://"):
        name, data = unquote(Path(urlsplit(source).path).name), _fetch(source)
    else:
        name, data = Path(source).name, _read(source)
    if not data.startswith(b"%PDF-"):
        raise AttachmentMissing(source, "it is not a PDF")
    return Attachment.from_bytes(name or "attachment.pdf", data)


def _read(source: str) -> bytes:
    try:
        with Path(source).open("rb") as file:
            return _bounded(source, file.read(LARGEST + 1))
    except OSError as error:
        raise AttachmentMissing(source, error.strerror or type(error).__name__) from None


def _fetch(source: str) -> bytes:
    try:
        with requests.get(source, timeout=30, stream=True) as answer:
            answer.raise_for_status()
            data = b""
            for part in answer.iter_content(64 * 1024):
                data += part
                if len(data) > LARGEST:
                    break
            return _bounded(source, data)
    except requests.RequestException as error:
        raise AttachmentMissing(source, type(error).__name__) from None


def _bounded(source: str, data: bytes) -> bytes:
    if len(data) > LARGEST:
        raise AttachmentMissing(source, f"it is larger than {LARGEST // 1024 // 1024} MB")
    return data
