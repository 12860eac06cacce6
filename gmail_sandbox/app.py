"""Gmail's API: authentication, permission, faults, and the response."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gmail_sandbox import broken, refusal
from gmail_sandbox.call import Call
from gmail_sandbox.envelope import Envelope
from gmail_sandbox.faults import Fault
from gmail_sandbox.incoming import Incoming, read
from gmail_sandbox.operations import OPERATIONS, Operation
from gmail_sandbox.refusal import Refusal
from gmail_sandbox.state import State
from gmail_sandbox.tokens import Grant

USERS = "/gmail/v1/users/{user}"
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(state: State) -> list[Route]:
    found = []
    for operation in OPERATIONS:
        endpoint = _endpoint(state, operation)
        path = USERS + operation.path
        found.append(Route(path, endpoint, methods=[operation.verb]))
        if operation.uploads:
            found.append(Route("/upload" + path, endpoint, methods=[operation.verb]))
    return found


def _endpoint(state: State, operation: Operation) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        state.requests[operation.name] += 1
        try:
            response = await _answer(state, operation, request)
        except Refusal as refused:
            response = refused_with(refused)
        except ClientDisconnect:
            return Response()
        if state.behaviour.latency_seconds:
            await asyncio.sleep(state.behaviour.latency_seconds)
        return response

    return endpoint


async def _answer(state: State, operation: Operation, request: Request) -> Response:
    grant = _authorized(state, operation, request)
    incoming = await read(request)
    fault = state.faults.take(
        operation.name, grant.account, lambda: _recipients(state, grant.account, request, incoming)
    )
    if fault and not fault.after:
        return _failed(fault, grant.account)
    response = await _done(operation, Call(state, grant, request, incoming))
    return _lost(fault, grant.account, response) if fault else response


def _authorized(state: State, operation: Operation, request: Request) -> Grant:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    grant = state.tokens.holder(token.strip()) if kind.lower() == "bearer" else None
    if grant is None:
        raise refusal.unauthorized()
    if not operation.scopes & set(grant.scopes):
        raise refusal.insufficient_scope(operation.name)
    if request.path_params["user"].lower() not in {"me", grant.account}:
        raise refusal.delegation_denied(request.path_params["user"])
    return grant


async def _done(operation: Operation, call: Call) -> Response:
    try:
        if operation.slow:
            content = await run_in_threadpool(operation.act, call)
        else:
            content = operation.act(call)
    except Refusal as refused:
        return refused_with(refused)
    return Response(status_code=204) if content is None else JSONResponse(content)


def _recipients(state: State, account: str, request: Request, incoming: Incoming) -> Iterable[str]:
    """The addresses of this request, for faults that name a recipient; empty when unknown."""
    draft_id = incoming.draft_id or request.path_params.get("draft_id")
    try:
        if incoming.raw is not None:
            return Envelope.of(incoming.raw).recipients()
        if draft_id is not None:
            return state.mailbox.draft(account, draft_id).message.recipients
    except Refusal:
        return ()
    return ()


def refused_with(refused: Refusal) -> Response:
    return JSONResponse(refused.body(), refused.code, refused.headers)


def _failed(fault: Fault, account: str) -> Response:
    refused = fault.refusal(account)
    return refused_with(refused) if refused else broken.before(fault)


def _lost(fault: Fault, account: str, response: Response) -> Response:
    refused = fault.refusal(account)
    return refused_with(refused) if refused else broken.after(fault, response)
