"""What receivers find in DNS about the domain of a sender."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from outreach.domains.dkim import Dkim, find_key
from outreach.domains.dmarc import Dmarc, find_policy
from outreach.domains.resolver import Resolver, Unanswered
from outreach.domains.spf import Spf, evaluate
from outreach.domains.spf_record import Undecided

GOOGLES = frozenset({"gmail.com", "googlemail.com"})
"""Domains of personal accounts: Google's own, and not for us to judge."""

Found = TypeVar("Found")


class SenderDomain(NamedTuple):
    """Each part is None where it is not known."""

    domain: str
    spf: Spf | None = None
    dmarc: Dmarc | None = None
    dkim: Dkim | None = None


def look_up_sender(resolver: Resolver, domain: str) -> SenderDomain:
    return SenderDomain(
        domain,
        _known(evaluate, resolver, domain),
        _known(find_policy, resolver, domain),
        _known(find_key, resolver, domain),
    )


def _known(find: Callable[[Resolver, str], Found], resolver: Resolver, domain: str) -> Found | None:
    try:
        return find(resolver, domain)
    except (Unanswered, Undecided):
        return None
