"""Opt-outs in a person's own words, in many languages.

The whole new text has to be one, but for greeting, politeness and signature: a `stop` inside a
longer text is an ordinary word. An opt-out beside other words is for a person to judge.
"""

import re
from itertools import chain, groupby

from outreach.inbound.opt_out_words import ORDINARY, PHRASES, POLITE, WHOLE
from outreach.inbound.quote_words import CLOSINGS, PROGRAMS
from outreach.inbound.wording import bare_words, greets

LONGEST = 300
"""Characters of a text that may be an opt-out as a whole."""
SEARCHED = 4_000
"""Characters that are searched for an opt-out beside other words."""
_SIGNATURE_LINES = 10
_SIGNATURE_WORDS = 7
"""Words of a line that is no sentence."""
_SIGNATURE_CHARACTERS = 24
"""The same of a script without spaces."""
_BEFORE_CLOSING = 2
"""Words before a closing that are of it."""
_NAME_WORDS = 4
_ROLE_WORDS = 5

_CLICK = re.compile(r"(?:un-?subscribe|opt-?out)(?:[-_:]([\w.=+-]{1,200}))?", re.IGNORECASE)
"""The subject that `List-Unsubscribe: <mailto:…?subject=unsubscribe-TOKEN>` makes of a click."""
_OUR_CLICK = re.compile(r"\bunsubscribe-(o[0-9a-f]{32})\b", re.IGNORECASE)
"""The same with a token of ours, which no other text has: gateways put `[EXTERNAL]` before it."""
_COMMA = re.compile(r"\s*[,!.:]\s*")
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_POLITE = re.compile(
    "|".join(
        rf"\b{one}\b" if one.isascii() or not re.match(f"[{_CJK}]", one) else one
        for one in sorted(POLITE, key=len, reverse=True)
    )
)
_WHOLE = re.compile("|".join(f"(?:{one})" for one in WHOLE + PHRASES))
_ORDINARY = re.compile("|".join(ORDINARY))
_CLAUSE_ENDS = re.compile(r"[.!,;:…()\n。！、，；：（）]|\s[-–—]\s|(?<=[?？])")
_WRAPPED = re.compile(r"(?<=[^\n]{60})\n(?=[^\s])")
"""The end of a line that a mail program broke."""
_BANNER_PARAGRAPHS = 2
_BANNER = re.compile(
    r"\s*(?:[\[*<【]|.{0,80}(?:\bext[eé]r|\boutside\b|\besterno|außerhalb))", re.IGNORECASE
)
"""What a gateway puts above a mail from outside."""
_PHRASE = re.compile("|".join(PHRASES))
_PROGRAM = re.compile("|".join(PROGRAMS), re.IGNORECASE)
_CONTACT = re.compile(r"\d|@|www\.|https?:|\|")


def is_click(subject: str) -> bool:
    """Whether a mail program wrote the mail for a click on “unsubscribe”."""
    return _click(subject) is not None


def token_of_click(subject: str) -> str | None:
    """The token in that subject; None when it has none."""
    found = _click(subject)
    return found[1] if found else None


def is_opt_out(text: str) -> bool:
    """Whether the whole text, up to a signature, asks for no more mails."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if lines:
        greeting, _, rest = _COMMA.sub("\n", lines[0], count=1).partition("\n")
        if greets(greeting):
            lines = [rest, *lines[1:]] if rest else lines[1:] or lines
    return any(
        _is_whole(" ".join(lines[:count])) and _is_signature(lines[count:])
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
    begins = filter(is_opt_out, [subject, *_beginnings(text)])
    clauses = filter(_is_clause, _clauses(text))
    return next((" ".join(one.split()) for one in chain(begins, clauses)), None) or phrase(text)


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


def _clauses(text: str) -> list[str]:
    return _CLAUSE_ENDS.split(_WRAPPED.sub(" ", text))


def _is_clause(said: str) -> bool:
    """Whether it is an opt-out that can be nothing else: no ordinary word, no question."""
    return (
        _is_whole(said)
        and not said.endswith(("?", "？"))
        and not _ORDINARY.fullmatch(_without_politeness(said))
    )


def _click(subject: str) -> re.Match[str] | None:
    return _OUR_CLICK.search(subject) or _CLICK.fullmatch(subject.strip())


def _is_whole(text: str) -> bool:
    if len(text) > LONGEST:
        return False
    said = _without_politeness(text)
    return bool(said) and _WHOLE.fullmatch(said) is not None


def _without_politeness(text: str) -> str:
    return bare_words(_POLITE.sub(" ", bare_words(text)))


def _is_signature(lines: list[str]) -> bool:
    """Whether lines can be a name, a role, a company, a telephone: no sentence."""
    if len(lines) > _SIGNATURE_LINES:
        return False
    signed = bool(lines) and (_closes(lines[0]) or _is_full_name(lines[0]))
    return all(_is_of_signature(line) or (signed and _is_role(line)) for line in lines)


def _is_of_signature(line: str) -> bool:
    if _CONTACT.search(line) or _closes(line):
        return True
    words = _words(line)
    if len(words) > _SIGNATURE_WORDS or line.endswith(("?", "!")):
        return False
    if re.search(f"[{_CJK}]", line):
        return len(line) <= _SIGNATURE_CHARACTERS
    if _PROGRAM.search(line):
        return True
    return sum(not word[0].islower() for word in words) * 2 > len(words)


def _closes(line: str) -> bool:
    """Whether it is a closing, perhaps with some words before it: `With best regards,`."""
    words = line.lower().strip(" ,.!-–—").split()
    most = min(len(words) // 2, _BEFORE_CLOSING)
    return any(" ".join(words[before:]) in CLOSINGS for before in range(most + 1))


def _is_full_name(line: str) -> bool:
    words = _words(line)
    return 1 < len(words) <= _NAME_WORDS and all(word[0].isupper() for word in words)


def _is_role(line: str) -> bool:
    """`Responsable de ventas`, below a name or a closing."""
    return (
        line[0].isupper()
        and len(_words(line)) <= _ROLE_WORDS
        and not line.endswith((".", "?", "!"))
    )


def _words(line: str) -> list[str]:
    return [word for word in re.split(r"[\s,/&-]+", line) if word]
