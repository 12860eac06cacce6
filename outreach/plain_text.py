"""HTML -> the text alternative of a mail: paragraphs, list items, links as "text (address)".

Not html.parser: that needs 70 s for 90 KB of `<a <a <a …`, and a template is somebody's input.
Every pattern here stops at the next `<`, so the time grows with the length alone.
"""

import html
import re

_TOKEN = re.compile(
    r"""<(?P<end>/?)(?P<tag>[a-zA-Z][\w:-]*)
            (?P<attributes>(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|[^<>]*+)>
      | <[!?][^<>]*>
      | (?P<text>[^<]+|<)""",
    re.VERBOSE,
)
_ATTRIBUTE = r"""(?:^|\s){}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"""
_HREF = re.compile(_ATTRIBUTE.format("href"), re.IGNORECASE)
_ALT = re.compile(_ATTRIBUTE.format("alt"), re.IGNORECASE)

_UNSEEN = frozenset({"head", "style", "script", "title", "template"})
_LINES = frozenset(
    {"div", "tr", "table", "li", "section", "header", "footer", "center", "dt", "dd"}
)
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "pre", "hr", "dl"}
)
_CELLS = frozenset({"td", "th"})

# Where a line or a paragraph has to end; how many line breaks that takes depends on neighbours.
_LINE, _PARAGRAPH, _BREAK = "\x01", "\x02", "\n"


def plain_text(markup: str) -> str:
    """What a reader sees of the document, without its head, styles, scripts and comments."""
    writer = _Writer()
    for token in _TOKEN.finditer(without_comments(markup)):
        if token["tag"]:
            writer.tag(token["tag"].lower(), token["attributes"], ends=bool(token["end"]))
        elif token["text"]:
            writer.text(token["text"])
    return _laid_out("".join(writer.out))


def without_comments(markup: str, *, blank: bool = False) -> str:
    """The document without its comments; `blank` keeps every position by putting spaces there."""
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
        self.unseen: str | None = None
        self.link: tuple[str, int] | None = None

    def text(self, text: str) -> None:
        if not self.unseen:
            self.out.append(re.sub(r"\s+", " ", html.unescape(text)))

    def tag(self, tag: str, attributes: str, *, ends: bool) -> None:
        if self.unseen:
            # A head that is never closed ends where the body begins.
            if (ends and tag == self.unseen) or (tag == "body" and self.unseen == "head"):
                self.unseen = None
        elif tag in _UNSEEN:
            self.unseen = None if ends or attributes.endswith("/") else tag
        elif tag == "a":
            self._link(None if ends else _value(_HREF, attributes))
        else:
            self.out.append(_space_for(tag, attributes, ends=ends))

    def _link(self, address: str | None) -> None:
        """Close the link that is open, if any; open one to this address."""
        if self.link:
            target, start = self.link
            shown = " ".join("".join(self.out[start:]).split())
            if target.split("://")[-1].rstrip("/") != shown.split("://")[-1].rstrip("/"):
                self.out.append(f" ({target})" if shown else target)
        self.link = (_target(address), len(self.out)) if address and _target(address) else None


def _space_for(tag: str, attributes: str, *, ends: bool) -> str:
    if tag == "br":
        return _BREAK
    if tag in _PARAGRAPHS:
        return _PARAGRAPH
    if tag in _LINES:
        return f"{_LINE}- " if tag == "li" and not ends else _LINE
    if tag == "img":
        return _value(_ALT, attributes)
    return " " if tag in _CELLS else ""


def _value(attribute: re.Pattern[str], attributes: str) -> str:
    found = attribute.search(attributes)
    return html.unescape(next(filter(None, found.groups()), "")).strip() if found else ""


def _target(address: str) -> str:
    """The address as a reader would use it; empty when it leads nowhere outside the mail."""
    if address.lower().startswith("mailto:"):
        return address[len("mailto:") :]
    return address if address.lower().startswith(("http://", "https://", "tel:")) else ""


def _laid_out(text: str) -> str:
    text = re.sub(r" {2,}", " ", text)
    text = re.sub(r"(?<=\x01- )[\x01\x02 ]+", "", text)  # <li><p>: the bullet and its text meet
    text = re.sub(r" ?([\x01\x02\n]) ?", r"\1", text)
    text = re.sub(r"\n?[\x01\x02]+", lambda run: "\n\n" if _PARAGRAPH in run[0] else "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
