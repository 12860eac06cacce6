"""Loads a campaign's PDF: ATTACHMENT_PDF, or the attachment that the campaign names."""

import os
import re
import stat
from email.message import Message
from email.utils import collapse_rfc2231_value
from hashlib import sha256
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from outreach.delivery.downloads import NotDownloaded, download
from outreach.errors import AttachmentMissing
from outreach.mail.mime import LONGEST_NAME, Attachment

ENDING = ".pdf"
LARGEST = 18 * 1024 * 1024
"""Bytes: base64 makes 25 MB of it, Gmail's limit for a message."""


_in_use: "WeakValueDictionary[tuple[str, bytes], Attachment]" = WeakValueDictionary()
"""By name and hash: campaigns of one process that attach the same file share it in memory."""
_lock = Lock()


def load(default: str | None, named: str | None) -> Attachment | None:
    """The PDF to attach: `named` by the campaign (empty: none), else the `default`.

    The campaign's name for it comes from the database and is not trusted with this machine's files
    or its network: it must be an https address of a public host, or the bare name of a file beside
    the default one. The `default` is the operator's setting: it may lead anywhere. Raises
    AttachmentMissing.
    """
    if named is None:
        if default is None:
            raise AttachmentMissing("ATTACHMENT_PDF", "it is not set, and the campaign names none")
        return _load(default, trusted=True)
    if not named.strip():
        return None
    if named.startswith("https://"):
        return _load(named, trusted=False)
    if Path(named).name != named or default is None or default.startswith("https://"):
        raise AttachmentMissing(
            named, "a campaign names an https address or a file in ATTACHMENT_PDF's folder"
        )
    return _load(str(Path(default).parent / named), trusted=False)


def _load(source: str, *, trusted: bool) -> Attachment:
    if source.startswith("https://"):
        name, data = _fetch(source, trusted=trusted)
    else:
        name, data = Path(source).name, _read(source)
    if not data.startswith(b"%PDF-"):
        raise AttachmentMissing(source, "it is not a PDF")
    key = _as_pdf(name), sha256(data).digest()
    with _lock:
        found = _in_use.get(key)
        if found is None:
            found = _in_use[key] = Attachment.from_bytes(key[0], data)
        return found


def _read(source: str) -> bytes:
    """Read a regular file only: a pipe would block the run for ever, a device has no end."""
    try:
        with open(source, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise AttachmentMissing(source, "it is not a file")
            data = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise AttachmentMissing(source, "it is not a file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise AttachmentMissing(source, why) from None
    if len(data) > LARGEST:
        raise AttachmentMissing(source, f"it is larger than {LARGEST // 1024 // 1024} MB")
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Without O_NONBLOCK, opening a pipe blocks until it has a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _fetch(source: str, *, trusted: bool) -> tuple[str, bytes]:
    """The name and the bytes of the file."""
    try:
        data, disposition = download(source, LARGEST, trusted=trusted)
    except NotDownloaded as error:
        raise AttachmentMissing(source, str(error)) from None
    return name_of(disposition, source), data


def name_of(disposition: str, address: str) -> str:
    """The file's name in Content-Disposition, else the last part of the address' path.

    Without folders and characters that a mail cannot show, and limited in length.
    """
    return (
        _clean(_filename(disposition))
        or _clean(unquote(urlsplit(address).path))
        or "attachment.pdf"
    )


def _filename(disposition: str) -> str:
    """By RFC 6266, `filename*` before `filename`; empty when there is none."""
    field = Message()
    try:
        # HTTP headers are read as Latin-1, but many servers write UTF-8.
        field["Content-Disposition"] = disposition.encode("latin-1").decode()
    except UnicodeError:
        field["Content-Disposition"] = disposition
    try:
        params = field.get_params([], header="content-disposition")
        names = [value for name, value in params or [] if name.lower() == "filename"]
        # `filename*` is one in three parts: charset, language, name.
        names.sort(key=lambda value: isinstance(value, str))
        return collapse_rfc2231_value(names[0]) if names else ""
    except (ValueError, LookupError, TypeError):
        return ""


def _clean(name: str) -> str:
    last = re.split(r"[/\\]", name.rstrip("/"))[-1]
    shown = "".join(character for character in last if character.isprintable()).strip(" .")
    if len(shown) > LONGEST_NAME - len(ENDING):
        shown = shown[: -len(ENDING)] if _is_pdf(shown) else shown
        shown = shown[: LONGEST_NAME - len(ENDING)] + ENDING
    return shown


def _is_pdf(name: str) -> bool:
    return name.lower().endswith(ENDING)


def _as_pdf(name: str) -> str:
    """Add the ending: mail programs choose the reader by it, and the part's type follows it."""
    return name if _is_pdf(name) else f"{name}{ENDING}"
