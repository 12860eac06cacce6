"""Serves the application, and logs each request without its token."""

import asyncio
import logging
import re
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from outreach import commands
from outreach.errors import ConfigurationError, reason_of
from outreach.public import clients
from outreach.public.app import Recipients, application, log
from outreach.public.metrics import count, serve_metrics
from outreach.settings import Settings
from outreach.store.store import Store

STOP_SECONDS = 10
CONNECTIONS = 1000
"""Requests at once; more get 503."""
_SECRET = re.compile(r"(/unsubscribe/).*", re.IGNORECASE | re.DOTALL)
_LINE = 200


class Logged:
    """A line for each request, without its token and query; and a count by route and status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            took = (time.monotonic() - began) * 1000
            log.info("%s %s %d %.0f ms", scope["method"], _path(scope["path"]), status, took)
            count(scope["path"], status, took / 1000)


def _path(path: str) -> str:
    shown = _SECRET.sub(r"\1…", path)[:_LINE]
    return shown if shown.isprintable() else ascii(shown)


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=True,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def listen(host: str, port: int, options: str = "--host and --port") -> socket.socket:
    """Raises ConfigurationError, which names the command's `options` for another address."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"{commands.WEB} cannot listen on {host}, port {port} ({reason_of(error)})",
            f"name others with {options}",
        ) from None
    # asyncio sets it only where a socket names its protocol, which this one does not. An answer's
    # body would wait 40 ms for the client's acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(
    store: Store, settings: Settings, listener: socket.socket, ready: Callable[[], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM; calls `ready` as soon as it answers."""
    _log_to_stderr()
    serve_metrics(store, settings)
    recipients = Recipients(store, clients.networks(settings.web_proxies))
    server = _Server(Logged(application(recipients)), ready)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(server.serve([listener]))
    finally:
        recipients.close()


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
