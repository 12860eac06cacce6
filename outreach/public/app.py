"""The routes: only POST unsubscribes, since scanners of mails fetch every link.

Known tokens are never limited: one-click requests come from a few addresses of mail providers.
"""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from typing import Any, TypeVar
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from outreach.errors import ConfigurationError, OutreachError
from outreach.mail.unsubscribe import CANARY
from outreach.public import clients, forms
from outreach.public.metrics import UNSUBSCRIBES
from outreach.public.opens import Opens
from outreach.public.page import HEADERS, Shown, language_of, page
from outreach.store.store import Store

THREADS = 8
"""Calls of the database at once."""
MOST_WAITING = 400
"""Requests that wait for the database; more are sent away."""
SECONDS = 5.0
"""The longest wait for it, and for a body; mail providers give up soon after."""
RETRY = 60
"""Seconds after which a client may try again."""
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_ANSWERS: dict[str, tuple[int, Shown, str]] = {
    "done": (200, "done", "unsubscribed"),
    "already": (200, "done", "unsubscribed"),
    "canary": (200, "trial", CANARY),
    "unknown": (404, "unknown", "no mail has this token"),
}
"""By the answer of the database: status, page, text."""

log = logging.getLogger("outreach.web")
Answer = TypeVar("Answer")


class Away(Exception):
    """The database gave no answer in time."""


class Recipients:
    """What recipients ask for, answered from the Store."""

    def __init__(
        self,
        store: Store,
        proxies: Sequence[clients.Network],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._proxies = proxies
        self._clock = clock
        self._misses = clients.Misses()
        self._threads = ThreadPoolExecutor(THREADS)
        self._opens = Opens(store)
        self._waiting = 0

    def routes(self) -> list[Route]:
        # With a slash at the end too: a redirect is not followed.
        return [
            Route("/api/unsubscribe/{token}", self.ask, methods=["GET"]),
            Route("/api/unsubscribe/{token}/", self.ask, methods=["GET"]),
            Route("/api/unsubscribe/{token}", self.unsubscribe, methods=["POST"]),
            Route("/api/unsubscribe/{token}/", self.unsubscribe, methods=["POST"]),
            Route("/api/track/open", self.opened, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
        ]

    async def ask(self, request: Request) -> Response:
        """A page with a button; the database is not asked, and nothing changes."""
        known = _TOKEN.fullmatch(request.path_params["token"])
        shown: Shown = "ask" if known else "unknown"
        return _html(request, 200 if known else 404, shown)

    async def unsubscribe(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(SECONDS):
                body = await _bounded(request)
        except TimeoutError:
            return _told(request, 408, "ask", "the body did not come in time")
        if body is None:
            return _told(request, 413, "unknown", f"at most {forms.LONGEST} octets")
        if not forms.asks_to_unsubscribe(request.headers.get("content-type", ""), body):
            return _told(request, 400, "ask", "send List-Unsubscribe=One-Click as a form")
        token, answer = request.path_params["token"], "unknown"
        if _TOKEN.fullmatch(token):
            try:
                answer = (await self._asked(self._store.unsubscribe, token)).answer
                UNSUBSCRIBES.labels(answer).inc()
            except Away:
                return _told(request, 503, "away", "try again", retry=RETRY)
        if answer == "unknown" and (wait := self._misses.count(self._client(request), self._now())):
            return _told(request, 429, "unknown", "too many unknown tokens", retry=ceil(wait))
        return _told(request, *_ANSWERS[answer])

    async def opened(self, request: Request) -> Response:
        """The picture in any case: a mail must not show a broken one."""
        lead = _lead(request)
        if lead is not None and request.method == "GET":
            self._opens.add(lead, request.headers.get("user-agent", ""))
        return Response(PIXEL, media_type="image/gif", headers={"Cache-Control": "no-store"})

    async def health(self, _: Request) -> Response:
        try:
            await self._asked(self._store.schema_version)
        except Away:
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._opens.close()

    def _now(self) -> float:
        return self._clock()

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client else None
        forwarded = request.headers.getlist("x-forwarded-for")
        return clients.client_of(peer, forwarded, self._proxies)

    async def _asked(self, call: Callable[..., Answer], *arguments: Any) -> Answer:
        """The database's answer. Raises Away."""
        if self._waiting >= MOST_WAITING:
            raise Away
        self._waiting += 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, partial(call, *arguments))
        asked.add_done_callback(self._answered)
        try:
            # Shielded: what has begun counts as waiting until it ends.
            return await asyncio.wait_for(asyncio.shield(asked), SECONDS)
        except TimeoutError:
            raise Away from None
        except ConfigurationError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence for the operator
            raise Away from None
        except OutreachError as error:
            # The kind alone: the text may quote a row.
            log.warning("The database: %s", type(error).__name__)
            raise Away from None

    def _answered(self, asked: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not asked.cancelled():
            asked.exception()  # seen: nobody waits for it any more


def application(recipients: Recipients) -> Starlette:
    app = Starlette(
        routes=recipients.routes(),
        exception_handlers={HTTPException: _refused, ClientDisconnect: _gone},
    )
    app.router.redirect_slashes = False
    return app


async def _bounded(request: Request) -> bytes | None:
    """The body; None, unread, if it is longer than a form to unsubscribe."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > forms.LONGEST:
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > forms.LONGEST:
            return None
    return body


def _lead(request: Request) -> UUID | None:
    try:
        return UUID(request.query_params.get("id", ""))
    except ValueError:
        return None


def _html(request: Request, status: int, shown: Shown, **headers: str) -> Response:
    language = language_of(request.headers.get("accept-language", ""))
    return HTMLResponse(page(shown, language), status, {**HEADERS, **headers})


def _told(request: Request, status: int, shown: Shown, text: str, *, retry: int = 0) -> Response:
    """A page for a browser, a line for a mail provider."""
    headers = {"Retry-After": str(retry)} if retry else {}
    if "text/html" in request.headers.get("accept", ""):
        return _html(request, status, shown, **headers)
    return PlainTextResponse(f"{text}\n", status, {**headers, "Cache-Control": "no-store"})


async def _refused(_: Request, error: Exception) -> Response:
    """No page, or no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - for the types
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody is there to read it."""
    return PlainTextResponse("", 400)
