"""Runs a sandbox: on a thread of this process, or as the process's only job. Loopback only."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from gmail_sandbox import app, consent, control, oauth, pages
from gmail_sandbox.broken import Connection
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.state import State
from outreach.errors import ConfigurationError, reason_of
from outreach.web.guard import LocalOnly

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox. `url` is GMAIL_API_URL; the others are the two settings GOOGLE_…_URL."""

    url: str
    state: State

    @property
    def mailbox(self) -> Mailbox:
        return self.state.mailbox

    @property
    def token_url(self) -> str:
        return f"{self.url}/token"

    @property
    def auth_url(self) -> str:
        return f"{self.url}{consent.PATH}"


class Server(uvicorn.Server):
    def __init__(self, state: State, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            application(state),
            http=Connection,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # Google's front ends keep idle connections for minutes: 5 s would lose posts that a
            # paced sender makes on a connection just closed.
            timeout_keep_alive=240,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection) and connection.stalled:
                connection.reset()
        await super().shutdown(sockets)


def application(state: State) -> Starlette:
    routes = [
        *app.routes(state),
        *oauth.routes(state),
        *consent.routes(state),
        *control.Control(state).routes(),
        *pages.Pages(state).routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(LocalOnly)],
        exception_handlers={404: pages.not_found},
    )


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"The sandbox cannot listen on port {port} ({reason_of(error)}); name another, or 0."
        ) from None


def _address(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def serve(port: int = 0, data: Path | None = None) -> Iterator[Sandbox]:
    """A sandbox on its own thread and event loop, for as long as the block lasts."""
    listener, ready = _listen(port), Event()
    state = State(data)
    server = Server(state, ready.set)
    thread = Thread(
        target=lambda: asyncio.run(server.serve([listener])), name="gmail-sandbox", daemon=True
    )
    url = _address(listener)
    thread.start()
    try:
        if not ready.wait(timeout=30):
            raise RuntimeError("The sandbox did not start within 30 s.")
        yield Sandbox(url, state)
    finally:
        server.should_exit = True
        thread.join()
        state.mailbox.close()


def run(port: int, data: Path | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; prints the address when ready."""
    listener = _listen(port)
    line = f"Gmail sandbox on {_address(listener)}\n"
    state = State(data)

    def announce() -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        asyncio.run(Server(state, announce).serve([listener]))
    state.mailbox.close()
