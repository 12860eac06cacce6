"""Who asks, and how often one address may ask for what does not exist."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

BURST = 20
"""Unknown tokens that a client may ask for at once."""
SECONDS = 10.0
"""One more each so many seconds."""
MOST_CLIENTS = 10_000
_SUBNET = 64
"""Bits of an IPv6 address that name a network: one customer has all addresses of it."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks with commas between. Raises ValueError."""
    return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())


def client_of(peer: str | None, forwarded: Iterable[str], proxies: Sequence[Network]) -> str:
    """The address of the client, an IPv6 one as its network.

    `peer`: who opened the connection; `forwarded`: the values of X-Forwarded-For, which a client
    may write as it likes. So they count from the last on, as far as proxies of ours wrote them.
    """
    client = _address(peer or "")
    told = [name.strip() for value in forwarded for name in value.split(",")]
    while client is not None and told and any(client in network for network in proxies):
        before = _address(told.pop())
        if before is None:
            break
        client = before
    if isinstance(client, IPv6Address):
        return str(ip_network((client, _SUBNET), strict=False))
    return str(client or "unknown")


def _address(text: str) -> Address | None:
    """Also with a port, as some proxies write it."""
    host = text.partition("]")[0].removeprefix("[")
    if text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


class Misses:
    """Counts the unknown tokens of each client; keeps those of the last 10,000 clients."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Client -> how many it may still ask for, and when that was counted."""

    def count(self, client: str, now: float) -> float:
        """Seconds that the client has to wait; 0: it may ask. `now`: in seconds of any clock."""
        left, since = self._left.pop(client, (float(BURST), now))
        left = min(BURST, left + (now - since) / SECONDS)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * SECONDS
