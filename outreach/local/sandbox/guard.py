"""Keeps web pages out: whatever a browser has open must not steer or read what is served here."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class LocalOnly:
    """Answers only to a loopback host name (against DNS rebinding) and to pages of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_local(Headers(scope=scope)):
            refused = PlainTextResponse("This answers to this machine alone.", 403)
            await refused(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_local(headers: Headers) -> bool:
    host, origin = headers.get("host", ""), headers.get("origin")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in LOOPBACK and origin in {None, f"http://{host}"}
