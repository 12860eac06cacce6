"""Keeps foreign web pages out: other pages in the browser must not control or read this server."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class LocalOnly:
    """Accepts only a loopback host name (against DNS rebinding) and requests from its own pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_local(Headers(scope=scope)):
            await self.app(scope, receive, send)
        else:
            await _refusal(scope)(scope, receive, send)


def _refusal(scope: Scope) -> ASGIApp:
    """A websocket that is closed before it was accepted gets a 403, too."""
    if scope["type"] == "websocket":
        return WebSocketClose(1008)
    return PlainTextResponse("This answers to this machine alone.", 403)


def _is_local(headers: Headers) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in LOOPBACK and origin in {None, f"http://{host}"}
