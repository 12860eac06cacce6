"""A received mail, parsed once by the standard library and cut to what its reading needs.

The cuts bound the work on any input. The parser checks each line against every open boundary, so
lines and boundaries are bounded before it runs; then parts and characters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from outreach.inbound.charsets import decoded, header_text, transferred
from outreach.mail.plain_text import plain_text

HEAD = 384 * 1024
TAIL = 64 * 1024
"""Bytes that are read of a long mail: its beginning, and its end for the text below a picture."""
HEADERS = 96 * 1024
"""Bytes of the mail's own header."""
LINES = 16_000
NESTED = 40
"""How many parts may have parts of their own: what follows the next one is not read."""
PARTS = 200
TEXT = 48 * 1024
"""Characters of one text."""
HTML = 192 * 1024
"""The same of HTML: Outlook writes long styles above the text."""
RETURNED = 12_000
"""Characters that are read of a returned mail's header, where it stands in a text."""
REPORTS = 20
"""Parts of a delivery status."""

_NESTING = re.compile(rb"multipart/|message/")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)")
_PARAMETER = re.compile(r";\s*([\w-]+)\*?=\s*(?:\"([^\"]*)\"|([^\s;]*))")
_REPEATED = "x-failed-recipients"
"""Exim writes one for every fifty recipients."""
_STATUS = ("message/delivery-status", "message/global-delivery-status")
_RETURNED = ("message/rfc822", "message/global", "message/partial")
_READ = ("text/plain", "text/html", "text/rfc822-headers", "message/", "multipart/")
_RETURNED_HEADERS = ("text/rfc822-headers", "message/global-headers", "message/rfc822-headers")

Headers = dict[str, str]
"""By lower-case name: the first of that name, as it was sent."""


@dataclass(slots=True)
class Text:
    """A part for people to read."""

    content: str
    is_html: bool
    alternatives: int | None = None
    """The `multipart/alternative` that it is of, by number."""
    is_file: bool = False
    """Whether it has a file's name and stands beside another text."""


@dataclass
class Mail:
    """A parsed mail: its header, and its own parts by purpose."""

    headers: Headers
    subject: str
    sender: str
    """`From`, with its name."""
    report_type: str
    texts: list[Text] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    """The text of each part with a delivery status."""
    feedback: str = ""
    """RFC 5965's part, of a complaint."""
    calendar_method: str = ""
    """RFC 6047's method of a calendar's part, in capitals: REQUEST, REPLY, COUNTER, …"""
    returned: list[Headers] = field(default_factory=list)
    """The headers of each mail that this one carries."""

    @cached_property
    def text(self) -> str:
        """The text for people: of the plain parts, else of the HTML."""
        plain = [one.content for one in self.texts if not one.is_html]
        if any(one.strip() for one in plain):
            return "\n\n".join(plain)[:TEXT]
        return "\n\n".join(plain_text(one.content) for one in self.texts if one.is_html)[:TEXT]

    @property
    def bodies(self) -> list[Text]:
        """The texts, without files, and HTML only where no plain text is its alternative."""
        texts = [one for one in self.texts if not one.is_file]
        plain = [one for one in texts if not one.is_html and one.content.strip()]
        have_plain = {one.alternatives for one in plain} - {None}
        return [one for one in texts if not (one.is_html and one.alternatives in have_plain)]


def parse(raw: bytes) -> Mail | None:
    """The mail; None when nothing can be read in it."""
    try:
        message = message_from_bytes(bounded(raw))
        return _mail(message)
    except Exception:  # noqa: BLE001 - the parser's errors on broken mails have no common class
        return None


def bounded(raw: bytes) -> bytes:
    """The mail without what its reading does not need."""
    if len(raw) > HEAD + TAIL:
        raw = raw[:HEAD] + raw[raw.find(b"\n", len(raw) - TAIL) :]
    if len(raw) > HEADERS:
        end = _END_OF_HEADER.search(raw)
        if end and end.start() > HEADERS:
            raw = raw[: max(raw.rfind(b"\n", 0, HEADERS), 0) or HEADERS] + raw[end.start() :]
    lower = raw.lower()
    if lower.count(b"multipart/") + lower.count(b"message/") > NESTED:
        raw = raw[: next(islice(_NESTING.finditer(lower), NESTED, None)).start()]
    return raw if raw.count(b"\n") <= LINES else b"\n".join(raw.split(b"\n", LINES)[:LINES])


def _mail(message: Message) -> Mail:
    headers = _headers(message)
    _, parameters = _type(headers.get("content-type", ""))
    mail = Mail(
        headers,
        subject=header_text(headers.get("subject", "")),
        sender=header_text(headers.get("from", "")),
        report_type=parameters.get("report-type", "").lower(),
    )
    for part, alternatives in _own_parts(message):
        _add(mail, part, headers if part is message else _headers(part), alternatives)
    return mail


