"""HTTP transport to Gmail: urllib3 posts a request once.

httplib2, which comes with Google's client, posts again on its own when the server closes the
connection without a response, and a mail goes out twice. Here no lower layer repeats a request,
except after a 401, which is a refusal.
"""

import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from outreach.errors import ConfigurationError
from outreach.loopback import is_loopback
from outreach.mail.mime import Mail

S = TypeVar("S", bound=requests.Session)

KEPT = 64
"""Connections kept alive between requests, for all threads of a process that send."""
MOST = 8 * 1024 * 1024
"""Octets of a response; a page of five hundred drafts has 50,000."""


class _Until(io.RawIOBase):
    """Reads from a connection until a deadline, however slowly the bytes come.

    A socket's own time-out restarts with each byte.
    """

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection
        self._latest = time.monotonic() + (connection.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _let_wait(self._connection, self._latest)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """A response whose head and body arrive before the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Until(self.fp.detach(), sock))


class _Timed(HTTPConnection):
    """One time-out for a request as a whole, even while bytes keep coming."""

    response_class = _Answer
    _latest = 0.0

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._latest = time.monotonic() + float(self.timeout or 0)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is not None and self._latest:
            _let_wait(self.sock, self._latest)
        super().send(data)


class _Https(_Timed, HTTPSConnection):
    """Distinguishes a failure while connecting, TLS included, from a later one.

    urllib3 reports a slow handshake as a read time-out, and any TLS failure alike.
    """

    def connect(self) -> None:
        try:
            super().connect()
        except urllib3.exceptions.ConnectTimeoutError:
            raise
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise urllib3.exceptions.NewConnectionError(self, cause) from error


def _let_wait(connection: socket.socket, latest: float) -> None:
    left = latest - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Once(HTTPAdapter):
    """Sends each request once: no retries, which is its default, made explicit."""

    def __init__(self) -> None:
        super().__init__(max_retries=urllib3.Retry(0, read=False), pool_maxsize=KEPT)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def way_to(self, url: str, session: requests.Session) -> tuple[HTTPConnectionPool, str]:
        """The pool of connections to `url`, and the prefix of its URLs that a request omits.

        Raises ConfigurationError when the certificates for verification are missing.
        """
        how = session.merge_environment_settings(url, {}, False, None, None)
        request = requests.Request("POST", url).prepare()
        pool: Any = self.get_connection_with_tls_context(
            request, how["verify"], how["proxies"], how["cert"]
        )
        try:
            self.cert_verify(pool, url, how["verify"], how["cert"])  # type: ignore[no-untyped-call]
        except OSError as error:
            raise ConfigurationError(f"{error}", "correct REQUESTS_CA_BUNDLE") from None
        parts = urlsplit(url)
        in_full = self.request_url(request, how["proxies"]) != request.path_url  # for a proxy
        return pool, "" if in_full else f"{parts.scheme}://{parts.netloc}"


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


def without_retries(session: S, url: str) -> S:
    """The `session`, sending each request once, and without a proxy to this machine."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Once())
    session.auth = _as_it_is
    session.trust_env = not is_loopback(url)
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps `requests` from replacing the access token by a password from ~/.netrc."""
    return request


def body_of(answer: urllib3.BaseHTTPResponse, limit: int = MOST) -> bytes:
    """The decoded body. Raises urllib3's errors, and ResponseTooLarge before all is read."""
    length = answer.length_remaining
    is_small = length is not None and length <= limit and "content-encoding" not in answer.headers
    body = answer.read() if is_small else answer.read(limit + 1)
    if len(body) > limit:
        answer.close()
        raise ResponseTooLarge
    answer.release_conn()
    return body


class ResponseTooLarge(Exception):
    """Google sends no response of this size."""


def never_connected(error: BaseException) -> bool:
    """Whether it is certain that no byte of the request has left."""
    return isinstance(error, urllib3.exceptions.ConnectTimeoutError | urllib3.exceptions.ProxyError)


class Connections:
    """The connections to Gmail, kept alive between requests, shared by all accounts and threads.

    `requests` decides once on proxies and certificates: its work around each request would cost two
    fifths more.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.timeout = timeout
        self._in_all = urllib3.Timeout(total=timeout)
        self._session = without_retries(requests.Session(), url)
        adapter: Any = self._session.get_adapter(url)
        self._pool: HTTPConnectionPool
        self._pool, self._origin = adapter.way_to(url, self._session)

    def send(
        self, method: str, uri: str, body: Mail | bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """The response, with its body unread. Raises urllib3's errors unchanged."""
        return self._pool.urlopen(
            method,
            uri.removeprefix(self._origin),
            body=body,
            headers=headers,
            timeout=self._in_all,
            preload_content=False,
            retries=False,
            redirect=False,
            assert_same_host=False,
        )

    def close(self) -> None:
        self._session.close()
