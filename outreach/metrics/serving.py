"""Serves metrics and health on a port of its own, beside the work of a process.

A taken port stops nothing: it is told, and tried again until it is free.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from outreach.errors import reason_of

AGAIN_SECONDS = 30.0
"""Until the next attempt to listen."""
CONNECTIONS = 20
"""Requests at once; more get 503."""

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class MetricsServer:
    """`/metrics` of the registry; `/health`: this process lives; `/ready`: it does its work."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        host: str,
        port: int,
        setting: str,
        log: logging.Logger,
        is_ready: Callable[[], bool] = lambda: True,
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        """`setting`: the name of the one that sets the port, for messages."""
        self._host, self._port, self._setting = host, port, setting
        self._log = log
        self._again_seconds = again_seconds
        self._app = _application(registry, is_ready)
        self.address: str | None = None
        """http://HOST:PORT, once it listens."""

    def start(self) -> None:
        """Listen, or tell why not; serve in a thread that ends with the process."""
        listener = self._listen(tell=True)
        threading.Thread(target=self._serve, args=(listener,), name="metrics", daemon=True).start()

    def _listen(self, *, tell: bool) -> socket.socket | None:
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            if tell:
                self._log.error(
                    "No metrics for now: port %d of %s cannot be used (%s); free it or change %s",
                    self._port, self._host, reason_of(error), self._setting,
                )  # fmt: skip
            return None
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.address = f"http://{host}:{listener.getsockname()[1]}"
        self._log.info("Metrics: %s/metrics", self.address)
        return listener

    def _serve(self, listener: socket.socket | None) -> None:
        again = threading.Event()
        while listener is None:
            again.wait(self._again_seconds)
            listener = self._listen(tell=False)
        asyncio.run(_server(self._app).serve([listener]))


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
        )
    )


def _application(registry: CollectorRegistry, is_ready: Callable[[], bool]) -> Starlette:
    def metrics(request: Request) -> Response:
        # In a thread: a collector may wait for the database.
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(_: Request) -> Response:
        return PlainTextResponse("ok\n") if is_ready() else PlainTextResponse("not ready\n", 503)

    pages = {"/metrics": metrics, "/health": health, "/ready": ready}
    return Starlette(routes=[Route(path, answer) for path, answer in pages.items()])
