"""Writes the mails as files: an .eml and an .html each, and a page that shows them.

A file is named after its mail's number alone: names of leads and companies never become a path.
"""

import re
from pathlib import Path

from outreach.errors import Rejected
from outreach.local import private
from outreach.web import show
from outreach.web.show import Shown

MARKER = ".outreach-preview"
_OURS = re.compile(rf"\d{{4,}}\.(?:eml|html)|index\.html|style\.css|{re.escape(MARKER)}")
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
)


def write(shown: Shown, folder: Path) -> int:
    """Write the mails over an earlier preview; returns their number. Raises Rejected where the
    folder has other files.
    """
    _clear(folder)
    private.write(folder / MARKER, b"")
    written = sum(_write_mail(shown, number, folder) for number in _numbers(shown))
    _write(folder / "style.css", show.stylesheet())
    _write(folder / "index.html", show.page("index.html", shown=shown))
    return written


def _numbers(shown: Shown) -> range:
    return range(1, len(shown.previews) + 1)


def _write_mail(shown: Shown, number: int, folder: Path) -> bool:
    made = shown.made(number)
    if made is None:
        return False
    private.write(folder / f"{number:04}.eml", bytes(made.mail))
    _write(folder / f"{number:04}.html", _inert(made.rendered.html))
    return True


def _inert(html: str) -> str:
    """The HTML with a policy, so that it runs and fetches nothing when opened by itself."""
    doctype = _DOCTYPE.match(html)
    rest = html[doctype.end() :] if doctype else html
    return f"<!DOCTYPE html>{POLICY}{rest}"


def _clear(folder: Path) -> None:
    try:
        folder.mkdir(mode=private.FOLDER, parents=True, exist_ok=True)
        found = list(folder.iterdir())
        foreign = [one for one in found if not _OURS.fullmatch(one.name) or not one.is_file()]
        if foreign or (found and not (folder / MARKER).exists()):
            raise Rejected(f"{folder} holds other files", "name a folder that is new or empty")
        for one in found:
            one.unlink()
    except OSError as error:
        raise Rejected(f"{folder} cannot be written ({error.strerror})", "name another") from None


def _write(path: Path, text: str) -> None:
    private.write(path, text.encode("utf-8", "replace"))
