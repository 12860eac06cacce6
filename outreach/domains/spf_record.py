"""Pure: parses an SPF record into its terms, and expands their macros (RFC 7208)."""

import re
from collections.abc import Sequence
from ipaddress import IPV4LENGTH, IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
LONGEST = 10_000
"""Characters of a record that is parsed."""
_TERM = re.compile(
    r"([+\-~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?::([^\s]+?))?(?:/(\d{1,2}))?(?://\d{1,3})?",
    re.IGNORECASE,
)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(\S*)", re.IGNORECASE)
_MACRO = re.compile(
    r"%(?:\{([slodiphcrtv])(\d*)(r?)([.\-+,/_=]*)\}|([%_-])|())", re.IGNORECASE | re.DOTALL
)
_LITERALS = {"%": "%", "_": " ", "-": "%20"}
_OF_THE_SENDER = frozenset("slhp")
"""Macros of an address, a client's name or a reverse look-up: a domain alone has none."""


class Broken(Exception):
    """Receivers cannot evaluate the record (`permerror`); the text says why."""


class Undecided(Exception):
    """The record's result differs from mail to mail."""


class Term(NamedTuple):
    result: str
    """The result of a match: pass, fail, softfail, neutral."""
    kind: str
    target: str = ""
    """A domain, with macros; empty for the record's own."""
    length: int = 32
    """Bits of an IPv4 address that count."""
    network: IPv4Network | IPv6Network | None = None


class Record(NamedTuple):
    terms: tuple[Term, ...]
    redirect: str = ""


def record_among(texts: Sequence[str]) -> Record | None:
    """The SPF record among TXT records; None without one. Raises Broken."""
    found = [text for text in texts if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]
    if len(found) > 1:
        raise Broken("there are several")
    return _parsed(found[0]) if found else None


def _parsed(text: str) -> Record:
    if len(text) > LONGEST:
        raise Broken("it is too long")
    terms, redirects = [], []
    for word in text.split()[1:]:
        if named := _MODIFIER.fullmatch(word):
            redirects += [named[2]] if named[1].lower() == "redirect" else []
        else:
            terms.append(_term(word))
    if len(redirects) > 1:
        raise Broken("it redirects twice")
    return Record(tuple(terms), *redirects)


def _term(word: str) -> Term:
    found = _TERM.fullmatch(word)
    if found is None:
        raise Broken("it has a term that SPF does not know")
    sign, kind, target, length = found.groups()
    term = Term(RESULTS[sign or "+"], kind.lower(), target or "", int(length or 32))
    if term.kind in {"ip4", "ip6"}:
        return term._replace(network=_network(word))
    if term.length > IPV4LENGTH or (term.kind in {"include", "exists"} and not target):
        raise Broken("it has a term that SPF does not know")
    return term


def _network(word: str) -> IPv4Network | IPv6Network:
    kind, _, written = word.lstrip("+-~?").partition(":")
    try:
        network = ip_network(written, strict=False)
    except ValueError:
        raise Broken("it has a network that is none") from None
    if f"ip{network.version}" != kind.lower():
        raise Broken("it has a network that is none")
    return network


def expanded(target: str, domain: str, client: IPv4Address) -> str:
    """The domain that a term names. Raises Broken, and Undecided where the sender decides."""

    def value(found: re.Match[str]) -> str:
        letter, digits, backwards, delimiters, literal, _ = found.groups()
        if literal:
            return _LITERALS[literal]
        if not letter or digits == "0":
            raise Broken("it has a macro that SPF does not know")
        if letter.lower() in _OF_THE_SENDER:
            raise Undecided
        values = {"d": domain, "o": domain, "i": str(client), "v": "in-addr"}
        if (text := values.get(letter.lower())) is None:
            raise Broken("it has a macro that SPF does not know")
        parts = re.split(f"[{re.escape(delimiters or '.')}]", text)
        parts = parts[::-1] if backwards else parts
        return ".".join(parts[-int(digits) :] if digits else parts)

    return _MACRO.sub(value, target)
