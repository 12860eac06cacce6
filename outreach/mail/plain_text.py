"""Makes a mail's text alternative from HTML: paragraphs, list items, links as "text (address)".

Not html.parser: it needs 70 s for 90 KB of `<a <a <a …`, and templates are untrusted input. Every
pattern here stops at the next `<`, so the time is linear.
"""

import html
import re
from typing import NamedTuple

from outreach.mail.entities import in_attribute
from outreach.mail.unsubscribe import SUBJECT

TOKEN = re.compile(
    r"""<(?P<end>/?)(?P<tag>[a-zA-Z][\w:-]*)
            (?P<attributes>(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|[^<>]*+)>
      | <[!?][^<>]*>
      | (?P<text>[^<]+|<)""",
    re.VERBOSE,
)
_BLANKS = re.compile(r"[^\S ]+")
"""White space except the space; runs of spaces are joined at the end."""
_ATTRIBUTE = r"""(?:^|\s){}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"""
_HREF = re.compile(_ATTRIBUTE.format("href"), re.IGNORECASE)
_ALT = re.compile(_ATTRIBUTE.format("alt"), re.IGNORECASE)
_SRC = re.compile(_ATTRIBUTE.format("src"), re.IGNORECASE)
_START = re.compile(_ATTRIBUTE.format("start"), re.IGNORECASE)

_UNSEEN = frozenset({"head", "style", "script", "title", "template"})
_LISTS = frozenset({"ul", "ol"})
_DEEPEST = 8
"""Levels of indent. Deeper lists get no more, or the text would grow quadratically."""

# Ends of a line and of a paragraph; their neighbours decide how many line breaks they make.
_LINE, _PARAGRAPH, _BREAK = "\x01", "\x02", "\n"
# A space that has to stay; the end of a bullet, whose text follows on the same line.
_SPACE, _BULLET = "\x03", "\x04"
_STANDS_FOR = {
    "br": _BREAK,
    **dict.fromkeys(("div", "tr", "table", "section", "header", "footer", "center"), _LINE),
    **dict.fromkeys(("dt", "dd"), _LINE),
    **dict.fromkeys(("p", "h1", "h2", "h3", "h4", "h5", "h6"), _PARAGRAPH),
    **dict.fromkeys(("blockquote", "pre", "hr", "dl"), _PARAGRAPH),
    **dict.fromkeys(("td", "th"), " "),
}
"""The mark that replaces a tag, for both the begin and the end of an element."""
_TOUCHES = [
    (pair, mark) for mark in (_LINE, _PARAGRAPH, _BREAK) for pair in (f" {mark}", f"{mark} ")
]
"""Spaces at the end or begin of a line, and their replacement."""
_BESIDE_BULLET = re.compile(r"\x04[\x01\x02 ]*")
_ENDS = re.compile(r"\n?[\x01\x02]+")
_SEVERAL_SPACES = re.compile(r" {2,}")
_EMPTY_LINES = re.compile(r"\n{3,}")


class Read(NamedTuple):
    text: str
    links: list[str]
    """The target of each `<a>`, decoded."""
    pictures: list[str]
    """The attributes of each `<img>`."""


def plain_text(markup: str) -> str:
    """The document's visible text, without its head, styles, scripts and comments."""
    return read(markup).text


def read(markup: str) -> Read:
    writer = _Writer()
    for token in TOKEN.finditer(without_comments(markup)):
        end, tag, attributes, text = token.groups()
        if text:
            writer.text(text)
        elif tag:
            writer.tag(tag.lower(), attributes, ends=bool(end))
    return Read(_laid_out("".join(writer.out)), writer.links, writer.pictures)


def without_comments(markup: str, *, blank: bool = False) -> str:
    """The document without its comments; `blank` puts spaces there, so that all positions stay."""
    kept: list[str] = []
    position = 0
    while (start := markup.find("<!--", position)) >= 0:
        end = markup.find("-->", start + 4)
        if end < 0:
            break
        kept += markup[position:start], " " * (end + 3 - start) if blank else ""
        position = end + 3
    return "".join([*kept, markup[position:]])


