"""Evaluates a domain's SPF record for a mail that Google sends, as a receiver would (RFC 7208)."""

from ipaddress import IPv4Address, ip_network
from typing import NamedTuple

from outreach.domains.resolver import Records, Resolver
from outreach.domains.spf_record import Broken, Record, Term, expanded, record_among

GOOGLE = "_spf.google.com"
"""The record that Google asks to include. Its networks change; that it covers Google does not."""
CLIENT = IPv4Address("209.85.220.41")
"""A server of Google's that sends (mail-sor-f41.google.com), for records that list networks."""
MOST_LOOKUPS, MOST_VOID, MOST_EXCHANGES = 10, 2, 10
"""Receivers evaluate no record that needs more."""


class Spf(NamedTuple):
    """The result of the domain's record for Google's servers."""

    result: str
    """pass, fail, softfail, neutral; none: there is no record; permerror: it is broken."""
    problem: str = ""
    """Of a permerror, for people: `there are several`."""


def evaluate(resolver: Resolver, domain: str) -> Spf:
    """Raises Unanswered, and Undecided where the result depends on the sender's address."""
    try:
        return Spf(_Evaluation(resolver).result(domain))
    except Broken as broken:
        return Spf("permerror", str(broken))


class _Evaluation:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._lookups = self._void = 0

    def result(self, domain: str) -> str:
        record = record_among(self._resolver.texts(domain).values)
        if record is None:
            return "none"
        for term in record.terms:
            if self._matches(term, domain):
                return term.result
        return self._redirected(record, domain)

    def _redirected(self, record: Record, domain: str) -> str:
        if not record.redirect:
            return "neutral"
        target = self._counted(record.redirect, domain)
        result = "pass" if target == GOOGLE else self.result(target)
        if result == "none":
            raise Broken("it redirects to a domain without one")
        return result

    def _matches(self, term: Term, domain: str) -> bool:
        match term.kind:
            case "all":
                return True
            case "ip4" | "ip6":
                return term.network is not None and CLIENT in term.network
        target = self._counted(term.target, domain)
        match term.kind:
            case "include":
                return self._includes(target)
            case "exists":
                return bool(self._found(self._resolver.addresses(target)).values)
            case "a":
                return self._is_at(target, term.length)
            case "mx":
                return self._is_exchange(target, term.length)
        return False  # ptr: Google's servers have names of Google's alone

    def _counted(self, target: str, domain: str) -> str:
        """The domain to look up; counts it."""
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise Broken(f"it needs more than {MOST_LOOKUPS} look-ups")
        return expanded(target, domain, CLIENT).lower().rstrip(".") or domain

    def _includes(self, target: str) -> bool:
        if target == GOOGLE:
            return True
        result = self.result(target)
        if result == "none":
            raise Broken("it includes a domain without one")
        return result == "pass"

    def _is_exchange(self, target: str, length: int) -> bool:
        hosts = self._found(self._resolver.exchanges(target)).values
        if len(hosts) > MOST_EXCHANGES:
            raise Broken("it names a domain with too many mail servers")
        return any(self._is_at(host, length) for host in hosts if host != ".")

    def _is_at(self, host: str, length: int) -> bool:
        addresses = self._found(self._resolver.addresses(host)).values
        return any(CLIENT in ip_network((one, length), strict=False) for one in addresses)

    def _found(self, records: Records) -> Records:
        """Counts a look-up without a record."""
        self._void += not records.values
        if self._void > MOST_VOID:
            raise Broken(f"more than {MOST_VOID} of its look-ups find nothing")
        return records
