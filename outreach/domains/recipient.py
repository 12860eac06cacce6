"""Whether a domain takes mail, as DNS has it: its servers are never contacted."""

from typing import Literal

from outreach.domains.resolver import Resolver, Unanswered

Receiving = Literal["yes", "no domain", "null MX", "no address", "unknown"]
NO_EXCHANGE = "."


def look_up_recipient(resolver: Resolver, domain: str) -> Receiving:
    """By its MX records; without one the domain's own address takes its mail (RFC 5321, 5.1)."""
    try:
        found = resolver.exchanges(domain)
        if not found.exists:
            return "no domain"
        if found.values:
            return "null MX" if set(found.values) == {NO_EXCHANGE} else "yes"
        has_address = any(resolver.addresses(domain, kind).values for kind in ("A", "AAAA"))
    except Unanswered:
        return "unknown"
    return "yes" if has_address else "no address"
