"""Google's consent page: a person chooses the account and the scopes. With PKCE."""

from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gmail_sandbox.envelope import is_address
from gmail_sandbox.rendering import page
from gmail_sandbox.state import State
from gmail_sandbox.tokens import IDENTITY, SHORT, Grant

PATH = "/o/oauth2/v2/auth"
ASKED = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MEANING = {
    "send": "send mail",
    "compose": "write drafts and send mail",
    "modify": "read mail, write drafts and send mail",
    "readonly": "read mail",
    "metadata": "read headers, not bodies",
    "full": "everything, deleting for good too",
}
Asked = dict[str, str]


class Refused(Exception):
    """A wrong request, which is shown to the person and never redirected."""


def routes(state: State) -> list[Route]:
    async def ask(request: Request) -> Response:
        try:
            asked = _asked(request.query_params)
        except Refused as refused:
            return _refused(refused)
        return _form(state, asked, request.query_params.get("login_hint", ""))

    async def decide(request: Request) -> Response:
        form = await request.form()
        try:
            asked = _asked(form)
        except Refused as refused:
            return _refused(refused)
        if form.get("decision") != "allow":
            return _back(asked, error="access_denied")
        account = (_text(form, "email") or _text(form, "account")).lower()
        if not is_address(account):
            return _form(state, asked, account, wrong="Choose an account or type an address.")
        ticked = {scope for scope in form.getlist("granted") if isinstance(scope, str)}
        grant = Grant(account, tuple(name for name in _scopes(asked) if name in ticked))
        return _back(asked, **_promise(state, asked, grant))

    return [Route(PATH, ask, methods=["GET"]), Route(PATH, decide, methods=["POST"])]


def _text(values: QueryParams | FormData, name: str) -> str:
    value = values.get(name)
    return value.strip() if isinstance(value, str) else ""


def _asked(values: QueryParams | FormData) -> Asked:
    """The app's request. Raises Refused where Google would not show its page."""
    asked = {name: _text(values, name) for name in ASKED}
    if not asked["client_id"]:
        raise Refused("invalid_request: client_id is missing.")
    if asked["response_type"] != "code":
        raise Refused("unsupported_response_type: response_type must be code.")
    if not _is_loopback(asked["redirect_uri"]):
        raise Refused("redirect_uri_mismatch: redirect_uri must be http on a loopback address.")
    if not _scopes(asked):
        raise Refused("invalid_scope: none of the scopes is one of Gmail's.")
    if asked["code_challenge"] and asked["code_challenge_method"] != "S256":
        raise Refused("invalid_request: the sandbox knows the code_challenge_method S256 only.")
    return asked


def _is_loopback(uri: str) -> bool:
    try:
        address = urlsplit(uri)
    except ValueError:
        return False
    return address.scheme == "http" and address.hostname in LOOPBACK and not address.fragment


def _scopes(asked: Asked) -> tuple[str, ...]:
    return tuple(SHORT[scope] for scope in asked["scope"].split() if scope in SHORT)


def _promise(state: State, asked: Asked, grant: Grant) -> dict[str, str]:
    """A code, with its scopes: those that were ticked, and those of identity."""
    identity = tuple(IDENTITY[scope] for scope in asked["scope"].split() if scope in IDENTITY)
    code = state.tokens.promise(
        grant,
        identity,
        asked["client_id"],
        asked["redirect_uri"],
        asked["code_challenge"] or None,
    )
    return {"code": code, "scope": " ".join(filter(None, (grant.scope, *identity)))}


def _back(asked: Asked, **answer: str) -> Response:
    """Redirect to the app, with its state."""
    if asked["state"]:
        answer["state"] = asked["state"]
    uri = asked["redirect_uri"]
    joint = "&" if urlsplit(uri).query else "?"
    return RedirectResponse(uri + joint + urlencode(answer), 302)


def _form(state: State, asked: Asked, hint: str, wrong: str = "") -> Response:
    accounts = state.mailbox.accounts()
    return page(
        "consent.html",
        # The response redirects to the app, and browsers apply form-action to redirects too; an
        # IPv6 address cannot be written there.
        form_action="'self' http:",
        asked=asked,
        scopes={name: MEANING[name] for name in _scopes(asked)},
        accounts=accounts,
        chosen=hint if hint in accounts else "",
        typed="" if hint in accounts else hint,
        wrong=wrong,
    )


def _refused(refused: Refused) -> Response:
    return page("refused.html", code=400, reason=str(refused))
