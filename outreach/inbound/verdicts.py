"""What a bounce says of an address: dead, the sender's fault, or a failure that may pass.

The words of the server that refused come before its code: three of five 5.x.x codes stand for a
sender that is refused, a full mailbox or a time-out.
"""

import re
from typing import NamedTuple

from outreach.inbound.reading import Verdict
from outreach.inbound.verdict_words import (
    BEFORE_RECIPIENT,
    PASSING,
    PERHAPS_PASSING,
    PERHAPS_UNKNOWN,
    REFUSED,
    SENDER,
    TELLING_WHEN_FINAL,
    UNKNOWN,
)

_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_NOISE = re.compile(r"https?://\S++|(?<![^\s<>])[^\s<>@]++@\S++|(?<![\w-])[\w-]++(?:\.[\w-]++)+")
"""Addresses of pages, mailboxes and hosts: their words are names."""
_REPLY_THAT_MAY_PASS = re.compile(r"(?<![\w.:-])4[0-7]\d(?=[ -])")
"""RFC 5321's 4yz, as in `450 Requested mail action not taken`."""
_REFUSED_FOR_GOOD = re.compile(r"(?<![\w.-])55[0-6](?=[ -])")
"""The same of 55z, without a code of RFC 3463: the words beside it are the server's own."""
LONGEST = 3_000

_DEAD_CODES = frozenset(
    {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4", "5.4.310"}
)
_SENDER_CODES = frozenset({"5.1.7", "5.1.8", "4.1.7", "4.1.8", "5.1.9"})


class Judged(NamedTuple):
    """A verdict, the code that it was read from, and the rule."""

    verdict: Verdict
    status: str
    why: str
    tells: bool = True
    """False when neither words nor code say more than that it failed."""


def judge(words: str, status: str = "") -> Judged:
    """The verdict on an address that failed.

    `words` is the server's answer, or the text about that address; `status` the code that a report
    gives beside it.
    """
    words = words[:LONGEST].lower()
    codes = [one for one in _CODE.findall(words) if one[0] != "2"]
    exact = [one for one in codes if not one.endswith(".0.0")]
    code = exact[-1] if exact else status or (codes[-1] if codes else "")
    plain = " ".join(_NOISE.sub(" ", words).split())
    if found := _of_words(plain) or _of_code(code):
        return Judged(found[0], code, found[1])
    may_pass = code.startswith("4.") or _REPLY_THAT_MAY_PASS.search(words)
    if found := _of_phrases(plain, _WEAKLY_FOR_NOW if may_pass else _WEAKLY):
        return Judged(found[0], code, found[1], tells=bool(may_pass) or _is_final(words, plain))
    if _GROUP in words:
        return Judged("block", code, "a group that takes no mail of strangers")
    if any(map(plain.__contains__, REFUSED)):
        return Judged("block", code, "refused without a reason", tells=False)
    return Judged(
        "soft", code, f"status {code}" if code else "no reason that is known", tells=False
    )


def _is_final(words: str, plain: str) -> bool:
    """Whether a server says so itself, and no boilerplate of the notice knows better."""
    return _REFUSED_FOR_GOOD.search(words) is not None and any(
        map(plain.__contains__, TELLING_WHEN_FINAL)
    )


def _of_words(words: str) -> tuple[Verdict, str] | None:
    if "address rejected: access denied" in words:
        return "dead", "recipient address rejected"
    if "rcpt to" not in words and any(map(words.__contains__, BEFORE_RECIPIENT)):
        return "block", "refused before the recipient was named"
    return _of_phrases(words, _TELLING)


def _of_phrases(
    words: str, by_verdict: tuple[tuple[Verdict, tuple[str, ...]], ...]
) -> tuple[Verdict, str] | None:
    for verdict, phrases in by_verdict:
        found = next(filter(words.__contains__, phrases), None)
        if found:
            return verdict, f"“{found.strip()}”"
    return None


_TELLING: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
    ("block", SENDER),
    ("soft", PASSING),
    ("dead", UNKNOWN),
)
_WEAKLY: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
    ("dead", PERHAPS_UNKNOWN),
    ("soft", PERHAPS_PASSING),
)
_WEAKLY_FOR_NOW: tuple[tuple[Verdict, tuple[str, ...]], ...] = (
    ("soft", PERHAPS_UNKNOWN + PERHAPS_PASSING),
)
"""RFC 5321 has the same words for 450 and 550, “mailbox unavailable”: the code tells them apart."""
_GROUP = "groups.google.com"
"""Google's notice for a group, in the reader's language, has a link to its help."""


def _of_code(code: str) -> tuple[Verdict, str] | None:
    if code in _DEAD_CODES:
        return "dead", f"status {code}"
    if code in _SENDER_CODES or code.startswith(("5.7.", "4.7.", "5.6.")):
        return "block", f"status {code}"
    if code and not code.endswith(".0") and not code.startswith("5.5."):
        return "soft", f"status {code}"
    return None
