"""What Supabase answers when something is wrong, as documented, and what we say then.

None of it can be had without a project of the hosted service; the addresses are of the pages that
describe it: https://supabase.com/docs/guides/platform/http-status-codes,
https://docs.postgrest.org/en/stable/references/errors.html.
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.store import errors as failures
from outreach.store.errors import CallRefused, of_code
from outreach.store.postgrest import PostgREST

URL = "https://abcdefghijklm.supabase.co"
SECRET = "sb_secret_hush-hush"
LEGACY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.hushhush"
HTML = {"content-type": "text/html"}
ROW = {"answer": "done"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PAUSES", (0, 0, 0, 0, 0, 0))


@contextmanager
def over(
    answer: Callable[[httpx.Request], httpx.Response], *, key: str = SECRET, url: str = URL
) -> Iterator[PostgREST]:
    opened = PostgREST(url, SecretStr(key), transport=httpx.MockTransport(answer))
    try:
        yield opened
    finally:
        opened.close()


def refusal(answer: httpx.Response | Exception, kind: type[Exception]) -> tuple[str, int]:
    """What the caller is told, and how often Supabase was asked; no secret is in it."""
    asked = 0

    def answered(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    with over(answered) as transport, pytest.raises(kind) as caught:
        transport.call("begin_run", campaign=uuid4())
    told = str(caught.value)
    assert "hush" not in f"{told} {caught.value!r} {transport!r}"
    assert told.endswith(".")
    return told, asked


def error(status: int, code: str | None, message: str, **more: Any) -> httpx.Response:
    shape = {"code": code, "message": message, "details": None, "hint": None}
    return httpx.Response(status, json={**shape, **more})


# --- what is sent -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [SECRET, LEGACY])
def test_a_call_is_one_post_with_the_key(key: str) -> None:
    """Of either kind; a new key may stand in Authorization only if it is the apikey, too."""
    asked: list[httpx.Request] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[ROW])

    with over(answered, key=key) as transport:
        rows = transport.call("release_run", run=uuid4())

    (request,) = asked
    assert rows == [ROW]
    assert (request.method, str(request.url)) == ("POST", f"{URL}/rest/v1/rpc/release_run")
    assert (request.headers["apikey"], request.headers["authorization"]) == (key, f"Bearer {key}")
    assert not request.headers["user-agent"].startswith("Mozilla")


def test_an_address_may_end_in_a_slash() -> None:
    """People copy it so."""
    asked: list[str] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=[])

    with over(answered, url=f"{URL}/") as transport:
        transport.call("list_accounts")

    assert asked == [f"{URL}/rest/v1/rpc/list_accounts"]


# --- wrong settings: a person has to mend them --------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(401, None, "Invalid API key"), "refuses SUPABASE_SERVICE_ROLE_KEY (HTTP 401: Inv"),
        (error(401, None, "Legacy API keys are disabled"), "Legacy API keys are disabled"),
        (httpx.Response(401), "refuses SUPABASE_SERVICE_ROLE_KEY (HTTP 401)"),
        (error(401, "PGRST301", "No suitable key or wrong key type"), "copy the secret"),
        (error(401, "PGRST303", "JWT expired"), "JWT expired"),
        (error(401, "42501", "permission denied for function begin_run"), "not the publishable"),
        (error(403, "42501", "permission denied for table leads"), "which grants them"),
        (error(404, "PGRST202", "Could not find the function"), "run `outreach db migrate`"),
        (error(404, "42883", "function public.x() does not exist"), "run `outreach db migrate`"),
        (error(400, "42703", "column x does not exist"), "run `outreach db migrate`"),
        (error(406, "PGRST106", "Invalid schema: public"), "does not expose the schema public"),
        (httpx.Response(404, json={"error": "requested path is invalid"}), "does not lead to a"),
        (httpx.Response(404, headers=HTML, text="<h1>Not found"), "does not lead to a Supabase"),
        (httpx.Response(405, headers=HTML, text="no"), "does not lead to a Supabase project"),
        (httpx.Response(200, headers=HTML, text="<h1>Hi"), "does not lead to a Supabase project"),
        (httpx.Response(301, headers={"location": "https://x"}), "does not lead to a Supabase"),
        (httpx.Response(402, text="exceed_egress_quota"), "has restricted the project"),
        (httpx.Response(540, headers=HTML, text="paused"), "project is paused; restore it"),
    ],
)
def test_what_a_person_has_to_mend_is_asked_once_and_said_plainly(
    answer: httpx.Response, says: str
) -> None:
    """One sentence that names the setting and what to do."""
    told, asked = refusal(answer, ConfigurationError)
    assert says in told
    assert asked == 1


@pytest.mark.parametrize("url", ["abc.supabase.co", "postgresql://x", "https://", ""])
def test_what_is_no_address_is_told_before_anything_is_asked(url: str) -> None:
    """With the form that it should have."""
    with pytest.raises(ConfigurationError, match="https://PROJECT"):
        PostgREST(url, SecretStr(SECRET)).call("schema_version")


@pytest.mark.parametrize("key", ["hush hush", "hush\nhush", "húsh", "“hush”"])
def test_a_key_that_no_header_can_carry_is_not_repeated(key: str) -> None:
    """What the HTTP library has to say about it would quote it."""
    with pytest.raises(ConfigurationError) as caught:
        PostgREST(URL, SecretStr(key))
    assert "hush" not in f"{caught.value!r}"


# --- away: asked again, seven times in all, then left to the caller -------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, headers=HTML, text="Internal Server Error"),
        httpx.Response(502),
        httpx.Response(503, headers=HTML, text="<h1>Service Unavailable"),
        httpx.Response(521, headers=HTML, text="Web server is down"),
        httpx.Response(522, headers=HTML, text="Connection timed out"),
        httpx.Response(544, text="Project API gateway timeout"),
        httpx.Response(429, json={"message": "Too many requests"}),
        httpx.Response(408),
        error(503, "PGRST000", "Could not connect with the database"),
        error(503, "PGRST002", "Could not query the database for the schema cache. Retrying."),
        error(504, "PGRST003", "Timed out acquiring connection from connection pool."),
        error(503, "08006", "connection failure"),
        error(503, "53300", "too many connections"),
        error(500, "40P01", "deadlock detected"),
        error(500, "55P03", "canceling statement due to lock timeout"),
        error(500, "57P01", "terminating connection due to administrator command"),
        error(405, "25006", "cannot execute UPDATE in a read-only transaction"),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
)
def test_what_may_pass_is_asked_again(answer: httpx.Response | Exception) -> None:
    """Every function may be called again; then the caller waits."""
    _, asked = refusal(answer, StoreUnavailable)
    assert asked == len(failures.PAUSES) + 1


def test_a_call_that_finds_supabase_back_goes_on() -> None:
    """The failures before are nobody's business."""
    answers = iter([httpx.Response(503), httpx.Response(502), httpx.Response(200, json=[ROW])])
    with over(lambda _: next(answers)) as transport:
        assert transport.call("renew_runs") == [ROW]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (error(500, "57014", "canceling statement due to statement timeout"), "statement time-out"),
        (httpx.ReadTimeout("slow"), "did not answer within 70 s"),
    ],
)
def test_what_took_too_long_is_not_asked_again_at_once(
    answer: httpx.Response | Exception, says: str
) -> None:
    """It would take as long again."""
    told, asked = refusal(answer, StoreUnavailable)
    assert says in told
    assert asked == 1


