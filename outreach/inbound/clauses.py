"""The clauses of a text in which its writer may ask for something.

A bare verb is none where it stands in a list, in a question or as the link below a signature.
"""

import re
from collections.abc import Iterator

from outreach.inbound.opt_out_words import ABOVE_LINKS, LINKS, POLITE
from outreach.inbound.signature_lines import closes, signed
from outreach.inbound.wording import CJK, bare_words, greets

_ENDS = re.compile(r"[.!,;:…()\n。！、，；：（）]|\s[-–—]\s|(?<=[?？])")
_SENTENCE_ENDS = re.compile(r"[.!?;…\n。！？；]")
_COMMAS = (",", "、", "，")
_WRAPPED = re.compile(r"(?<=[^\n]{60})\n(?=[^\s])")
"""The end of a line that a mail program broke."""
_LIST = 3
"""Lines with a bullet that are a list."""
_BULLET = re.compile(r"\s*(?:[-–*•·+]|\d{1,2}[.)])\s")
_AND = frozenset(
    "and or und oder et ou y o e ed en of och og eller i lub и или".split(" ")  # noqa: SIM905
)
_LINK = re.compile("|".join(LINKS))
_ABOVE_LINK = re.compile("|".join(ABOVE_LINKS))
_POLITE = re.compile(
    "|".join(
        rf"\b{one}\b" if one.isascii() or not re.match(f"[{CJK}]", one) else one
        for one in sorted(POLITE, key=len, reverse=True)
    )
)


def clauses(text: str) -> Iterator[str]:
    """In their order, without bare verbs that ask for nothing."""
    text = _WRAPPED.sub(" ", text)
    start = 0
    for end in _ENDS.finditer(text):
        if not _asks_for_nothing(text, start, end.start()):
            yield text[start : end.start()]
        start = end.end()
    if not _asks_for_nothing(text, start, len(text)):
        yield text[start:]


def without_politeness(text: str) -> str:
    """Its bare words, without `please` and the like."""
    return bare_words(_POLITE.sub(" ", bare_words(text)))


def _asks_for_nothing(text: str, start: int, end: int) -> bool:
    if not _LINK.fullmatch(bare_words(text[start:end])):
        return False
    above, below = text[:start], text[end:]
    return (
        _is_in_a_question(below)
        or _is_between_commas(above, below)
        or _is_in_a_list(text, start)
        or _is_below_a_signature(above, below)
    )


def _is_in_a_question(below: str) -> bool:
    sentence_ends = _SENTENCE_ENDS.search(below)
    return sentence_ends is not None and sentence_ends[0] in {"?", "？"}


def _is_between_commas(above: str, below: str) -> bool:
    """As one of several; `Not interested, unsubscribe, thanks` is another thing."""
    below = below.lstrip()
    if not above.rstrip().endswith(_COMMAS) or not below.startswith(_COMMAS):
        return False
    following = _ENDS.split(below[1:], maxsplit=1)[0].strip()
    words = without_politeness(following).split()
    if not words or closes(following):
        return False
    introduced = ":" in _SENTENCE_ENDS.split(above)[-1]
    return introduced or words[0] in _AND or (len(words) == 1 and following[0].islower())


def _is_in_a_list(text: str, start: int) -> bool:
    """Whether its line has a bullet, as others; two may be two answers."""
    lines = text.split("\n")
    of_it = lines[text.count("\n", 0, start)]
    bullets = sum(map(bool, map(_BULLET.match, lines)))
    return _BULLET.match(of_it) is not None and bullets >= _LIST


def _is_below_a_signature(above: str, below: str) -> bool:
    """Whether a program or a company put it there: the last line, below a name or its own words."""
    if bare_words(below):
        return False
    *lines, beside = above.split("\n")
    said = [line.strip() for line in lines if line.strip()]
    if bare_words(beside):
        return bool(said) and _ABOVE_LINK.fullmatch(bare_words(beside)) is not None
    name = signed(said)
    return name > 0 and not all(map(greets, said[:-name]))
