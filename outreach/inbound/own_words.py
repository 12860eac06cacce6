"""A person's own new text of a reply: without quotes, without signature."""

import re
from itertools import groupby, takewhile
from typing import NamedTuple

from outreach.inbound.message import HTML, TEXT, Mail
from outreach.inbound.quote_words import CLOSINGS, DEVICES, FROM, SENT, WROTE
from outreach.inbound.wording import greets
from outreach.mail.plain_text import plain_text

LINES = 600
"""Lines that are read of a text."""
LONGEST = 10_000
"""Characters of the result."""
_ATTRIBUTION = 400
"""Characters of `On …, … wrote:`."""
_FIELDS = 2
"""Fields below `From:` that make it a quoted mail's header."""
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

_FRAMED = re.compile(
    r"^[ *]*[-_=–—]{2,}\s?(?=[^\n]*[^\W\d_])[^-\n][^\n]{2,50}?\s?[-_=–—]{2,}[ *]*$"
)
_RULE = re.compile(r"^\s*[_\-=*─━]{8,}\s*$")
_HEADER_LINE = re.compile(
    r"^[ *>\u200e\u200f]*([^\W\d_][^:：\n*]{0,24}?)[ *\u00a0]*[:：][ *]*(?!//)"
)
_SIGNATURE = re.compile(r"^\s*(?:--|—|––)\s*$")
_DATE = re.compile(r"\d{1,2}[.:]\d\d|\d{4}")
_DIGITS = re.compile(rf"{_DATE.pattern}|@")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+\.\w")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_TIME = re.compile(r"(?<![\d.:])\d{1,2}[:.h時时]\d\d(?![.\d])")
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
            contents = [text]
        texts += contents
    lines, quoted = _without_quotes(_without_armour(_lines("\n\n".join(texts))))
    text, signature = _without_signature(lines)
    return OwnWords(text[:LONGEST], quoted or html_quoted, signature)


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
        elif (length := _attribution(lines, number)) and not (
            length > 1 and _is_whole_attribution(lines, number + 1)
        ):
            quoted = True
            following = _next_text(lines, number + length)
            if not following.startswith(">"):
                break  # a program that does not mark the quoted lines
            number += length
            continue
        elif _is_border(lines, number):
            quoted = True
            break
        else:
            kept.append(line)
        number += 1
    return kept, quoted


def _attribution(lines: list[str], number: int) -> int:
    """How many lines `On Monday, Ada <ada@acme.com> wrote:` takes here; 0: it is none."""
    text = ""
    for length, line in enumerate(lines[number : number + 4], 1):
        if not line.strip():
            return 0
        text = f"{text} {line.strip()}".lstrip()
        if len(text) > _ATTRIBUTION:
            return 0
        ends = text.rstrip(" \u00a0*_")
        if ends.endswith((":", "：")):
            lower = ends.lower()
            marked = _next_text(lines, number + length).startswith(">")
            if _DIGITS.search(lower) and (marked or any(verb in lower for verb in WROTE)):
                return length
        elif text.startswith("--") and ends.endswith("--") and _names_a_mail(text):
            return length  # Zoho's: `---- On Tue, …, Ada <ada@acme.com> wrote ----`
    return 0


def _names_a_mail(text: str) -> bool:
    """Whether it has an address, a year and a time, in whatever language."""
    return all(part.search(text) for part in (_ADDRESS, _YEAR, _TIME))


def _is_whole_attribution(lines: list[str], number: int) -> bool:
    """Whether one begins here, and the line above is the person's own."""
    begins = lines[number].strip()[:1]
    return (
        (begins.isupper() or begins.isdigit())
        and _attribution(lines, number) > 0
        and _DATE.search(" ".join(lines[number : number + 3])) is not None
    )


def _next_text(lines: list[str], number: int) -> str:
    return next((line.strip() for line in lines[number : number + 4] if line.strip()), "")


def _is_border(lines: list[str], number: int) -> bool:
    """Whether another mail begins here, with a framed line or with its header."""
    line = lines[number]
    if _FRAMED.match(line[:120]):
        return True
    if _RULE.match(line[:200]):
        return _is_header(lines, number + 1)
    return _is_header(lines, number)


def _is_header(lines: list[str], number: int) -> bool:
    first = _field(lines[number : number + 1])
    if not first:
        return False
    below = lines[number + 1 : number + 6]
    known = first in FROM
    if known and sum(_field([line]) in SENT for line in below) >= _FIELDS:
        return True
    return (known or _has_address(lines[number])) and _are_fields_with_a_date(below)


def _has_address(line: str) -> bool:
    return _ADDRESS.search(line[:200]) is not None


def _are_fields_with_a_date(lines: list[str]) -> bool:
    """Whether these are fields in whatever language. Those of a signature have no date."""
    fields = [line[:200] for line in takewhile(str.strip, lines) if _field([line])]
    dated = any(_YEAR.search(line) and _TIME.search(line) for line in fields)
    return dated and len(fields) >= _FIELDS


def _field(line: list[str]) -> str:
    found = _HEADER_LINE.match(line[0][:200]) if line else None
    return found[1].strip().lower() if found else ""


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
