"""Opt-outs in a person's own words, in many languages.

The whole new text has to be one, but for greeting, politeness and signature: a `stop` inside a
longer text is an ordinary word. An unmistakable phrase inside a longer text is for a person to
judge.
"""

import re

from outreach.inbound.opt_out_words import PHRASES, POLITE, WHOLE
from outreach.inbound.quote_words import CLOSINGS
from outreach.inbound.wording import bare_words, greets

LONGEST = 300
"""Characters of a text that may be an opt-out as a whole."""
SEARCHED = 4_000
"""Characters that are searched for a phrase."""
_SIGNATURE_LINES = 10
_SIGNATURE_WORDS = 7
"""Words of a line that is no sentence."""
_SIGNATURE_CHARACTERS = 24
"""The same of a script without spaces."""

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
_PHRASE = re.compile("|".join(PHRASES))
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


def _click(subject: str) -> re.Match[str] | None:
    return _OUR_CLICK.search(subject) or _CLICK.fullmatch(subject.strip())


def _is_whole(text: str) -> bool:
    if len(text) > LONGEST:
        return False
    said = bare_words(_POLITE.sub(" ", bare_words(text)))
    return bool(said) and _WHOLE.fullmatch(said) is not None


def _is_signature(lines: list[str]) -> bool:
    """Whether lines can be a name, a role, a company, a telephone: no sentence."""
    return len(lines) <= _SIGNATURE_LINES and all(map(_is_of_signature, lines))


def _is_of_signature(line: str) -> bool:
    if _CONTACT.search(line) or line.lower().strip(" ,.!-–—") in CLOSINGS:
        return True
    words = [word for word in re.split(r"[\s,/&-]+", line) if word]
    if len(words) > _SIGNATURE_WORDS or line.endswith(("?", "!")):
        return False
    if re.search(f"[{_CJK}]", line):
        return len(line) <= _SIGNATURE_CHARACTERS
    return sum(not word[0].islower() for word in words) * 2 > len(words)