def test_a_host_that_nobody_knows_may_be_a_paused_project() -> None:
    """Supabase takes its name away; but names are also gone when a network is."""
    failed = httpx.ConnectError("[Errno -2] Name or service not known")
    failed.__cause__ = socket.gaierror(-2, "Name or service not known")

    told, _ = refusal(failed, StoreUnavailable)

    assert "a paused project's is not" in told


# --- what nobody foresaw ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        error(400, "23514", "new row violates check", details="Failing row contains (hush)."),
        error(400, "P0001", "raised", details="hush", hint="hush"),
        error(400, "22P02", 'invalid input syntax for type uuid: "hush"'),
        error(300, "PGRST203", "Could not choose the best candidate function"),
        error(400, "21000", "UPDATE requires a WHERE clause"),
    ],
)
def test_a_refusal_is_told_by_code_and_never_with_the_values(answer: httpx.Response) -> None:
    """Postgres' details quote whole rows, and some messages what was given."""
    told, asked = refusal(answer, CallRefused)
    assert answer.json()["code"] in told
    assert asked == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("42883", ConfigurationError),
        ("42P01", ConfigurationError),
        ("57014", StoreUnavailable),
        ("40001", failures.TransientError),
        ("23505", CallRefused),
    ],
)
def test_postgres_codes_mean_the_same_on_either_transport(code: str, kind: type[Exception]) -> None:
    """One table for both."""
    assert type(of_code(code, "why")) is kind


# --- what it costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", ["outreach.store.postgres", "outreach.wiring", "outreach.cli.app"]
)
def test_who_does_without_supabase_does_without_its_client(module: str) -> None:
    """It takes longer to import than all the rest of the transport."""
    code = (
        f"import sys, {module}; print([m for m in ('supabase', 'postgrest') if m in sys.modules])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"
