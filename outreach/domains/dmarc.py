"""Finds a domain's DMARC policy by a walk up the DNS tree, as DMARCbis has it.

It needs no list of public suffixes: an organisation's domain is found by the records themselves. A
list in a package ages, is downloaded from outside, or both; a walk takes eight questions at most.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from outreach.domains.resolver import Resolver

POLICIES = ("none", "quarantine", "reject")
LONGEST = 10_000
"""Characters of a record that is parsed."""
_DEEPEST = 7
"""Labels from which the walk goes on above a long name."""
_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(?:;|$)")

Tags = dict[str, str]


class Dmarc(NamedTuple):
    """The policy that applies to the domain."""

    policy: str
    """none, quarantine or reject; empty: there is none."""
    at: str = ""
    """The domain of the record: this one, or its organisation's."""
    problem: str = ""
    """Why a record counts for nothing, for people: `there are several`."""


def find_policy(resolver: Resolver, domain: str) -> Dmarc:
    """Of mail from a domain that exists, so that `np` does not count. Raises Unanswered."""
    records: dict[str, Tags] = {}
    problem = ""
    for name in walk(domain):
        tags, found = _record_at(resolver, name)
        problem = problem or found
        if tags is not None:
            records[name] = tags
            if name == domain or tags.get("psd") in {"y", "n"}:
                break
    return _applied(domain, records) or Dmarc("", problem=problem)


def walk(domain: str) -> Iterator[str]:
    """The domain and those above it, the top-level domain last; eight at most."""
    yield domain
    labels = domain.split(".")
    for count in range(min(len(labels) - 1, _DEEPEST), 0, -1):
        yield ".".join(labels[-count:])


def _applied(domain: str, records: dict[str, Tags]) -> Dmarc | None:
    """The record of the domain, else its organisation's, else that of the suffix above that."""
    if not records:
        return None
    if domain in records:
        return Dmarc(policy_of(records[domain]), domain)
    top = min(records, key=lambda name: name.count("."))
    labels = domain.split(".")
    below = ".".join(labels[-(top.count(".") + 2) :])
    at = below if records[top].get("psd") == "y" and below in records else top
    tags = records[at]
    own = tags.get("sp", "")
    return Dmarc(own if own in POLICIES else policy_of(tags), at)


def _record_at(resolver: Resolver, name: str) -> tuple[Tags | None, str]:
    """The valid record at a domain, or why the one there counts for nothing."""
    texts = resolver.texts(f"_dmarc.{name}").values
    found = [text for text in texts if _VERSION.match(text)]
    if not found:
        return None, ""
    if len(found) > 1:
        return None, "there are several"
    tags = _tags(found[0])
    return (tags, "") if policy_of(tags) else (None, "it names no policy")


def policy_of(tags: Tags) -> str:
    """`p`; where that is missing or unknown, none if reports are asked for, else no policy."""
    if tags.get("p") in POLICIES:
        return tags["p"]
    return "none" if "mailto:" in tags.get("rua", "").lower() else ""


def _tags(text: str) -> Tags:
    pairs = (part.partition("=") for part in text[:LONGEST].split(";"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
