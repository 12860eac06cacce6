"""Opt-outs in a person's own words, in many languages.

The whole new text has to be one, but for greeting, politeness and signature: a `stop` inside a
longer text is an ordinary word. An opt-out beside other words is for a person to judge.
"""

import re
from itertools import chain, groupby

from outreach.inbound.clauses import clauses, without_politeness
from outreach.inbound.opt_out_words import (
    OPEN_PHRASES,
    ORDINARY,
    ORDINARY_UNLESS_POLITE,
    PERHAPS,
    PHRASES,
    WHOLE,
)
from outreach.inbound.signature_lines import is_signature
from outreach.inbound.wording import bare_words, greets

LONGEST = 300
"""Characters of a text that may be an opt-out as a whole."""
SEARCHED = 4_000
"""Characters that are searched for an opt-out beside other words."""

_CLICK = re.compile(r"(?:un-?subscribe|opt-?out)(?:[-_:]([\w.=+-]{1,200}))?", re.IGNORECASE)
"""The subject that `List-Unsubscribe: <mailto:…?subject=unsubscribe-TOKEN>` makes of a click."""
_OUR_CLICK = re.compile(r"\bunsubscribe-(o[0-9a-f]{32})\b", re.IGNORECASE)
"""The same with a token of ours, which no other text has: gateways put `[EXTERNAL]` before it."""
_COMMA = re.compile(r"\s*[,!.:]\s*")
_SURE = re.compile("|".join(WHOLE + PHRASES))
_LIKELY = re.compile("|".join(WHOLE + PHRASES + OPEN_PHRASES))
_PERHAPS = re.compile("|".join(WHOLE + PHRASES + OPEN_PHRASES + PERHAPS))
_ORDINARY = re.compile("|".join(ORDINARY))
_ORDINARY_UNLESS_POLITE = re.compile("|".join(ORDINARY_UNLESS_POLITE))
_BANNER_PARAGRAPHS = 2
_BANNER = re.compile(
    r"\s*(?:[\[*<【]|.{0,80}(?:\bext[eé]r|\boutside\b|\besterno|außerhalb))", re.IGNORECASE
)
"""What a gateway puts above a mail from outside."""
_PHRASE = re.compile("|".join(PHRASES + OPEN_PHRASES))


def is_click(subject: str) -> bool:
    """Whether a mail program wrote the mail for a click on “unsubscribe”."""
    return _click(subject) is not None


def token_of_click(subject: str) -> str | None:
    """The token in that subject; None when it has none."""
    found = _click(subject)
    return found[1] if found else None


def is_opt_out(text: str) -> bool:
    """Whether the whole text, up to a signature, surely asks for no more mails."""
    return _is_all(text, _SURE)


def _may_be_opt_out(text: str) -> bool:
    """The same of a form that nobody has listed, or of an open phrase."""
    return _is_all(text, _PERHAPS)


def _is_all(text: str, said: re.Pattern[str]) -> bool:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if lines:
        greeting, _, rest = _COMMA.sub("\n", lines[0], count=1).partition("\n")
        if greets(greeting):
            lines = [rest, *lines[1:]] if rest else lines[1:] or lines
    return any(
        _is_whole(" ".join(lines[:count]), said) and is_signature(lines[count:])
        for count in range(1, min(len(lines), 4) + 1)
    )


def phrase(text: str) -> str | None:
    """An unmistakable phrase within the text, as it was found; None when there is none."""
    found = _PHRASE.search(bare_words(text[:SEARCHED]))
    return found[0].strip() if found else None


def beside_other_words(text: str, subject: str = "") -> str | None:
    """An opt-out within a longer text, as it was found; None when there is none.

    As the subject and at the beginning any will do: whatever follows may be a signature or a
    disclaimer. Elsewhere it is a clause of its own that means nothing else, or an unmistakable
    phrase.
    """
    text = text[:SEARCHED]
    begins = filter(_may_be_opt_out, [subject, *_beginnings(text)])
    found = chain(begins, filter(_is_opt_out_as_a_clause, clauses(text)))
    return next((" ".join(one.split()) for one in found), None) or phrase(text)


def _beginnings(text: str) -> list[str]:
    """The first paragraph, and those that may be it below a greeting or a gateway's banner."""
    grouped = groupby(text.splitlines(), lambda line: bool(line.strip()))
    paragraphs = ["\n".join(lines) for said, lines in grouped if said]
    if not paragraphs:
        return []
    first = paragraphs[0]
    if _BANNER.match(first):
        return paragraphs[: _BANNER_PARAGRAPHS + 1] + first.splitlines()[1:]
    return paragraphs[: 2 if greets(first) else 1]


def _is_opt_out_as_a_clause(said: str) -> bool:
    """Whether it is one that can be nothing else: no ordinary word, no question."""
    return (
        _is_whole(said, _LIKELY)
        and not said.endswith(("?", "？"))
        and not _ORDINARY.fullmatch(without_politeness(said))
        and not _ORDINARY_UNLESS_POLITE.fullmatch(bare_words(said))
    )


def _click(subject: str) -> re.Match[str] | None:
    return _OUR_CLICK.search(subject) or _CLICK.fullmatch(subject.strip())


def _is_whole(text: str, pattern: re.Pattern[str]) -> bool:
    if len(text) > LONGEST:
        return False
    said = without_politeness(text)
    return bool(said) and pattern.fullmatch(said) is not None
