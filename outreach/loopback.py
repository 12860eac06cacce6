"""Classifies addresses: this machine itself, where a fake Gmail may be, or the public internet."""

import os
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from outreach.urls import host_of

HOSTS = ("127.0.0.1", "localhost", "::1")

_IETF = ip_network("192.0.0.0/24")
_UNICAST = IPv6Network("2000::/3")
_TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("3fff::/20"))
"""6to4 and Teredo, which lead to an IPv4 address of any kind; and documentation."""
_NAT64 = IPv6Network("64:ff9b::/96")


def never_through_a_proxy() -> None:
    """Exempt this machine from proxies, for this process and its children.

    Most libraries use HTTP_PROXY and its kin for every address that NO_PROXY does not name.
    """
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host for host in named.split(",") if host]
    exempt = ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*" if "*" in hosts else exempt


def is_loopback(url: str) -> bool:
    """Whether a web address leads to this machine."""
    return is_loopback_host(host_of(url))


def is_loopback_host(host: str) -> bool:
    """`localhost`, or an IP address of either family without brackets."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also inside an IPv6 wrapper."""
    ip = ip_address(address)
    match ip:
        case IPv6Address(ipv4_mapped=IPv4Address() as inner):
            return is_public(str(inner))
        case IPv6Address() if ip in _NAT64:
            return is_public(str(IPv4Address(int(ip) & 0xFFFF_FFFF)))
        case IPv6Address():
            tunnelled = any(ip in network for network in _TUNNELS)
            return ip in _UNICAST and ip.is_global and not tunnelled
        case _:
            return ip.is_global and not ip.is_multicast and ip not in _IETF
