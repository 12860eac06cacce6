"""/sandbox/...: lets tests and demos control the sandbox and read its record."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gmail_sandbox.faults import Fault
from gmail_sandbox.inbound import Inbound, deliver
from gmail_sandbox.mail import MINIMAL
from gmail_sandbox.state import Behaviour, State


class Account(BaseModel):
    account: str


Json = dict[str, Any] | list[dict[str, Any]]
Act = Callable[[Request], Awaitable[Json | Response]]


class Control:
    """One method per route; a wrong body gets a 400 with the fault in it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Act]] = [
            ("GET", "faults", self.faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "settings", self.settings),
            ("POST", "settings", self.change_settings),
            ("POST", "revoke", self.revoke),
            ("POST", "expire", self.expire),
            ("POST", "reset", self.reset),
            ("GET", "inbound", self.received),
            ("POST", "inbound", self.deliver),
            ("GET", "mails", self.mails),
            ("GET", "mails/{message_id}/raw", self.raw),
            ("GET", "drafts", self.drafts),
            ("GET", "requests", self.requests),
            ("GET", "duplicates", self.duplicates),
        ]
        return [
            Route(f"/sandbox/{path}", _endpoint(act), methods=[verb]) for verb, path, act in table
        ]

    # --- faults and settings ----------------------------------------------------------------

    async def faults(self, _: Request) -> Json:
        return self._state.faults.describe()

    async def add_fault(self, request: Request) -> Json:
        self._state.faults.add(Fault.model_validate_json(await request.body()))
        return self._state.faults.describe()

    async def clear_faults(self, _: Request) -> Json:
        return {"cleared": self._state.faults.clear()}

    async def settings(self, _: Request) -> Json:
        return self._state.behaviour.model_dump()

    async def change_settings(self, request: Request) -> Json:
        asked = Behaviour.model_validate_json(await request.body())
        changes = asked.model_dump(exclude_unset=True)
        self._state.behaviour = self._state.behaviour.model_copy(update=changes)
        return self._state.behaviour.model_dump()

    # --- accounts ---------------------------------------------------------------------------

    async def revoke(self, request: Request) -> Json:
        account = await _account(request)
        self._state.tokens.revoke(account)
        return {"revoked": account}

    async def expire(self, request: Request) -> Json:
        account = await _account(request)
        self._state.tokens.expire(account)
        return {"expired": account}

    async def reset(self, _: Request) -> Json:
        self._state.reset()
        return {}

    # --- mail from others ---------------------------------------------------------------------

    async def deliver(self, request: Request) -> Json:
        asked = Inbound.model_validate_json(await request.body())
        return (await run_in_threadpool(deliver, self._state, asked)).received()

    async def received(self, request: Request) -> Json:
        return [mail.received() for mail in self._state.mailbox.received(_since(request))]

    # --- the record -------------------------------------------------------------------------

    async def mails(self, request: Request) -> Json:
        rows = [mail.summary() for mail in self._state.mailbox.sent(_since(request))]
        if request.query_params.get("fields") != "minimal":
            return rows
        return [{name: row[name] for name in MINIMAL} for row in rows]

    async def raw(self, request: Request) -> Response:
        mail = self._state.mailbox.sent_mail(request.path_params["message_id"])
        if mail is None:
            return JSONResponse({"error": "There is no such mail."}, 404)
        return Response(
            mail.read(),
            media_type="message/rfc822",
            headers={"Content-Disposition": f'attachment; filename="{mail.id}.eml"'},
        )

    async def drafts(self, _: Request) -> Json:
        return [
            {**draft.message.summary(), "id": draft.id, "message_id": draft.message.id}
            for draft in self._state.mailbox.drafts()
        ]

    async def requests(self, _: Request) -> Json:
        return dict(self._state.requests)

    async def duplicates(self, request: Request) -> Json:
        return dict(self._state.mailbox.duplicates(_since(request)))


def _endpoint(act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            answer = await act(request)
        except ValidationError as error:
            return JSONResponse({"error": _wrong(error)}, 400)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return endpoint


def _wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


async def _account(request: Request) -> str:
    return Account.model_validate_json(await request.body()).account.lower()


def _since(request: Request) -> float:
    return float(request.query_params.get("since", 0))