class _Writer:
    def __init__(self) -> None:
        self.out: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.unseen: str | None = None
        self.link: tuple[str, int] | None = None
        self.lists: list[int | None] = []
        """For each open list, the outermost first: its next number, or None for bullets."""
        self.as_typed = False

    def text(self, text: str) -> None:
        if self.unseen:
            return
        if self.as_typed:
            self.out.append(html.unescape(text).replace(" ", _SPACE))
        else:
            self.out.append(_BLANKS.sub(" ", html.unescape(text)))

    def tag(self, tag: str, attributes: str, *, ends: bool) -> None:
        if self.unseen:
            # A head that is never closed ends where the body begins.
            if (ends and tag == self.unseen) or (tag == "body" and self.unseen == "head"):
                self.unseen = None
        elif tag in _UNSEEN:
            self.unseen = None if ends or attributes.endswith("/") else tag
        elif tag == "a":
            self._link(None if ends else _value(_HREF, attributes))
        elif tag in _LISTS:
            self._list(tag, attributes, ends=ends)
        elif tag == "li":
            self.out.append(_LINE if ends else self._bullet())
        elif tag == "img":
            self.pictures.append(attributes)
            self.out.append(_value(_ALT, attributes))
        elif tag == "p" and self.lists:
            # Paragraphs in a list item become lines, so that the list stays one.
            self.out.append(_LINE)
        elif tag in _STANDS_FOR:
            if tag == "pre":
                self.as_typed = not ends
            self.out.append(_STANDS_FOR[tag])

    def _list(self, tag: str, attributes: str, *, ends: bool) -> None:
        if ends:
            del self.lists[-1:]
        self.out.append(_LINE if self.lists else _PARAGRAPH)
        if not ends:
            start = _value(_START, attributes)[:6]
            first = int(start) if start.isascii() and start.isdigit() else 1
            self.lists.append(first if tag == "ol" else None)

    def _bullet(self) -> str:
        number = self.lists[-1] if self.lists else None
        if number is not None:
            self.lists[-1] = number + 1
        indent = _SPACE * 2 * (min(len(self.lists), _DEEPEST) - 1)
        return f"{_LINE}{indent}{'-' if number is None else f'{number}.'} {_BULLET}"

    def _link(self, address: str | None) -> None:
        """Close the open link, if any; open one to this address."""
        if address:
            self.links.append(address)
        if self.link:
            target, start = self.link
            shown = " ".join("".join(self.out[start:]).split())
            if target.split("://")[-1].rstrip("/") != shown.split("://")[-1].rstrip("/"):
                self.out.append(f" ({target})" if shown else target)
        self.link = (_target(address), len(self.out)) if address and _target(address) else None


def _value(attribute: re.Pattern[str], attributes: str) -> str:
    found = attribute.search(attributes)
    return in_attribute(next(filter(None, found.groups()), "")).strip() if found else ""


def source(attributes: str) -> str:
    """The address of the picture with these attributes."""
    return _value(_SRC, attributes)


def _target(address: str) -> str:
    """The address as a reader would use it; empty when it leads nowhere outside the mail."""
    if address.lower().startswith("mailto:"):
        unsubscribes = f"?subject={SUBJECT}" in address  # without its token it does nothing
        return address if unsubscribes else address[len("mailto:") :].partition("?")[0]
    return address if address.lower().startswith(("http://", "https://", "tel:")) else ""


def _laid_out(text: str) -> str:
    """Each step first checks that it has work: most mails have only paragraphs."""
    if "  " in text:
        text = _SEVERAL_SPACES.sub(" ", text)
    if _BULLET in text:
        text = _BESIDE_BULLET.sub("", text)  # <li><p>: the bullet and its text meet
    for pair, mark in _TOUCHES:
        text = text.replace(pair, mark)
    text = _ENDS.sub(_line_breaks, text)
    if "\n\n\n" in text:
        text = _EMPTY_LINES.sub("\n\n", text)
    text = text.strip().replace(_SPACE, " ")
    # Mail programs recognise a signature by this line with a space at its end.
    return text.replace("\n--\n", "\n-- \n")


def _line_breaks(marks: re.Match[str]) -> str:
    return "\n\n" if _PARAGRAPH in marks[0] else "\n"
