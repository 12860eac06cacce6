"""Web addresses: checks them, and shortens them for messages."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

import idna

LONGEST_SHOWN = 200
SCHEMES = ("https", "http")

_URL = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):)?//(?P<host>[^/?#\\]*)(?P<path>[^?#]*)", re.IGNORECASE
)
_HOST = re.compile(r"[\w.-]*(:\d*)?|\[[\da-f.:]*\](:\d*)?", re.IGNORECASE)
_USER = re.compile(r"[^/@]*:[^@]*@")
_IN_A_PATH = "/%:@!$&'()*+;=~"
_SERVER = re.compile(r"\[([^\]]*)\](?::(\d{1,5}))?|([\d.]+)(?::(\d{1,5}))?")
_PORTS = 65_536
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE)


def shown(address: str) -> str:
    """The address for a message: `https://host/path`, or a file's name unchanged.

    Never a user, a password, a query or a fragment: a signed address is a key. At most 200
    characters.
    """
    text = address.strip()
    if found := _URL.match(text):
        host = found["host"].rpartition("@")[2]
        # A password with a slash in it ends the host too early: then show nothing of it.
        rest = f"{host}{found['path']}" if _HOST.fullmatch(host) else "…"
        text = f"{found['scheme']}://{rest}" if found["scheme"] else f"//{rest}"
    else:
        text = _USER.sub("", text.partition("?")[0], count=1)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def host_of(address: str) -> str:
    """Its host for a message; empty when the address has none or cannot be parsed."""
    parts = split(address)
    return (parts.hostname or "") if parts else ""


def split(address: str) -> SplitResult | None:
    """Its parts; None if no client can request it: no host, open brackets, an invalid port."""
    if not address.isprintable() or re.search(r"[\s\\]", address):
        return None
    try:
        parts = urlsplit(address)
        usable = parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:
        return None
    return parts if usable else None


def web_address(address: str) -> str:
    """The address, if a setting may hold it: without user, password or query.

    Raises ValueError with the fault, without repeating the address.
    """
    parts = split(address)
    if parts is None or parts.scheme not in SCHEMES:
        raise ValueError("it is no web address, which looks like https://example.com")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("a user, a password, “?” and “#” have no place in this address")
    return address


def servers(text: str, port: int = 53) -> list[tuple[str, int]]:
    """IP addresses with commas between, each with its port: `10.0.0.1, [::1]:5353`.

    Raises ValueError, which does not repeat them.
    """
    found = []
    for written in filter(None, map(str.strip, text.split(","))):
        match = _SERVER.fullmatch(written)
        address = str(ip_address((match[1] or match[3]) if match else written))
        own = int(match[2] or match[4] or port) if match else port
        if not 0 < own < _PORTS:
            raise ValueError("a port is a number up to 65535")
        found.append((address, own))
    return found


def ascii_address(address: str) -> str:
    """An address of `web_address` in ASCII, as a header carries it: punycode, percent-encoded."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    written = host if host.isascii() else idna.encode(host, uts46=True).decode()
    written = f"[{written}]" if ":" in written else written
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{written}{port}{quote(parts.path, safe=_IN_A_PATH)}"


def _is_host(host: str) -> bool:
    try:
        return bool(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        ascii_host = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return False
    labels = ascii_host.removesuffix(".").split(".")
    return all(map(_LABEL.fullmatch, labels))
