"""Whatever reads text of others takes a time that grows with its length, not with its square."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import thread_time
from uuid import uuid4

import pytest

from outreach.campaign.models import Lead, Sender
from outreach.excerpts import cut, one_line
from outreach.gmail import errors
from outreach.mail import headers
from outreach.mail.addresses import is_valid, mask, masked, normalise
from outreach.mail.mime import build
from outreach.mail.parts import without_markup
from outreach.mail.plain_text import plain_text
from outreach.mail.render import Rendered
from outreach.mail.role_addresses import role_of
from outreach.mail.templates.budget import TemplateError
from outreach.mail.templates.compiler import compiled

PIECES = [
    "a", " ", "a ", "<", "<a ", "<a href='", "<style>", "<style", "<!--", "</body ", "{{ a ", "{", "{a",
    "&", "@", "a@", "@a", "a@b.", ".", "\n", "\r\n", "- ", "href=", "href= ", "alt=' ", '"', "'", ",a",
    "\x01", "\x02", "(", "no", "<script ", "<head x", "</style ", "é", "\u0315\u0300", "=", "%", "<p>", "<li>",
]  # fmt: skip
LENGTH = 100_000
SECONDS = 30
"""What has the square of the length in it takes minutes."""

SENDER = Sender(id=uuid4(), email="ada@example.com")


def _address(text: str) -> None:
    is_valid(normalise(text))
    is_valid(normalise(f"{text}@acme.com"))
    is_valid(normalise(f"a@{text}"))
    mask(text)
    role_of(f"{text}@acme.com")


def _header(text: str) -> None:
    headers.breaks_a_header(text)
    headers.text("Subject", text)
    headers.mailbox("To", text, "jo@acme.com")
    headers.parameter("filename", text)


def _body(text: str) -> None:
    build(
        Rendered(subject="x", html=text, text=text),
        sender=SENDER,
        to=Lead(email="jo@acme.com"),
        attachment=None,
        search_token="x",
        date=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _template(text: str) -> None:
    with suppress(TemplateError):
        compiled(text)


def _google(text: str) -> None:
    errors.of_api(400, json.dumps({"error": {"message": text}}).encode(), "create")


@pytest.mark.parametrize(
    "read",
    [_address, _header, _body, _template, _google, masked, plain_text, without_markup, one_line],
)
def test_the_time_grows_with_the_length(read: Callable[[str], object]) -> None:
    """Whatever the text is made of."""
    began = thread_time()
    for piece in PIECES:
        read(piece * (LENGTH // len(piece)))
        read("a" + piece * (LENGTH // len(piece)) + "a")
        assert thread_time() - began < SECONDS, piece


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask anna.b@acme.com or (jo@x.de), please", "ask a…@acme.com or (j…@x.de), please"),
        ("<anna@acme.com>:o@o@o@o", "<a…@acme.com>o…@o@o…@o"),
        ("no address @ all", "no address @ all"),
    ],
)
def test_each_address_in_a_text_is_masked(text: str, shown: str) -> None:
    """A company, a setting or an answer of Google's may hold some."""
    assert masked(text) == shown


def test_an_excerpt_is_short_and_on_one_line() -> None:
    """For a message, a log, a table."""
    assert (cut("abcdef", 4), cut("abcd", 4), one_line(" a\n\tb ", 9), one_line(None)) == (
        "abc…",
        "abcd",
        "a b",
        "",
    )
