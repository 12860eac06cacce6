"""Google's OAuth endpoints: exchange refresh tokens and codes for access tokens."""

import base64
import json

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gmail_sandbox import broken
from gmail_sandbox.faults import TOKEN_ERRORS, Fault
from gmail_sandbox.state import State
from gmail_sandbox.tokens import IDENTITY, LIFETIME, Access, Grant, InvalidGrant


def routes(state: State) -> list[Route]:
    async def token(request: Request) -> Response:
        state.requests["token"] += 1
        form = await request.form()
        account = _account(form)
        fault = state.faults.take("token", account)
        if fault and not fault.after:
            return _failed(fault, account)
        response = _granted(state, form)
        return _lost(fault, account, response) if fault else response

    return [Route("/token", token, methods=["POST"])]


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _account(form: FormData) -> str:
    grant = Grant.of(_field(form, "refresh_token"))
    return grant.account if grant else ""


def _granted(state: State, form: FormData) -> Response:
    kind = _field(form, "grant_type")
    try:
        if kind == "refresh_token":
            access = state.tokens.refresh(_field(form, "refresh_token"))
        elif kind == "authorization_code" and not _field(form, "client_secret"):
            # Desktop apps have a secret too, and have to send it.
            return _error(400, "invalid_request", "client_secret is missing.")
        elif kind == "authorization_code":
            access = _exchanged(state, form)
        else:
            return _error(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")
    except InvalidGrant as error:
        return _error(400, "invalid_grant", str(error))
    state.mailbox.open_account(access.grant.account)
    if kind == "authorization_code":
        return _answer(access, **_first(access, _field(form, "client_id")))
    return _answer(access)


def _exchanged(state: State, form: FormData) -> Access:
    return state.tokens.exchange(
        _field(form, "code"),
        _field(form, "client_id"),
        _field(form, "redirect_uri"),
        _field(form, "code_verifier") or None,
    )


def _first(access: Access, client_id: str) -> dict[str, str]:
    """Tokens of the first exchange alone; no refresh token without a scope of Gmail's."""
    tokens = {"refresh_token": access.grant.refresh_token} if access.grant.scopes else {}
    if IDENTITY["openid"] in access.identity:
        tokens["id_token"] = _id_token(access, client_id)
    return tokens


def _id_token(access: Access, client_id: str) -> str:
    """A JWT without a valid signature."""
    claims = {"iss": "https://accounts.google.com", "aud": client_id, "sub": access.grant.account}
    if IDENTITY["email"] in access.identity:
        claims["email"] = access.grant.account
    parts = [{"alg": "RS256", "kid": "sandbox", "typ": "JWT"}, claims, "unsigned"]
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
    return ".".join(part.rstrip(b"=").decode() for part in encoded)


def _answer(access: Access, **more: str) -> Response:
    content = {
        "access_token": access.token,
        "expires_in": LIFETIME,
        "scope": " ".join(filter(None, (access.grant.scope, *access.identity))),
        "token_type": "Bearer",
        **more,
    }
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _error(code: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, code)


def _failed(fault: Fault, account: str) -> Response:
    if fault.fault in TOKEN_ERRORS:
        code, description = TOKEN_ERRORS[fault.fault]
        return _error(code, fault.fault, description)
    refused = fault.refusal(account)
    if refused is None:
        return broken.before(fault)
    return JSONResponse(refused.body(), refused.code, refused.headers)


def _lost(fault: Fault, account: str, response: Response) -> Response:
    refused = fault.refusal(account)
    if refused is None:
        return broken.after(fault, response)
    return JSONResponse(refused.body(), refused.code, refused.headers)
