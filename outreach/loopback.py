"""Which addresses lead to this machine itself: there a pretended Gmail or database may be."""

import os
from ipaddress import ip_address

from outreach.urls import host_of

HOSTS = ("127.0.0.1", "localhost", "::1")


def never_through_a_proxy() -> None:
    """From here on nothing of this process, or of what it starts, asks a proxy for this machine.

    Most libraries take HTTP_PROXY and its kin for every address that NO_PROXY does not name.
    """
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    hosts = [host for host in named.split(",") if host]
    told = ",".join([*hosts, *(host for host in HOSTS if host not in hosts)])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*" if "*" in hosts else told


def is_loopback(url: str) -> bool:
    """Of a web address."""
    return is_loopback_host(host_of(url))


def is_loopback_host(host: str) -> bool:
    """`localhost`, or an IP address of either family without brackets."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
