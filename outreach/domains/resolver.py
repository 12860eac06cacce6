"""Asks DNS for records. Each question ends in time; what is not known is not taken for absent.

A recursive resolver is asked, the system's or that of DNS_SERVERS. No mail server is contacted.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

QUERY_SECONDS = 5.0
"""The longest question, over all servers and repetitions."""
TRY_SECONDS = 2.0
"""The longest wait for one server."""
MOST_RECORDS = 200
"""Records of an answer. A domain that mails has a few; more are neither read nor cached."""
CACHED_ANSWERS = 4096
CACHED_SECONDS = 3600.0
"""The longest time that an answer is cached; below it, the records' own TTL."""
_PAYLOAD = 1232
"""Octets of an answer by UDP; larger ones come by TCP."""

Server = tuple[str, int]
"""The address of a DNS server, and its port."""


class Unanswered(Exception):
    """DNS gave no answer that proves anything: nothing is known of the name."""


class Records(NamedTuple):
    """The records of a name, none of which may exist."""

    values: tuple[Any, ...] = ()
    exists: bool = True
    """False: the name itself does not exist (NXDOMAIN)."""


class Resolver:
    """For many threads. Every method raises Unanswered."""

    def __init__(self, servers: Sequence[Server] = ()) -> None:
        self._until = inf
        self._resolver = _configured(tuple(servers))

    def end_by(self, until: float) -> None:
        """End every question by then, in seconds of the monotonic clock."""
        self._until = until

    def texts(self, name: str) -> Records:
        """The TXT records, each as one text: a record may consist of several strings."""
        found = self._ask(name, "TXT")
        texts = (b"".join(record.strings).decode("utf-8", "replace") for record in found.values)
        return found._replace(values=tuple(texts))

    def exchanges(self, name: str) -> Records:
        """The hosts of the MX records, by preference; `.` stands for none (RFC 7505)."""
        found = self._ask(name, "MX")
        ordered = sorted(found.values, key=lambda record: record.preference)
        return found._replace(values=tuple(_text(record.exchange) for record in ordered))

    def addresses(self, name: str, kind: str = "A") -> Records:
        """The addresses, of the kind `A` or `AAAA`."""
        found = self._ask(name, kind)
        return found._replace(values=tuple(record.address for record in found.values))

    def _ask(self, name: str, kind: str) -> Records:
        if self._resolver is None:
            raise Unanswered
        lasts = min(QUERY_SECONDS, self._until - time.monotonic())
        try:
            answer = self._resolver.resolve(
                dns.name.from_text(name), kind, lifetime=lasts, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as error:
            responses: dict[dns.name.Name, dns.message.Message] = error.kwargs["responses"]
            return _absent(next(iter(responses.values())), exists=False)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise Unanswered from error
        if answer.rrset is None:
            return _absent(answer.response, exists=True)
        if len(answer.rrset) > MOST_RECORDS:
            raise Unanswered
        return Records(tuple(answer.rrset))


def _absent(response: dns.message.Message, *, exists: bool) -> Records:
    """A referral of a server that does not resolve, or an alias that ends nowhere, is no proof."""
    resolved = response.flags & (dns.flags.RA | dns.flags.AA)
    proven = any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)
    if not resolved or (exists and response.answer and not proven):
        raise Unanswered
    return Records(exists=exists)


def _configured(servers: tuple[Server, ...]) -> dns.resolver.Resolver | None:
    """None where the system names no DNS server."""
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
    except (dns.exception.DNSException, OSError):
        return None
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]
    resolver.timeout = TRY_SECONDS
    resolver.use_edns(0, 0, _PAYLOAD)
    resolver.cache = _cache(servers)
    return resolver


class _Cache(dns.resolver.LRUCache):
    """Bounded in answers, in their size and in time: all three come from outside."""

    def put(self, key: Any, value: dns.resolver.Answer) -> None:
        if sum(map(len, (*value.response.answer, *value.response.authority))) <= MOST_RECORDS:
            value.expiration = min(value.expiration, time.time() + CACHED_SECONDS)
            super().put(key, value)


@lru_cache(maxsize=8)
def _cache(servers: tuple[Server, ...]) -> _Cache:  # noqa: ARG001 - a cache for each
    """Of this process."""
    return _Cache(CACHED_ANSWERS)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=len(name) > 1)
