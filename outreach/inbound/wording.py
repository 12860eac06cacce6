"""A text as its words, and whether a line is a greeting."""

import re
from unicodedata import normalize

from outreach.inbound.quote_words import GREETINGS

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Letters of scripts without spaces, as a range of a pattern."""
_GREETING_WORDS = 5
_NO_WORD = re.compile(r"[\W_]+")


def bare_words(text: str) -> str:
    """In lower case, a space between two, without punctuation; an accent is of its letter."""
    return _NO_WORD.sub(" ", normalize("NFC", text).lower()).strip()


def greets(line: str) -> bool:
    """Whether it is a greeting and no more: `Hi Ada,`."""
    said = bare_words(line)
    return len(said.split()) <= _GREETING_WORDS and any(
        said == one or said.startswith(f"{one} ") for one in GREETINGS
    )
