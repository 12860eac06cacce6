"""Pure: checks a finished mail, for any template and values.

Most mails of a company differ in their values alone. So a mail is checked with its values taken
out, once for all mails that are equal then; and with its values only where a value may matter.
"""

import html
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from outreach.mail import leftovers
from outreach.mail.document import CLIPPED, Made, made, weight
from outreach.mail.plain_text import source
from outreach.mail.templates.compiler import MARKUP
from outreach.preflight.alike import REMEMBERED, SAYS_SOMETHING, VALUE, stand_in
from outreach.preflight.findings import Problem

_TWO_BEFORE = re.compile(r"<<\s?[^\W\d][^<>\n]{0,79}>>")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_HTTP = re.compile(r"https?:", re.IGNORECASE)
_AFTER_HOST = re.compile(r"[/?#]")
_ELEMENT = re.compile(rf"</?{VALUE}")
_UNSEEN_SCHEMES = {
    "data:": "is part of the mail itself (data:), which Gmail does not show",
    "cid:": "is to be an attachment (cid:), which the mail does not have",
    "file:": "is a file of somebody's computer, which no recipient has",
}
_KB = 1000
_UNLESS = "correct it, unless it is meant so"


def of_pieces(pieces: Sequence[str], *, has_markup: bool) -> Iterator[Problem]:
    """Problems of a filled template's pieces. Raises TemplateError when no text is left."""
    body = "".join(pieces)
    values = "".join([piece for piece in pieces if type(piece) is not str])
    found = None
    if len(body) < REMEMBERED and not body.isspace() and not SAYS_SOMETHING.search(values):
        bare = tuple([piece if type(piece) is str else _bare(piece) for piece in pieces])
        found = without_values(bare, has_markup)
    yield from _all(made(pieces, has_markup=has_markup), pieces) if found is None else found
    if (octets := weight(body)) > CLIPPED:
        message = f"The mail has {octets / _KB:,.0f} kB of text: Gmail shows its first 102 kB"
        yield Problem(
            "warning", "mail", message, "make it shorter, and show pictures by their address"
        )


def _bare(value: str) -> str:
    return html.escape(stand_in(html.unescape(value)))


def of_subject(subject: str) -> Iterator[Problem]:
    """Problems of a finished subject."""
    for tag in dict.fromkeys(leftovers.tags(subject)):
        message = f"The email subject has {tag}, which looks like a tag that nobody filled"
        yield Problem("warning", "placeholders", message, _UNLESS)


@lru_cache(maxsize=256)
def without_values(pieces: tuple[str, ...], has_markup: bool) -> tuple[Problem, ...] | None:
    """Problems of pieces with VALUE for each value; None when a tag or an address begins with one.

    For the mails of leads alike.
    """
    mail = made(pieces, has_markup=has_markup)
    problems = tuple(_all(mail, pieces))
    begins = [address.partition(":")[0] for address in (*mail.links, *map(source, mail.pictures))]
    is_named = any(VALUE in text for text in (*begins, *(one.message for one in problems)))
    return None if is_named or _ELEMENT.search("".join(pieces)) else problems


def _all(mail: Made, pieces: Sequence[str]) -> Iterator[Problem]:
    if left := leftovers.braces((mail.text, *mail.links)):
        message = f"The template leaves “{left}” in this lead's mail"
        yield Problem("error", "placeholders", message, "correct the template, or the value")
    for tag in dict.fromkeys(_tags(mail, pieces)):
        message = f"The mail has {tag}, which looks like a tag that nobody filled"
        yield Problem("warning", "placeholders", message, _UNLESS)
    yield from _of_writing(mail, pieces)
    yield from dict.fromkeys(_of_links(mail))
    yield from dict.fromkeys(_of_pictures(mail))


def _tags(mail: Made, pieces: Sequence[str]) -> Iterator[str]:
    yield from leftovers.tags(mail.text)
    for link in mail.links:
        yield from leftovers.tags_of_link(link)
    # The text alternative keeps only the brackets of `<<name>>`: `<name>` is read as an element.
    for found in _TWO_BEFORE.finditer("".join(pieces)):
        yield found[0]


def _of_writing(mail: Made, pieces: Sequence[str]) -> Iterator[Problem]:
    if shown := leftovers.markdown(mail.text):
        message = f"The mail has {shown}: Markdown is sent as it stands"
        yield Problem("warning", "template", message, "write HTML, or plain text")
    if shown := leftovers.typed_break(mail.text):
        message = f"The mail shows {shown} as a text, where a line was to end"
        yield Problem("warning", "template", message, "write line breaks")
    own = "".join(piece for piece in pieces if type(piece) is str)
    if "&lt;" in own and not MARKUP.search(own) and (tag := MARKUP.search(html.unescape(own))):
        message = f"The mail shows {tag[0][: leftovers.SHOWN]} as a text: its HTML is escaped"
        yield Problem("warning", "template", message, "write < and > instead of &lt; and &gt;")


def _of_links(mail: Made) -> Iterator[Problem]:
    for link in mail.links:
        remedy = "begin it with https://"
        if link.lower().startswith("file:"):
            message = "A link leads to a file of somebody's computer"
        elif not link.startswith(("#", "{{")) and not _SCHEME.match(link):
            message = f"A link leads to {link[: leftovers.SHOWN]}, which is no web address"
        elif _HTTP.match(link) and not _has_host(link):
            message = f"A link leads to {link[: leftovers.SHOWN]}, which is no whole web address"
            remedy = "correct it, or the value in it"
        else:
            continue
        yield Problem("warning", "links", message, remedy)


def _has_host(link: str) -> bool:
    """Whether it names one: `https://https://acme.com` and `https://` do not."""
    authority = _AFTER_HOST.split(link.partition("//")[2], maxsplit=1)[0]
    host = authority.rpartition("@")[2]
    name = host.partition(":")[0]
    return " " not in authority and ("." in name or name == "localhost" or host.startswith("["))


def _of_pictures(mail: Made) -> Iterator[Problem]:
    for address in map(source, mail.pictures):
        scheme = _SCHEME.match(address)
        if scheme is None:
            why = "has no web address, so nobody sees it"
        elif (why := _UNSEEN_SCHEMES.get(scheme[0].lower(), "")) == "":
            continue
        yield Problem("warning", "pictures", f"A picture {why}", "name its https:// address")
