"""Which mail of ours a received mail is about: its Message-ID."""

import re
from collections.abc import Iterator

from outreach.inbound.message import Mail
from outreach.inbound.notice import Notice

_ID = re.compile(r"<\s*([^<>\s]{3,500})\s*>")
_BARE = re.compile(r"\s*([^<>\s]{3,500}@[^<>\s]{1,253})\s*\Z")
_IN_TEXT = re.compile(
    r"^[ \t]*+(?:original[ -])?message-?id: *<([^<>\s]{3,500})>", re.IGNORECASE | re.MULTILINE
)


def original(mail: Mail, said: Notice | None = None) -> str | None:
    """The Message-ID without its angle brackets; None when the mail names none."""
    return next(filter(None, _named(mail, said)), None)


def _named(mail: Mail, said: Notice | None) -> Iterator[str | None]:
    for headers in mail.returned:
        yield _id(headers.get("message-id", ""))
    if said:
        yield _id(said.returned.get("message-id", ""))
        within = _IN_TEXT.search(said.text)
        yield within[1] if within else None
    for text in mail.status:  # a returned mail behind a boundary that is broken
        within = _IN_TEXT.search(text)
        yield within[1] if within else None
    yield _id(mail.headers.get("x-original-message-id", ""))
    yield _id(mail.headers.get("in-reply-to", ""))
    yield _last(mail.headers.get("references", ""))


def _id(value: str) -> str | None:
    found = _ID.search(value) or _BARE.match(value)
    return found[1] if found else None


def _last(references: str) -> str | None:
    found = _ID.findall(references[-2_000:])
    return found[-1] if found else None
