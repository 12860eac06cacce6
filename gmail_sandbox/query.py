"""Gmail's search language: the part of `q` that a sender needs. All terms must match."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from gmail_sandbox.mail import DRAFT, SPAM, TRASH, Message
from outreach.mail import parts

TERM = re.compile(r'(-?)(?:([A-Za-z0-9_]+):)?("[^"]*"|\S+)')
ANYWHERE = "ANYWHERE"
Test = Callable[[Message], bool]


def compiled(q: str) -> Test:
    tests = [_term(*match.groups()) for match in TERM.finditer(q)]
    return lambda message: all(test(message) for test in tests)


def names_junk(q: str) -> bool:
    """Whether it asks for mails in spam or trash, which no other search finds."""
    places = {value.upper() for _, operator, value in TERM.findall(q) if operator.lower() == "in"}
    return not places.isdisjoint({SPAM, TRASH, ANYWHERE})


def _term(minus: str, operator: str | None, value: str) -> Test:
    value = value.strip('"')
    if operator is None or operator.lower() not in OPERATORS:
        test = _word(f"{operator}:{value}" if operator else value)
    else:
        test = OPERATORS[operator.lower()](value)
    return (lambda message: not test(message)) if minus else test


def has_words(text: str, wanted: str) -> bool:
    """Whether the text has these words, whole and in this order."""
    words = r"\W+".join(map(re.escape, re.findall(r"\w+", wanted.lower())))
    return bool(words) and re.search(rf"(?<!\w){words}(?!\w)", text) is not None


def _word(value: str) -> Test:
    return lambda message: has_words(message.words, value)


def _in(value: str) -> Test:
    label = {"DRAFTS": DRAFT}.get(value.upper(), value.upper())
    if label == ANYWHERE:
        return lambda _: True
    return lambda message: label in message.labels


def _to(value: str) -> Test:
    wanted = value.lower()
    return lambda message: any(wanted == to or has_words(to, wanted) for to in message.recipients)


def _from(value: str) -> Test:
    def test(message: Message) -> bool:
        found = parts.headers(parts.tree(message.read()).head, ["From"])
        return any(has_words(header["value"].lower(), value) for header in found)

    return test


def _subject(value: str) -> Test:
    return lambda message: has_words(message.subject.lower(), value)


def _message_id(value: str) -> Test:
    return lambda message: message.message_id.strip("<>") == value.strip("<>")


def _moment(value: str) -> float:
    """Unix time in seconds, from seconds or from 2026/01/31; an unreadable value is the past."""
    if value.isdigit():
        return float(value)
    try:
        return (
            datetime.strptime(value.replace("-", "/"), "%Y/%m/%d").replace(tzinfo=UTC).timestamp()
        )
    except ValueError:
        return 0.0


def _after(value: str) -> Test:
    return lambda message: message.at >= _moment(value)


def _before(value: str) -> Test:
    return lambda message: message.at < _moment(value)


OPERATORS: dict[str, Callable[[str], Test]] = {
    "in": _in,
    "is": _in,
    "to": _to,
    "from": _from,
    "subject": _subject,
    "rfc822msgid": _message_id,
    "after": _after,
    "before": _before,
}
