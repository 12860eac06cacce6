"""A person's own new text of a reply: without quotes, without signature."""

import re
from itertools import groupby
from typing import NamedTuple

from outreach.inbound.message import HTML, TEXT, Mail
from outreach.inbound.quote_borders import (
    attribution,
    is_border,
    is_whole_attribution,
    next_text,
)
from outreach.inbound.quote_words import CLOSINGS, DEVICES
from outreach.inbound.wording import bare_words, greets
from outreach.mail.plain_text import plain_text

LINES = 600
"""Lines that are read of a text."""
LONGEST = 10_000
"""Characters of the result."""
_BELOW_CLOSING = 12
"""Lines of a signature below a closing."""
_NAME = 5
"""Words of a person's name there, with titles."""

_QUOTED_HTML = re.compile(
    r"""<(?:blockquote\b
      | (?:div|span|section|table|hr|p|a)\b[^<>]{0,300}?(?:
          gmail_quote|gmail_attr|gmail_extra|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra
        | tutanota_quote|divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|mail-editor-reference
        | reply-intro|ms-outlook-mobile-reference|x_divRplyFwdMsg
        | border-top:\s?solid\s\#(?:E1E1E1|B5C4DF)))""",
    re.IGNORECASE | re.VERBOSE,
)
_SIGNATURE_HTML = re.compile(
    r"<(?:div|table|span)\b[^<>]{0,300}?(?:gmail_signature|ms-outlook-mobile-signature|moz-signature"
    r"|id=[\"']?Signature|AppleMailSignature)",
    re.IGNORECASE,
)
_MARKED = "<p>&gt;</p>"
_BLOCKQUOTE = re.compile(r"<(/?)blockquote\b[^<>]*>", re.IGNORECASE)

_SIGNATURE = re.compile(r"^\s*(?:--|—|––)\s*$")
_ARMOUR = "-----BEGIN PGP SIGNED MESSAGE-----"
_ARMOUR_ENDS = "-----BEGIN PGP SIGNATURE-----"
_PUNCTUATION = " \t\u00a0,.;:!?*_-–—…。、，！"


class OwnWords(NamedTuple):
    """A person's own text, and what was below it."""

    text: str
    quoted: bool
    """Whether a border was found between it and another mail."""
    signature: str = ""
    """The lines below a closing or a device's line; empty when there are none."""


def own_words(mail: Mail) -> OwnWords:
    """The new text of a mail. A text that cannot be read gives an empty one."""
    texts: list[str] = []
    html_quoted = False
    for is_html, bodies in groupby(mail.bodies, lambda one: one.is_html):
        contents = [one.content for one in bodies]
        if is_html:
            text, has_quote = _of_html("".join(contents))
            html_quoted |= has_quote
            contents = [] if texts and _own(text) == _own("\n\n".join(texts)) else [text]
        texts += contents
    lines, quoted = _without_quotes(_without_armour(_lines("\n\n".join(texts))))
    text, signature = _without_signature(lines)
    return OwnWords(text[:LONGEST], quoted or html_quoted, signature)


def _own(text: str) -> str:
    """To compare: some programs send a text twice, plain and in HTML, and not as alternatives."""
    return bare_words("\n".join(_without_quotes(_lines(text))[0]))


def _lines(text: str) -> list[str]:
    return text[:TEXT].replace("\r", "").split("\n")[:LINES]


def _of_html(markup: str) -> tuple[str, bool]:
    """The text above the first quote; around the quotes, where the writer says nothing above."""
    markup = markup[:HTML]
    quote = _QUOTED_HTML.search(markup)
    signature = _SIGNATURE_HTML.search(markup, 0, quote.start() if quote else len(markup))
    if signature:
        text = plain_text(markup[: signature.start()])
        if text.strip():
            return text, quote is not None
    if not quote:
        return plain_text(markup), False
    text = plain_text(markup[: quote.start()])
    own, _ = _without_quotes(_lines(text))
    return (plain_text(_outside_quotes(markup)) if _says_nothing(own) else text), True


def _outside_quotes(markup: str) -> str:
    """With a marked line for each quote, as in a plain text."""
    kept: list[str] = []
    depth = position = 0
    for tag in _BLOCKQUOTE.finditer(markup):
        if depth == 0:
            kept += markup[position : tag.start()], "" if tag[1] else _MARKED
        depth = max(depth + (-1 if tag[1] else 1), 0)
        position = tag.end()
    return "".join([*kept, markup[position:] if depth == 0 else ""])


def _without_armour(lines: list[str]) -> list[str]:
    """The text of a mail that OpenPGP signs: its frame is no border of a quote."""
    begin = _position(_ARMOUR, lines)
    if begin is None:
        return lines
    text = _position("", lines, begin)
    if text is None:
        return lines
    signed = lines[text + 1 : _position(_ARMOUR_ENDS, lines, text)]
    return lines[:begin] + [line.removeprefix("- ") for line in signed]


def _position(wanted: str, lines: list[str], start: int = 0) -> int | None:
    for number in range(start, len(lines)):
        if lines[number].strip() == wanted:
            return number
    return None


def _without_quotes(lines: list[str]) -> tuple[list[str], bool]:
    kept: list[str] = []
    quoted = False
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.lstrip(" \u00a0")[:1] == ">":
            quoted = True
        elif (length := attribution(lines, number)) and not (
            length > 1 and is_whole_attribution(lines, number + 1)
        ):
            quoted = True
            following = next_text(lines, number + length)
            if not following.startswith(">"):
                break  # a program that does not mark the quoted lines
            number += length
            continue
        elif is_border(lines, number):
            quoted = True
            break
        else:
            kept.append(line)
        number += 1
    return kept, quoted


def _without_signature(lines: list[str]) -> tuple[str, str]:
    """The text, and the lines below a signature's mark, a device's line or a closing."""
    end = len(lines)
    for number, line in enumerate(lines):
        if _SIGNATURE.match(line[:20]) or line.strip(" \t<[*").lower().startswith(DEVICES):
            end = number
            break
    for number in range(end - 1, max(end - 14, -1), -1):
        said = lines[number].strip(_PUNCTUATION).lower()
        if (
            said in CLOSINGS
            and _are_short(lines[number + 1 : end])
            and _says_more(lines[:number], lines[number + 1 : end])
        ):
            end = number
    text = "\n".join(line.rstrip() for line in lines[:end]).strip()
    below = "\n".join(line.strip() for line in lines[end:] if line.strip())
    return re.sub(r"\n{3,}", "\n\n", text), below


def _says_more(above: list[str], below: list[str]) -> bool:
    """Whether a closing stands at the end: `Thanks!` may begin what somebody says."""
    return not _says_nothing(above) or not any(line.strip() for line in below)


def _says_nothing(lines: list[str]) -> bool:
    """Whether these are no more than a greeting."""
    said = [line for line in lines if line.strip()]
    return not said or (len(said) == 1 and greets(said[0]))


def _are_short(lines: list[str]) -> bool:
    """Whether these can be the lines below a closing: first a name, and no long text."""
    said = [line.strip() for line in lines if line.strip()]
    return len(said) <= _BELOW_CLOSING and (not said or len(said[0].split()) <= _NAME)
