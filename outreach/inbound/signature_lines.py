"""Which lines can be a signature: a closing, a name, a role, a company, a telephone."""

import re

from outreach.inbound.opt_out_words import NO_SIGNATURE
from outreach.inbound.quote_words import CLOSINGS, PROGRAMS
from outreach.inbound.wording import CJK

_LINES = 10
_LINES_ABOVE_A_LINK = 6
_SENTENCE_WORDS = 7
"""Words of a line that is no sentence."""
_SENTENCE_CHARACTERS = 24
"""The same of a script without spaces."""
_BEFORE_CLOSING = 2
"""Words before a closing that are of it."""
_NAME_WORDS = 4
_ROLE_WORDS = 5

_PROGRAM = re.compile("|".join(PROGRAMS), re.IGNORECASE)
_CONTACT = re.compile(r"\d|@|www\.|https?:|\|")
_SENTENCE_ENDS = (".", "?", "!", ":", ",")


def is_signature(lines: list[str]) -> bool:
    """Whether all of these lines are of one; so are none."""
    return len(lines) <= _LINES and all(_is_of_one(lines, number) for number in range(len(lines)))


def signed(lines: list[str]) -> int:
    """How many of the last lines are a name and what stands below it; 0: there is none."""
    for count in range(1, min(len(lines), _LINES_ABOVE_A_LINK) + 1):
        last = lines[-count:]
        if _is_name(last[0]) and is_signature(last):
            return count
    return 0


def closes(line: str) -> bool:
    """Whether it is a closing, perhaps with some words before it: `With best regards,`."""
    words = line.lower().strip(" ,.!-–—").split()
    most = min(len(words) // 2, _BEFORE_CLOSING)
    return any(" ".join(words[before:]) in CLOSINGS for before in range(most + 1))


def _is_of_one(lines: list[str], number: int) -> bool:
    line = lines[number]
    if closes(line):
        return True
    words = _words(line)
    if _begins_a_sentence(words):
        return False
    if _CONTACT.search(line):
        return True
    if len(words) > _SENTENCE_WORDS or line.endswith(("?", "!")):
        return False
    if re.search(f"[{CJK}]", line):
        return len(line) <= _SENTENCE_CHARACTERS
    if number == len(lines) - 1 and "?" not in line and _PROGRAM.search(line):
        return True
    capitals = sum(not word[0].islower() for word in words)
    return capitals * 2 > len(words) or _is_role(lines, number)


def _is_role(lines: list[str], number: int) -> bool:
    """`Responsable de ventas`, right below a name."""
    line = lines[number]
    return (
        number > 0
        and _is_name(lines[number - 1])
        and (_is_full_name(lines[number - 1]) or (number > 1 and closes(lines[number - 2])))
        and line[0].isupper()
        and len(_words(line)) <= _ROLE_WORDS
        and not line.endswith((".", "?", "!"))
    )


def _is_full_name(line: str) -> bool:
    return len(_words(line)) > 1 and _is_name(line)


def _is_name(line: str) -> bool:
    words = _words(line)
    return (
        0 < len(words) <= _NAME_WORDS
        and all(word[0].isupper() for word in words)
        and not line.endswith(_SENTENCE_ENDS)
        and not _begins_a_sentence(words)
        and not closes(line)
    )


def _begins_a_sentence(words: list[str]) -> bool:
    """In capitals it is an abbreviation: `MA Design`."""
    if not words or (words[0].isupper() and len(words[0]) > 1):
        return False
    return words[0].lower() in NO_SIGNATURE


def _words(line: str) -> list[str]:
    return [word for word in re.split(r"[\s,/&-]+", line) if word]
