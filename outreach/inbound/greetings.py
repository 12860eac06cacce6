"""Whether a line is a greeting: `Hi Ada,`."""

import re

from outreach.inbound.quote_words import GREETINGS

_WORDS = 5
_NO_WORD = re.compile(r"[\W_]+")


def greets(line: str) -> bool:
    """Whether it is that and no more."""
    words = _NO_WORD.sub(" ", line.lower()).strip()
    return len(words.split()) <= _WORDS and any(
        words == one or words.startswith(f"{one} ") for one in GREETINGS
    )
