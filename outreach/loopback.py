"""Which addresses lead to this machine itself: there a pretended Gmail or database may be."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Of a web address."""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    """`localhost`, or an IP address of either family without brackets."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