def _headers(message: Message) -> Headers:
    found: Headers = {}
    for name, value in message.raw_items():
        key = name.lower()
        if key not in found:
            found[key] = value
        elif key == _REPEATED:
            found[key] += f", {value}"
    return found


def _own_parts(message: Message) -> Iterator[tuple[Message, int | None]]:
    """The leaves, in order, without those of mails inside; of which alternatives each is one."""
    waiting: list[tuple[Message, int | None]] = [(message, None)]
    for number in range(PARTS):
        if not waiting:
            return
        part, alternatives = waiting.pop()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            if alternatives is None and part.get_content_subtype() == "alternative":
                alternatives = number
            waiting += [(one, alternatives) for one in _inside(part)[::-1]]
        else:
            yield part, alternatives


def _inside(part: Message) -> list[Message]:
    """The first parts of a part; none when it has no parts."""
    inside: Any = part.get_payload() if part.is_multipart() else []
    return list(inside[:PARTS])


def _add(mail: Mail, part: Message, headers: Headers, alternatives: int | None) -> None:
    kind, parameters = _type(headers.get("content-type", ""))
    if kind in _STATUS and len(mail.status) < REPORTS:
        mail.status.append(_fields(part, headers, parameters))
    elif kind == "message/feedback-report":
        mail.feedback = mail.feedback or _fields(part, headers, parameters)
    elif kind == "text/calendar":
        mail.calendar_method = mail.calendar_method or parameters.get("method", "").upper()
    elif kind in _RETURNED and part.is_multipart():
        mail.returned += map(_headers, _inside(part)[:1])
    elif kind.startswith(_READ) or not kind:
        limit = HTML if kind == "text/html" else TEXT
        text = Text(_content(part, parameters, limit), kind == "text/html", alternatives)
        is_beside = alternatives is None and any(one.content.strip() for one in mail.texts)
        text.is_file = is_beside and _has_a_name(headers, parameters)
        _add_text(mail, kind, text, headers)


def _add_text(mail: Mail, kind: str, text: Text, headers: Headers) -> None:
    if kind in _RETURNED_HEADERS or kind in _RETURNED:
        mail.returned.append(header_block(text.content))
    elif mail.texts and _is_attached(headers):
        return
    else:
        mail.texts.append(text)


def _is_attached(headers: Headers) -> bool:
    return headers.get("content-disposition", "").lower().startswith("attachment")


def _has_a_name(headers: Headers, parameters: dict[str, str]) -> bool:
    return "name" in parameters or "filename" in headers.get("content-disposition", "").lower()


def header_block(text: str) -> Headers:
    """The headers at the beginning of a text, whatever else its lines hold."""
    found: Headers = {}
    name = ""
    for line in text.lstrip("\r\n")[:RETURNED].splitlines():
        if line[:1] in {" ", "\t"} and name:
            found[name] += f" {line.strip()}"
        elif not line:
            break
        else:
            name, colon, value = line.partition(":")
            name = name.lower() if colon and " " not in name else ""
            if name in found:
                name = ""  # the first of a name counts
            elif name:
                found[name] = value.strip()
    return found


def _fields(part: Message, headers: Headers, parameters: dict[str, str]) -> str:
    """The text of a part that the parser takes for one or several headers."""
    if not part.is_multipart():
        return _content(part, parameters, TEXT)
    text = "\n\n".join(map(_as_text, _inside(part)))
    encoding = headers.get("content-transfer-encoding", "").strip().lower()
    return decoded(transferred(text[: 3 * TEXT], encoding), parameters.get("charset", ""))[:TEXT]


def _as_text(block: Message) -> str:
    lines = [f"{name}: {value}" for name, value in block.raw_items()]
    if not block.is_multipart():
        lines += "", _bytes(block).decode("ascii", "surrogateescape")
    return "\n".join(lines)


def _content(part: Message, parameters: dict[str, str], limit: int) -> str:
    """The text of a part, cut to its beginning."""
    return decoded(_bytes(part)[: 3 * limit], parameters.get("charset", ""))[:limit]


def _bytes(part: Message) -> bytes:
    """Without the transfer encoding, in no charset: those that the parser tries are not safe."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _type(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type and its parameters."""
    return _read_type(value[:_LONGEST_TYPE])


@lru_cache(maxsize=256)
def _read_type(value: str) -> tuple[str, dict[str, str]]:
    found = _TYPE.match(value)
    parameters = {
        name.lower(): (quoted or plain) for name, quoted, plain in _PARAMETER.findall(value)
    }
    return (found[1].lower() if found else ""), parameters


_LONGEST_TYPE = 1_000
