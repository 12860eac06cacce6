"""A proxy before Prefect's server that lets no websocket through, as many a company has one."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: str
    refused: list[str]

    def answer(self) -> None:
        if "upgrade" in self.headers.get("Connection", "").lower():
            self.refused.append(self.path)
            self._send(502, b"")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        passed = {
            name: text
            for name, text in self.headers.items()
            if name.lower() not in {"host", "connection", "content-length", "accept-encoding"}
        }
        told = httpx.request(
            self.command, self.origin + self.path, content=body, headers=passed, timeout=60
        )
        self._send(told.status_code, told.content, told.headers.get("content-type"))

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - names of http.server

    def _send(self, status: int, body: bytes, kind: str | None = None) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status != httpx.codes.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def without_websockets(api: str) -> Iterator[tuple[str, list[str]]]:
    """The address of the API behind the proxy, and the paths of the websockets that it refused."""
    refused: list[str] = []
    handler = type("Handler", (_Handler,), {"origin": api.removesuffix("/api"), "refused": refused})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api", refused
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
