"""The questions of one check to DNS: side by side, and all ended together."""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from outreach.domains.recipient import Receiving, look_up_recipient
from outreach.domains.resolver import Resolver
from outreach.domains.sender import SenderDomain, look_up_sender
from outreach.loopback import is_loopback
from outreach.settings import Settings
from outreach.urls import servers

SECONDS = 5.0
"""The longest time for which a check waits for DNS, over all its questions."""
SIDE_BY_SIDE = 16
"""Domains that are looked up at once."""

Found = TypeVar("Found")


class Lookups:
    """Ends with its block: what was not answered by then is unknown."""

    def __init__(self, resolver: Resolver, seconds: float = SECONDS) -> None:
        self._resolver = resolver
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="dns")
        self._senders: dict[str, Future[SenderDomain]] = {}
        self._recipients: dict[str, Future[Receiving]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resolver.end_by(0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def begin_sender(self, domain: str) -> None:
        ask = partial(look_up_sender, self._resolver, domain)
        self._senders[domain] = self._threads.submit(ask)

    def begin_recipient(self, domain: str) -> None:
        ask = partial(look_up_recipient, self._resolver, domain)
        self._recipients[domain] = self._threads.submit(ask)

    def end(self, until: float | None = None) -> tuple[list[SenderDomain], dict[str, Receiving]]:
        """All that was begun, each found or unknown: in SECONDS, and by `until` (monotonic)."""
        latest = time.monotonic() + self._seconds
        latest = latest if until is None else min(latest, until)
        self._resolver.end_by(latest)
        begun: list[Future[Any]] = [*self._senders.values(), *self._recipients.values()]
        wait(begun, max(0, latest - time.monotonic()))
        senders = [
            _found(answer) or SenderDomain(domain) for domain, answer in self._senders.items()
        ]
        recipients = {
            domain: _found(answer) or "unknown" for domain, answer in self._recipients.items()
        }
        return senders, recipients


def lookups_for(settings: Settings) -> AbstractContextManager[Lookups | None]:
    """None where DNS is not to be asked: it is switched off, or Gmail is the sandbox, whose
    domains no DNS has, and no server is named.
    """
    sandbox = is_loopback(settings.gmail_api_url) and not settings.dns_servers
    if sandbox or not settings.domain_checks:
        return nullcontext()
    return Lookups(Resolver(servers(settings.dns_servers)))


def _found(answer: Future[Found]) -> Found | None:
    """None for one that is late, and for unexpected data: neither says anything of the domain."""
    try:
        return answer.result(0)
    except Exception:  # noqa: BLE001 - whatever a name or a record did
        return None
