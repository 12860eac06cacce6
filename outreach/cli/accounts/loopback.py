"""Redirect page of the consent flow: on 127.0.0.1, until the command has its answer."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Event, Lock, Thread
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment

from outreach.errors import ConfigurationError, OutreachError, Rejected

T = TypeVar("T")
Query = Mapping[str, str]

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # The page's address holds a code.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_page = Environment(autoescape=True).from_string(
    files("outreach.cli.accounts").joinpath("loopback.html").read_text("utf-8")
)


class Visit(Generic[T]):
    """Takes the first answer to our request, and shows its outcome to the person."""

    def __init__(
        self,
        expects: Callable[[Query], bool],
        conclude: Callable[[Query], T],
        tell: Callable[[T], str],
    ) -> None:
        self._expects, self._conclude, self._tell = expects, conclude, tell
        self._once = Lock()
        self._outcome: Future[T] = Future()
        self._page: str | None = None
        self._shown = Event()

    def result(self, seconds: float) -> T:
        """The result or error of `conclude`, once its page was sent. Raises TimeoutError."""
        if not self._shown.wait(seconds):
            raise TimeoutError
        return self._outcome.result()

    def answer(self, target: str, send: Callable[[HTTPStatus, str], None]) -> None:
        """Handle a request. Only the expected one has an effect, and only once."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        if url.path != "/" or not self._expects(query):
            message = "This does not belong to the command that is waiting; nothing has changed."
            send(HTTPStatus.BAD_REQUEST, _page.render(heading="Not the answer", message=message))
            return
        with self._once:
            self._page = self._page or self._concluded(query)
        send(HTTPStatus.OK, self._page)
        self._shown.set()

    def _concluded(self, query: Query) -> str:
        try:
            result = self._conclude(query)
        except Exception as error:  # noqa: BLE001 - `result` raises it
            self._outcome.set_exception(error)
            known = isinstance(error, OutreachError | ConfigurationError | Rejected)
            message = str(error) if known else "Something unexpected happened."
            return _page.render(heading="Not connected", message=message)
        self._outcome.set_result(result)
        return _page.render(heading="Connected", message=self._tell(result))


class Loopback(ThreadingHTTPServer):
    """Listens on 127.0.0.1. One thread per connection: browsers open some that they never use."""

    # On Windows "reuse" lets another program listen on the same port.
    allow_reuse_address = os.name != "nt"
    visit: Visit[object]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def wait_for(self, visit: Visit[T], seconds: float) -> T:
        """Serve until that visit is over. Raises its error, and TimeoutError."""
        self.visit = visit  # type: ignore[assignment]
        serving = Thread(target=self._serve, daemon=True)
        try:
            serving.start()
            return visit.result(seconds)
        finally:
            if serving.is_alive():
                self.shutdown()

    def _serve(self) -> None:
        """Ctrl-C may close the socket before this thread has begun to serve."""
        with suppress(OSError, ValueError):
            self.serve_forever(poll_interval=0.05)


@contextmanager
def listening(port: int) -> Iterator[Loopback]:
    """A page on this port, or on a free one for 0. Raises ConfigurationError."""
    try:
        server = Loopback(("127.0.0.1", port), _Request)
    except OSError as error:
        raise ConfigurationError(
            f"Port {port} of this machine cannot be used ({error.strerror})", "name another"
        ) from None
    with server:
        yield server


class _Request(BaseHTTPRequestHandler):
    server: Loopback
    timeout = 30

    def do_GET(self) -> None:
        self.server.visit.answer(self.path, self._send)

    def _send(self, status: HTTPStatus, page: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Logs nothing: the line would hold the code."""
