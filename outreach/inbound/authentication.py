"""Pure: reads what a receiver found of a mail's SPF, DKIM and DMARC (RFC 8601).

Anyone may write the field into a mail. Google puts its own above those that came with the mail, so
the topmost one counts, and only if it is Google's.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FIELD = "Authentication-Results"
GOOGLE = "mx.google.com"
LONGEST = 20_000
"""Characters of a field that is read; Google's has some hundred."""
_METHODS = ("spf", "dkim", "dmarc")
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[();]|[^"\\();]+|["\\]', re.DOTALL)
_RESULT = re.compile(r"\s*([a-z][a-z0-9-]*)(?:\s*/\s*\d+)?\s*=\s*([a-z]{1,20})\b", re.IGNORECASE)
_PROPERTY = re.compile(
    r'\b([a-z]+)\s*\.\s*([a-z0-9_-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;]+)', re.IGNORECASE
)
_DOMAIN = re.compile(r"[a-z0-9._-]{1,253}")
_DOMAINS = {
    "spf": ("smtp.mailfrom", "smtp.helo"),
    "dkim": ("header.d", "header.i"),
    "dmarc": ("header.from",),
}
"""The property that names the domain, by method."""


class Verdict(NamedTuple):
    """The result of one method."""

    result: str
    """In lower case, as in `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`."""
    domain: str = ""
    """The domain that it is about, in lower case; of DKIM the signer."""


class Authentication(NamedTuple):
    """Each None where the receiver says nothing of it: without a DMARC record, of DMARC."""

    spf: Verdict | None = None
    dkim: Verdict | None = None
    """Of several signatures one that passes, of these one of the sender's domain."""
    dmarc: Verdict | None = None


def read_results(fields: Sequence[str], sender_domain: str) -> Authentication | None:
    """Of the fields' values, topmost first; None where the first one is not Google's."""
    if not fields or len(fields[0]) > LONGEST:
        return None
    receiver, *parts = _split(fields[0])
    if _service(receiver) != GOOGLE:
        return None
    found: dict[str, list[Verdict]] = {method: [] for method in _METHODS}
    for part in parts:
        for method, verdict in _verdict(part):
            found[method].append(verdict)
    best = {
        method: max(verdicts, key=lambda verdict: _rank(verdict, sender_domain), default=None)
        for method, verdicts in found.items()
    }
    return Authentication(**best)


def _rank(verdict: Verdict, sender_domain: str) -> tuple[bool, bool]:
    own = verdict.domain == sender_domain or sender_domain.endswith(f".{verdict.domain}")
    return verdict.result == "pass", bool(verdict.domain) and own


def _split(text: str) -> list[str]:
    """The parts between semicolons, without comments, which may be nested and hold any sign."""
    parts, depth = [""], 0
    for piece in _PIECE.findall(text):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(0, depth - 1)
            parts[-1] += " "
        elif depth == 0:
            parts += [""] if piece == ";" else []
            parts[-1] += piece if piece != ";" else ""
    return parts


def _service(text: str) -> str:
    """The name of who checked, without the version that may follow."""
    words = text.split()
    return words[0].strip('"').lower() if words else ""


def _verdict(part: str) -> Iterator[tuple[str, Verdict]]:
    found = _RESULT.match(part)
    if found is None or (method := found[1].lower()) not in _METHODS:
        return
    properties = {
        f"{kind}.{name}".lower(): value.strip('"').lower()
        for kind, name, value in _PROPERTY.findall(part[found.end() :])
    }
    named = next((properties[name] for name in _DOMAINS[method] if name in properties), "")
    domain = named.rpartition("@")[2]
    yield method, Verdict(found[2].lower(), domain if _DOMAIN.fullmatch(domain) else "")
