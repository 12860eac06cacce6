"""Where another mail begins in a text: the line above a quote, a framed line, a mail's header."""

import re
from itertools import takewhile

from outreach.inbound.quote_words import FROM, SENT, WROTE

_ATTRIBUTION = 400
"""Characters of `On …, … wrote:`."""
_FIELDS = 2
"""Fields below `From:` that make it a quoted mail's header."""
_FIELDS_OF_ANY_LANGUAGE = 3
"""The same where their names are not known: a form has an address and a date, too."""

_FRAMED = re.compile(
    r"^[ *]*[-_=–—]{2,}\s?(?=[^\n]*[^\W\d_])[^-\n][^\n]{2,50}?\s?[-_=–—]{2,}[ *]*$"
)
_RULE = re.compile(r"^\s*[_\-=*─━]{8,}\s*$")
_HEADER_LINE = re.compile(
    r"^[ *>\u200e\u200f]*([^\W\d_][^:：\n*]{0,24}?)[ *\u00a0]*[:：][ *]*(?!//)"
)
_DATE = re.compile(r"\d{1,2}[.:]\d\d|\d{4}")
_DIGITS = re.compile(rf"{_DATE.pattern}|@")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+\.\w")
_WRITER = re.compile(r"<(?:mailto:)?[\w.+-]{1,64}@[\w-]+\.[\w.-]{1,190}>")
"""As a mail program writes it beside a name; people type an address alone."""
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_TIME = re.compile(r"(?<![\d.:])\d{1,2}[:.h時时]\d\d(?![.\d])")


def attribution(lines: list[str], number: int) -> int:
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
            marked = next_text(lines, number + length).startswith(">")
            if _DIGITS.search(lower) and (marked or any(verb in lower for verb in WROTE)):
                return length
        elif text.startswith("--") and ends.endswith("--") and _names_a_mail(text):
            return length  # Zoho's: `---- On Tue, …, Ada <ada@acme.com> wrote ----`
    return 0


def _names_a_mail(text: str) -> bool:
    """Whether it has an address, a year and a time, in whatever language."""
    return all(part.search(text) for part in (_ADDRESS, _YEAR, _TIME))


def is_whole_attribution(lines: list[str], number: int) -> bool:
    """Whether one begins here, and the line above is the person's own."""
    begins = lines[number].strip()[:1]
    return (
        (begins.isupper() or begins.isdigit())
        and attribution(lines, number) > 0
        and _DATE.search(" ".join(lines[number : number + 3])) is not None
    )


def next_text(lines: list[str], number: int) -> str:
    """The next line that is not blank, of the four from here; else an empty one."""
    return next((line.strip() for line in lines[number : number + 4] if line.strip()), "")


def is_border(lines: list[str], number: int) -> bool:
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
    if first in FROM and sum(_field([line]) in SENT for line in below) >= _FIELDS:
        return True
    return _WRITER.search(lines[number][:300]) is not None and _are_fields_below_a_date(below)


def _are_fields_below_a_date(lines: list[str]) -> bool:
    """Whether these are fields in whatever language, as programs order them: the date first."""
    fields = [line[:200] for line in takewhile(str.strip, lines) if _field([line])]
    return (
        len(fields) >= _FIELDS_OF_ANY_LANGUAGE
        and _YEAR.search(fields[0]) is not None
        and _TIME.search(fields[0]) is not None
    )


def _field(line: list[str]) -> str:
    found = _HEADER_LINE.match(line[0][:200]) if line else None
    return found[1].strip().lower() if found else ""
