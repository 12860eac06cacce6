"""Writes header fields: folded, encoded, and never more than one field.

Not email.message: Python 3.11.7 drops the quotes when it folds a long name with commas, which makes
it many recipients, decodes a name that only looks like an encoded word, and takes 1.5 ms a mail.
"""

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

TOKEN = "X-Outreach-Token"  # noqa: S105 - a header's name, not a secret
"""The header by which a mail of ours is known again."""
LINE = 76
"""Characters of a line, where it can be broken (RFC 5322 asks for 78)."""
LONGEST_TEXT = 1_000
"""Characters of a subject or a name; what people write has a tenth of it."""
_CHUNK = 45
"""Octets in one encoded word: 60 characters of base64 and 12 of frame, under RFC 2047's 75."""

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PRINTABLE = re.compile(r"[ -~]*")
_TOKEN = re.compile(r"[!-~]+")
_BREAKING = frozenset({"Cc", "Zl", "Zp", "Cs"})


def breaks_a_header(value: str) -> bool:
    """Whether it holds a line break, another control character or half a character."""
    return not value.isprintable() and any(
        unicodedata.category(character) in _BREAKING for character in value
    )


class Unfit(NamedTuple):
    """Why a header cannot hold a value, and what to do about it: `The subject {problem}`."""

    problem: str
    remedy: str


def unfit(value: str) -> Unfit | None:
    """Of a subject or a name; None where it fits. A line break would begin another header."""
    if breaks_a_header(value):
        return Unfit("holds a line break or a control character", "remove it")
    if len(value) > LONGEST_TEXT:
        return Unfit(f"is longer than {LONGEST_TEXT:,} characters", "shorten it")
    return None


def text(name: str, value: str) -> str:
    """An unstructured field, such as Subject. A reader decodes exactly this value."""
    room = LINE - len(name) - 2
    if not _is_plain(value) or value != value.strip(" "):
        return f"{name}: {_encoded(value, room=room)}"
    # Only without a trailing space: else the search restarts once for each space.
    words = re.findall(r" *[^ ]+", value)
    if max(map(len, words), default=0) > room:
        return f"{name}: {_encoded(value, room=room)}"
    return _folded([f"{name}: {''.join(words[:1])}", *words[1:]])


def mailbox(name: str, display: str | None, address: str) -> str:
    """A field with one address. Letters beyond ASCII before the @ are sent as UTF-8 (RFC 6532)."""
    shown = (display or "").strip()
    if not shown:
        return f"{name}: {address}"
    phrase = _phrase(shown, room=LINE - len(name) - 2)
    last_line = len(phrase) - phrase.rfind("\n") + (0 if "\n" in phrase else len(name) + 2)
    gap = " " if last_line + len(address) + 3 <= LINE else "\r\n "
    return f"{name}: {phrase}{gap}<{address}>"


def tokens(name: str, *values: str, between: str = "") -> str:
    """A field of tokens, such as addresses of the web or ids of messages, divided by `between`.

    A line ends between two of them, never inside one, and none is encoded: readers compare them
    character by character. Raises ValueError for a token with a space or beyond ASCII.
    """
    if not all(value and _TOKEN.fullmatch(value) for value in values):
        raise ValueError(f"{name} holds what is no token")
    written = [f"{value}{between}" for value in values[:-1]] + [*values[-1:]]
    return _folded([f"{name}: {written[0]}", *(f" {value}" for value in written[1:])])


def parameter(name: str, value: str) -> str:
    """A parameter by RFC 2231: in pieces when it is long; quoted when that is enough."""
    if _is_plain(value) and len(value) <= LINE - len(name) - 5:
        return f';\r\n {name}="{_escaped(value)}"'
    coded = f"utf-8''{quote(value, safe='')}"
    pieces = re.findall(r"(?:%[0-9A-F]{2}|[^%]){1,18}", coded)
    if len(pieces) == 1:
        return f";\r\n {name}*={coded}"
    return "".join(f";\r\n {name}*{index}*={piece}" for index, piece in enumerate(pieces))


def old_parameter(name: str, value: str) -> str:
    """The same as an encoded word in quotes: against the standards, but Outlook reads it."""
    if _is_plain(value):
        return parameter(name, value)
    return f';\r\n {name}="{_encoded(value, room=LINE - len(name) - 4)}"'


def _is_plain(value: str) -> bool:
    """Printable ASCII that no reader takes for an encoded word."""
    return _PRINTABLE.fullmatch(value) is not None and "=?" not in value


def _phrase(value: str, *, room: int) -> str:
    written = value if _ATOMS.fullmatch(value) else f'"{_escaped(value)}"'
    return written if _is_plain(value) and len(written) <= room else _encoded(value, room=room)


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)


def _encoded(value: str, *, room: int) -> str:
    """Encoded words, one a line, no character cut in two; `room`: characters of the first line."""
    words = (b64encode(chunk).decode() for chunk in _chunks(value, room))
    return "\r\n ".join(f"=?utf-8?B?{word}?=" for word in words)


def _chunks(value: str, room: int) -> Iterator[bytes]:
    chunk, limit = b"", min(_CHUNK, (room - 12) // 4 * 3)
    for character in value:
        octets = character.encode()
        if chunk and len(chunk) + len(octets) > limit:
            yield chunk
            chunk, limit = b"", _CHUNK
        chunk += octets
    yield chunk


def _folded(words: list[str]) -> str:
    """Broken before spaces. The spaces stay, so unfolding gives the same value."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > LINE and lines[-1]:
            lines.append("")
        lines[-1] += word
    return "\r\n".join(lines)
