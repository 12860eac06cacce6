"""Pure: makes the HTML document and the text of a mail from a filled template's pieces."""

import html
import re
from collections.abc import Iterable
from textwrap import dedent
from typing import NamedTuple

from outreach.mail.plain_text import TOKEN, read, without_comments
from outreach.mail.templates.budget import TemplateError
from outreach.mail.templates.sandbox import LINE

CLIPPED = 100_000
"""Octets of HTML. Gmail shows the part after 102 KB only on another page, on request."""

_INDENTS = re.compile(r"^[ \t]+", re.MULTILINE)
_TAB = 4
_MOST_OCTETS = 4
"""Octets of a character in UTF-8."""
_EMPTY_LINES = re.compile(r"\n{3,}")
_AS_TYPED = frozenset({"pre", "style", "script", "textarea", "title"})
_SIGNATURE = "-- "
"""The line that mail programs recognise as the begin of a signature; it ends with a space."""
_BEGIN = '<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n'
_END = "</body>\n</html>\n"
_FOOTER = '<div style="margin-top:24px;font-size:12px;color:#6b6b6b">\n{}</div>\n'
_BODY = re.compile(r"""<body\b(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>""", re.IGNORECASE)
_BEFORE_BODY = re.compile(r"</head\s*>|<html\b[^<>]*>", re.IGNORECASE)


class Made(NamedTuple):
    document: str
    text: str
    links: list[str]
    """The target of each link of the document."""
    pictures: list[str]
    """The attributes of each of its pictures."""


def made(pieces: Iterable[str], *, has_markup: bool) -> Made:
    """The document and its text. Raises TemplateError where no readable text is left."""
    body = "".join(pieces)
    if not body.strip(f"{LINE} \t\n"):
        raise TemplateError("leaves this lead's mail empty")
    if not has_markup:
        return Made(*_paragraphs(body), links=[], pictures=[])
    markup = _with_breaks(body) if LINE in body else body
    return Made(_whole(markup), *read(markup))


def linked(mail: Made, address: str) -> Made:
    """A mail of plain text with this address as a link, where the text shows it."""
    written = html.escape(address)
    if written not in mail.document:
        return mail
    shown = f'<a href="{written}">{written}</a>'
    return mail._replace(document=mail.document.replace(written, shown), links=[address])


def refuse_whole(mail: Made) -> None:
    """Raises TemplateError for a template that is a whole HTML document, where a part is needed."""
    if not mail.document.startswith(_BEGIN):
        raise TemplateError("is a whole HTML document, which cannot stand below a mail")


def with_footer(mail: Made, footer: Made) -> Made:
    """The mail with the footer, which is no whole document, at the end of its body."""
    below = footer.document.removeprefix(_BEGIN).removesuffix(_END)
    end = _end_of_body(mail.document)
    document = mail.document[:end] + _FOOTER.format(below) + mail.document[end:]
    return Made(
        document=document,
        text=f"{mail.text}\n\n{footer.text}",
        links=[*mail.links, *footer.links],
        pictures=[*mail.pictures, *footer.pictures],
    )


def weight(text: str) -> int:
    """Octets of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _is_clipped(document: str) -> bool:
    return _MOST_OCTETS * len(document) > CLIPPED and weight(document) > CLIPPED


def with_marks(document: str, pixel_url: str | None, search_token: str | None) -> str:
    """The document with the search token, hidden, and the pixel at the end of its body.

    The pixel goes to the begin where Gmail would cut it off. The token stays at the end: an inbox
    would else show it as the first words of the mail.
    """
    if pixel_url and _is_clipped(document):
        start = _start_of_body(document)
        document = f"{document[:start]}{_pixel(pixel_url)}{document[start:]}"
        pixel_url = None
    marks = ""
    if search_token:
        marks += (
            '<span style="display:none;font-size:0;line-height:0;mso-hide:all" aria-hidden="true">'
            f"{html.escape(search_token)}</span>"
        )
    if pixel_url:
        marks += _pixel(pixel_url)
    end = _end_of_body(document)
    return f"{document[:end]}{marks}{document[end:]}"


def _paragraphs(body: str) -> tuple[str, str]:
    """Escaped plain text -> its HTML document and the text itself."""
    if body[0].isspace():
        body = dedent(body)
    typed = body.replace(LINE, "\n").split("\n")
    lines = "\n".join([line if line == _SIGNATURE else line.rstrip() for line in typed]).strip()
    text = _EMPTY_LINES.sub("\n\n", lines) if "\n\n\n" in lines else lines
    is_indented = "\n " in text or "\n\t" in text
    shown = _INDENTS.sub(_unbreakable, text) if is_indented else text
    markup = shown.replace("\n", "<br>\n").replace("<br>\n<br>\n", '</p>\n<p dir="auto">')
    return f'{_BEGIN}<p dir="auto">{markup}</p>\n{_END}', html.unescape(text)


def _unbreakable(indent: re.Match[str]) -> str:
    return "&nbsp;" * len(indent[0].expandtabs(_TAB))


def _with_breaks(markup: str) -> str:
    """The markup with the line breaks of values in HTML's form: `<br>` in a text, none in a tag."""
    kept: list[str] = []
    as_typed = False
    for token in TOKEN.finditer(markup):
        if token["tag"] and token["tag"].lower() in _AS_TYPED:
            as_typed = not token["end"]
        is_text = token["text"] and not as_typed
        kept.append(token[0].replace(LINE, "<br>" if is_text else "\n"))
    return "".join(kept)


def _whole(markup: str) -> str:
    """The markup as a complete document; unchanged when it is one already."""
    seen = without_comments(markup)
    is_document = re.search(r"<(?:html|body)[\s>]", seen, re.IGNORECASE)
    return markup if is_document else f'{_BEGIN}<div dir="auto">\n{markup}\n</div>\n{_END}'


def _pixel(url: str) -> str:
    return (
        f'<img src="{html.escape(url)}" width="1" height="1" alt="" '
        'style="display:block;width:1px;height:1px;border:0">'
    )


def _start_of_body(document: str) -> int:
    seen = without_comments(document, blank=True)
    if body := _BODY.search(seen):
        return body.end()
    return max((before.end() for before in _BEFORE_BODY.finditer(seen)), default=0)


def _end_of_body(document: str) -> int:
    if document.endswith(_END):
        return len(document) - len(_END)
    seen = without_comments(document, blank=True)
    for end in ("body", "html"):
        if found := list(re.finditer(rf"</{end}\s*>", seen, re.IGNORECASE)):
            return found[-1].start()
    return len(document)
