"""Which mail of ours a received mail is about: by our own header, and by Message-IDs."""

import re
from collections.abc import Iterator

from outreach.inbound.message import Headers, Mail
from outreach.inbound.notice import Notice
from outreach.mail.headers import TOKEN

_ID = re.compile(r"<\s*([^<>\s]{3,500})\s*>")
_BARE = re.compile(r"\s*([^<>\s]{3,500}@[^<>\s]{1,253})\s*\Z")
_IN_TEXT = re.compile(
    r"^[ \t]*+(?:original[ -])?message-?id: *<([^<>\s]{3,500})>", re.IGNORECASE | re.MULTILINE
)
_TOKEN = re.compile(r"[\w-]{8,100}")
_REFERENCES = 4_000
"""Characters at the end of References; the nearest mails stand there."""
_MOST = 50


def message_ids(mail: Mail, said: Notice | None = None) -> tuple[str, ...]:
    """The Message-IDs that it names, without angle brackets, the surest first.

    Of the mail that it returns, then X-Original-Message-ID, In-Reply-To and References. `said` is
    its text, where that may hold a returned mail.
    """
    named = (one for one in _named(mail, said) if one)
    return tuple(dict.fromkeys(one for one, _ in zip(named, range(_MOST), strict=False)))


def answered_ids(headers: Headers) -> Iterator[str]:
    """The Message-IDs of the mails that it answers, without angle brackets, the nearest first."""
    answered = headers.get("in-reply-to", "")[:_REFERENCES]
    bare = _BARE.match(answered)
    yield from _ID.findall(answered) or ([bare[1]] if bare else [])
    yield from reversed(_ID.findall(headers.get("references", "")[-_REFERENCES:]))


def token(mail: Mail, said: Notice | None = None) -> str | None:
    """The value of our own header in the mail that it returns; None when there is none."""
    for headers in _returned(mail, said):
        found = _TOKEN.fullmatch(headers.get(TOKEN.lower(), "").strip())
        if found:
            return found[0]
    return None


def _returned(mail: Mail, said: Notice | None) -> list[Headers]:
    return [*mail.returned, said.returned] if said else mail.returned


def _named(mail: Mail, said: Notice | None) -> Iterator[str | None]:
    returned = [_id(headers.get("message-id", "")) for headers in _returned(mail, said)]
    yield from returned
    if not any(returned):  # its header may stand in the notice, or behind a broken boundary
        for text in (said.text if said else "", *mail.status):
            within = _IN_TEXT.search(text)
            yield within[1] if within else None
    yield _id(mail.headers.get("x-original-message-id", ""))
    yield from answered_ids(mail.headers)


def _id(value: str) -> str | None:
    found = _ID.search(value) or _BARE.match(value)
    return found[1] if found else None
