"""Serves the pages to this machine's browser, under an address that cannot be guessed."""

import asyncio
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from outreach.errors import ConfigurationError, reason_of
from outreach.mail import parts
from outreach.web import show
from outreach.web.guard import LocalOnly
from outreach.web.rendering import POLICY, SAFE, framed, inert
from outreach.web.show import Shown

AROUND = 40
"""Leads in the list before and after the selected one."""


class Pages:
    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def routes(self) -> list[Route]:
        return [
            Route("/", self.first),
            Route("/style.css", _style),
            Route("/attachment", self.attachment),
            Route("/{number:int}", self.mail),
            Route("/{number:int}/html", self.html),
            Route("/{number:int}/mail.eml", self.source),
        ]

    async def first(self, request: Request) -> Response:
        """Redirect to the first mail with a problem, or else to the first one."""
        number = next(iter(self._shown.wrong), 1)
        return RedirectResponse(f"{request.url.path}{number}", headers=SAFE)

    async def attachment(self, _: Request) -> Response:
        """Always as a download."""
        attached = self._shown.attachment
        if attached is None:
            raise HTTPException(404)
        response = inert(parts.tree(attached.part).data, "application/octet-stream")
        name = quote(attached.name, safe="")
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        return response

    async def mail(self, request: Request) -> Response:
        number = self._number(request)
        count = len(self._shown.previews)
        listed = range(max(1, number - AROUND), min(count, number + AROUND) + 1)
        after = [wrong for wrong in self._shown.wrong if wrong > number]
        content = show.page(
            "mail.html",
            **self._shown.values(number),
            listed=listed,
            next_wrong=after[0] if after else None,
        )
        policy = {"Content-Security-Policy": f"{POLICY}'none'"}
        return HTMLResponse(content, headers={**SAFE, **policy, "Cache-Control": "no-store"})

    async def html(self, request: Request) -> Response:
        made = self._shown.made(self._number(request))
        if made is None:
            raise HTTPException(404)
        return framed(made.rendered.html)

    async def source(self, request: Request) -> Response:
        number = self._number(request)
        made = self._shown.made(number)
        if made is None:
            raise HTTPException(404)
        response = inert(bytes(made.mail), "message/rfc822")
        response.headers["Content-Disposition"] = f'attachment; filename="{number:04}.eml"'
        return response

    def _number(self, request: Request) -> int:
        number: int = request.path_params["number"]
        if not 1 <= number <= len(self._shown.previews):
            raise HTTPException(404)
        return number


async def _style(_: Request) -> Response:
    return Response(show.stylesheet(), media_type="text/css", headers=SAFE)


def application(shown: Shown, token: str) -> Starlette:
    """The token in the path keeps other pages and users of this machine out."""
    return Starlette(
        routes=[Mount(f"/{token}", routes=Pages(shown).routes())],
        middleware=[Middleware(LocalOnly)],
    )


class _Server(uvicorn.Server):
    def __init__(self, app: Starlette, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(shown: Shown, port: int, announce: Callable[[str], None], *, browser: bool) -> None:
    """Serve until Ctrl-C; calls `announce` with the address as soon as it answers."""
    token = secrets.token_urlsafe(24)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise ConfigurationError(
            f"The preview cannot listen on port {port} ({reason_of(error)})", "name another, or 0"
        ) from None
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"

    def ready() -> None:
        announce(url)
        if browser:
            # A browser in the terminal would block the server.
            Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    with suppress(KeyboardInterrupt):
        asyncio.run(_Server(application(shown, token), ready).serve([listener]))
