"""Downloads a file from an untrusted https address: bounded in reach, time and size.

An address in a row must not lead into this machine or its network (server-side request forgery):
its host is resolved once, each of its IP addresses is checked, and the connection goes to a checked
one, so that DNS cannot change it a moment later.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from outreach.loopback import is_public
from outreach.urls import shown, split

SECONDS = 60.0
"""Seconds for the whole download: DNS, connections, redirects, headers and the file."""
CONNECT_SECONDS = 10.0
"""Seconds for one connection of it."""
MOST_ADDRESSES = 4
"""IP addresses of one host that are tried."""
MOST_HOPS = 5
"""Redirects that are followed, where they are allowed."""

_PIECE = 64 * 1024


class NotDownloaded(Exception):
    """The reason, worded to stand in brackets in a message."""


class Downloaded(NamedTuple):
    data: bytes
    disposition: str
    """The Content-Disposition header; empty without one."""


def download(address: str, limit: int, *, trusted: bool, seconds: float = SECONDS) -> Downloaded:
    """The file, at most `limit` octets.

    `trusted`: the address comes from the operator; it may lead anywhere, and redirects of its host
    are followed. Else the host has to be on the public internet, and a redirect is refused. Raises
    NotDownloaded.
    """
    with _Deadline(seconds) as deadline:
        try:
            return _followed(address, limit, deadline, trusted=trusted)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            deadline.check()
            raise NotDownloaded(_cause(e)) from None


# --- in time ------------------------------------------------------------------------------------


class _Deadline:
    """Shuts the connection down at the deadline: a slow drip never meets a socket time-out."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._socket: Any = None

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    @property
    def left(self) -> float:
        """Seconds left, more than 0. Raises NotDownloaded when time is up."""
        self.check()
        return max(self._ends - time.monotonic(), 0.001)

    def check(self) -> None:
        """Raises NotDownloaded when time is up: any other error then is its effect."""
        if time.monotonic() >= self._ends:
            raise NotDownloaded(f"it takes longer than {self._seconds:g} s") from None

    def watch(self, connection: Any) -> None:
        """Watch this socket from now on."""
        with self._lock:
            self._socket = connection
        self.check()

    def _expire(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # The plain socket's method: TLS's resets its state under a reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


# --- over one connection ------------------------------------------------------------------------


class _To(HTTPAdapter):
    """Connects to this IP address (None: the host's own), and passes each socket to `watch`."""

    def __init__(self, ip: str | None, watch: Callable[[Any], None], target: str) -> None:
        """`target`: path and query of the request."""
        self._ip = ip
        self._pools = {"https": _watched(watch, target)}
        super().__init__(max_retries=urllib3.Retry(0, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, tls = super().build_connection_pool_key_attributes(*args, **kwargs)
        if self._ip is None:
            return host, tls
        named = {"server_hostname": host["host"], "assert_hostname": host["host"]}
        return {**host, "host": self._ip}, {**tls, **named}

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Without the query: urllib3 logs this text, and a query may hold a key."""
        del proxies  # inside TLS a proxy does not see it
        return urlsplit(str(request.url)).path or "/"


def _watched(watch: Callable[[Any], None], target: str) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch(self.sock)

        def request(self, method: str, url: str, *more: Any, **named: Any) -> None:
            del url  # the path alone
            super().request(method, target, *more, **named)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


@contextmanager
def _answer(
    address: str, deadline: _Deadline, *, inside: bool
) -> Iterator[tuple[requests.Response, bool]]:
    """The response, its body unread, and whether all IP addresses of its host are public.

    `inside`: they need not be. Raises NotDownloaded.
    """
    if split(address) is None or not address.startswith("https://"):
        raise NotDownloaded("it is no https address")
    headers = {"Accept-Encoding": "identity", "Host": urlsplit(address).netloc.rpartition("@")[2]}
    # Not made by a session, which would add a password from ~/.netrc.
    request = requests.Request("GET", address, headers=headers).prepare()
    how: Any = requests.Session().merge_environment_settings(address, {}, True, None, None)
    if inside and select_proxy(address, how["proxies"]):
        ips: list[str | None] = [None]  # the name may be known to the proxy alone
    else:
        ips = list(_resolved(str(request.url)))
    public = all(ip is not None and is_public(ip) for ip in ips)
    if not (inside or public):
        raise NotDownloaded("its host is not on the public internet")
    with ExitStack() as opened:
        for ip in ips:
            adapter = opened.enter_context(closing(_To(ip, deadline.watch, request.path_url)))
            timeout = (min(deadline.left, CONNECT_SECONDS), deadline.left)
            try:
                found = adapter.send(request, timeout=timeout, **how)
            except requests.ConnectionError:
                if ip == ips[-1]:
                    raise
            else:
                yield opened.enter_context(found), public
                return


def _resolved(url: str) -> Iterator[str]:
    """IP addresses of the URL's host, each once, at most MOST_ADDRESSES."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise NotDownloaded("its host is not known") from None
    yield from list(dict.fromkeys(str(where[0]) for *_, where in found))[:MOST_ADDRESSES]


# --- to the file --------------------------------------------------------------------------------


def _followed(address: str, limit: int, deadline: _Deadline, *, trusted: bool) -> Downloaded:
    inside = trusted
    for _ in range(MOST_HOPS + 1):
        with _answer(address, deadline, inside=inside) as (answer, public):
            if not answer.is_redirect:
                return _whole(answer, limit, deadline)
            address = urljoin(address, answer.headers["location"])
        if not trusted:
            raise NotDownloaded(f"it redirects to {shown(address)}, which has to be named itself")
        # Trust in a public host does not extend to redirects into this network.
        inside = inside and not public
    raise NotDownloaded(f"it redirects more than {MOST_HOPS} times")


def _whole(answer: requests.Response, limit: int, deadline: _Deadline) -> Downloaded:
    if answer.status_code != requests.codes.ok:
        raise NotDownloaded(f"it answers HTTP {answer.status_code}")
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise NotDownloaded("it is sent compressed, though that was not asked for")
    data = bytearray()
    while piece := answer.raw.read1(_PIECE, decode_content=False):
        data += piece
        if len(data) > limit:
            raise NotDownloaded(f"it is larger than {limit // 1024 // 1024} MB")
    deadline.check()  # a shut connection looks like an end of file
    return Downloaded(bytes(data), answer.headers.get("content-disposition", ""))


def _cause(error: Exception) -> str:
    """The kind of failure alone: the error's text holds the address."""
    match error:
        case requests.exceptions.SSLError():
            return "nobody vouches for its host: the certificate is not valid"
        case requests.Timeout():
            return "it does not answer in time"
        case requests.ConnectionError():
            return f"its host cannot be reached ({type(error).__name__})"
        case _:
            return f"it was cut off ({type(error).__name__})"
