"""The page for people: the “sent” mails, what came back, the drafts, and the faults in force."""

from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gmail_sandbox import query, refusal
from gmail_sandbox.answers import KINDS
from gmail_sandbox.inbound import Inbound, deliver
from gmail_sandbox.mail import Message
from gmail_sandbox.rendering import page
from gmail_sandbox.state import State
from outreach.mail import parts
from outreach.web.rendering import SAFE, framed, inert, stylesheet

A_PAGE = 50
SOURCE_SHOWN = 20_000


class Pages:
    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        found = [
            Route("/", self.mails),
            Route("/inbound", self.inbound),
            Route("/drafts", self.drafts),
            Route("/faults", self.faults),
            Route("/style.css", _style),
            Route("/mails/{id}/answers", self.answer, methods=["POST"]),
        ]
        for kind in ("mails", "inbound", "drafts"):
            found += [
                Route(f"/{kind}/{{id}}", self.mail, name=kind),
                Route(f"/{kind}/{{id}}/html", self.html, name=kind),
                Route(f"/{kind}/{{id}}/source", self.source, name=kind),
                Route(f"/{kind}/{{id}}/parts/{{number}}", self.part, name=kind),
            ]
        return found

    # --- lists ------------------------------------------------------------------------------

    async def mails(self, request: Request) -> Response:
        sent = list(reversed(self._state.mailbox.sent()))
        rows = [(f"/mails/{mail.id}", mail) for mail in await _found(request, sent)]
        return self._list(request, "mails", rows)

    async def inbound(self, request: Request) -> Response:
        received = list(reversed(self._state.mailbox.received()))
        rows = [(f"/inbound/{mail.id}", mail) for mail in await _found(request, received)]
        return self._list(request, "inbound", rows)

    async def drafts(self, request: Request) -> Response:
        drafts = {draft.message: draft.id for draft in self._state.mailbox.drafts()}
        found = await _found(request, list(drafts))
        rows = [(f"/drafts/{drafts[message]}", message) for message in found]
        return self._list(request, "drafts", rows)

    def _list(self, request: Request, kind: str, rows: list[tuple[str, Message]]) -> Response:
        number = _number(request.query_params.get("page", ""))
        start = (number - 1) * A_PAGE
        return page(
            "list.html",
            rows=rows[start : start + A_PAGE],
            found=len(rows),
            q=request.query_params.get("q", ""),
            number=number,
            more=len(rows) > start + A_PAGE,
            twice=self._state.mailbox.duplicates(),
            **self._frame(kind),
        )

    async def faults(self, request: Request) -> Response:
        return page(
            "faults.html",
            place=request.url.netloc,
            faults=self._state.faults.describe(),
            settings=self._state.behaviour.model_dump(),
            requests=self._state.requests,
            accounts=self._state.mailbox.accounts(),
            **self._frame("faults"),
        )

    def _frame(self, here: str) -> dict[str, Any]:
        """The values in the top of each page."""
        counts = {
            "mails": self._state.mailbox.sent_count(),
            "inbound": self._state.mailbox.received_count(),
            "drafts": len(self._state.mailbox.drafts()),
            "faults": len(self._state.faults.describe()),
        }
        return {"here": here, "counts": counts, "kinds": KINDS}

    # --- one mail ---------------------------------------------------------------------------

    async def mail(self, request: Request) -> Response:
        kind, message = self._message(request)
        raw = message.read()
        tree = parts.tree(raw)
        return page(
            "mail.html",
            message=message,
            base=f"/{kind}/{request.path_params['id']}",
            headers=parts.headers(tree.head),
            text=parts.text_of(tree, "text/plain"),
            has_html=parts.text_of(tree, "text/html") is not None,
            attachments=[leaf for leaf in tree.leaves() if leaf.filename is not None],
            source=raw[:SOURCE_SHOWN].decode("utf-8", "replace"),
            cut=len(raw) > SOURCE_SHOWN,
            **self._frame(kind),
        )

    async def answer(self, request: Request) -> Response:
        """A button: deliver the answer of this kind to a sent mail, and show it."""
        form = await request.form()
        try:
            asked = Inbound.model_validate(
                {"kind": form.get("kind"), "mail": request.path_params["id"]}
            )
            message = await run_in_threadpool(deliver, self._state, asked)
        except ValueError:
            raise HTTPException(404) from None
        return RedirectResponse(f"/inbound/{message.id}", 303)

    async def html(self, request: Request) -> Response:
        """The mail's own HTML, for a frame."""
        _, message = self._message(request)
        return framed(parts.text_of(parts.tree(message.read()), "text/html") or "")

    async def source(self, request: Request) -> Response:
        _, message = self._message(request)
        return inert(message.read(), "text/plain; charset=utf-8")

    async def part(self, request: Request) -> Response:
        """An attachment, always as a download."""
        _, message = self._message(request)
        number = request.path_params["number"]
        for leaf in parts.tree(message.read()).leaves():
            if f"part-{leaf.number or 0}" == number and leaf.filename is not None:
                response = inert(leaf.data, "application/octet-stream")
                name = quote(leaf.filename, safe="")
                response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
                return response
        raise HTTPException(404)

    def _message(self, request: Request) -> tuple[str, Message]:
        kind, identity = request.url.path.split("/")[1], request.path_params["id"]
        if kind == "mails":
            message = self._state.mailbox.sent_mail(identity)
        elif kind == "inbound":
            message = self._state.mailbox.received_mail(identity)
        else:
            drafts = {draft.id: draft.message for draft in self._state.mailbox.drafts()}
            message = drafts.get(identity)
        if message is None:
            raise HTTPException(404)
        return kind, message


async def _found(request: Request, messages: list[Message]) -> list[Message]:
    q = request.query_params.get("q", "").strip()
    if not q:
        return messages
    return await run_in_threadpool(_search, q, messages)


def _search(q: str, messages: list[Message]) -> list[Message]:
    """As Gmail searches, and by any part of an address or a subject."""
    test, piece = query.compiled(q), q.lower()
    return [
        m
        for m in messages
        if piece in f"{m.to} {m.sender} {m.subject} {m.account} {m.id}".lower() or test(m)
    ]


def _number(text: str) -> int:
    return max(int(text), 1) if text.isdecimal() and len(text) < len("10000000") else 1


async def _style(_: Request) -> Response:
    return Response(stylesheet(), media_type="text/css", headers=SAFE)


async def not_found(request: Request, _: Exception) -> Response:
    """A page for people; other clients get Google's words."""
    if "text/html" in request.headers.get("accept", ""):
        return page("missing.html", code=404)
    return JSONResponse(refusal.not_found().body(), 404)
