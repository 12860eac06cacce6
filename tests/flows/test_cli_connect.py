"""`outreach accounts connect`, with a person at the sandbox's consent page in a real browser."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from playwright.sync_api import Page
from pydantic import SecretStr

from gmail_sandbox.server import Sandbox, serve
from outreach.cli import app
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.browser import NewPage, complaints

ADA, BOB = "ada@ours.example", "bob@ours.example"
ADDRESSES = ("GMAIL_API_URL", "GOOGLE_TOKEN_URL", "GOOGLE_AUTH_URL")


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


class Command:
    """The command as a process of its own, which waits for the browser."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._before = ""

    @property
    def address(self) -> str:
        """Of the consent page, once it is shown."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._before += line
            if line.startswith("http"):
                return line.strip()
        raise AssertionError(self._before)

    def ran(self) -> Ran:
        """What came of it; nothing that it says may hold a token or a code."""
        out, err = self.process.communicate(timeout=60)
        for secret in ("sandbox:", "ya29.", "code=4"):
            assert secret not in out + err
        return Ran(self.process.returncode, out, err)


Connect = Callable[..., Command]


@pytest.fixture(scope="module")
def gmail() -> Iterator[Sandbox]:
    with serve() as running:
        yield running


@pytest.fixture
def sandbox(gmail: Sandbox) -> Sandbox:
    gmail.state.reset()
    return gmail


@pytest.fixture
def environment(database: SecretStr, sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Settings of a newcomer to the sandbox, as a shell would export them."""
    return {
        **os.environ,
        "DATABASE_URL": database.get_secret_value(),
        "OUTREACH_HOME": str(tmp_path / "home"),
        "GMAIL_API_URL": sandbox.url,
        "GOOGLE_TOKEN_URL": sandbox.token_url,
        "GOOGLE_AUTH_URL": sandbox.auth_url,
    }


@pytest.fixture
def connect(environment: dict[str, str], tmp_path: Path) -> Iterator[Connect]:
    """Start `outreach accounts connect` with these arguments; what still runs at the end is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, browser: str | None = None, **settings: str) -> Command:
        shown = [] if browser else ["--no-browser"]
        process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", "accounts", "connect", *shown, *arguments],
            env=environment | settings | ({"BROWSER": browser} if browser else {}),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Command(process)

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def store(database: SecretStr) -> Iterator[Store]:
    opened = Store(Postgres(database), Settings.only(database_url=database))
    yield opened
    opened.close()


def allow(page: Page, address: str, email: str | None = None) -> None:
    """What a person does who wants to: choose the account, if need be, and allow it."""
    page.goto(address)
    if email is not None:
        page.get_by_label("Address").fill(email)
    page.get_by_role("button", name="Allow").click()


def accounts(db: psycopg.Connection) -> list[dict[str, Any]]:
    rows = db.execute("select to_jsonb(a) - 'id' from public.accounts a order by email").fetchall()
    return [row[0] for row in rows]


def sentence(ran: Ran) -> str:
    """Its one error, the last line on stderr; nothing on stdout, and no traceback."""
    assert (ran.status, ran.out) == (1, "")
    *_, last = ran.err.splitlines()
    assert "Traceback" not in ran.err
    assert last.startswith("Error: ")
    return last.removeprefix("Error: ")


def test_an_account_is_connected_in_the_browser(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """Its owner allows it; the token is in the database alone."""
    command, page = connect(ADA, "--sender-name", "Ada Löwe", "--pace", "3"), new_page()
    troubles = complaints(page)

    allow(page, command.address)
    ran = command.ran()

    said = f"{ADA} is connected: it delivers by drafts, exactly once (modify)."
    [account] = accounts(db)
    assert (ran.status, ran.out) == (0, f"{said}\n")
    assert "Restricted scope (modify)" in ran.err
    assert (page.get_by_role("heading").inner_text(), troubles) == ("Connected", [])
    assert said in page.inner_text("main")
    assert (account["email"], account["refresh_token"]) == (ADA, f"sandbox:{ADA}:modify")
    assert (account["sender_name"], account["pace_seconds"], account["status"]) == (
        "Ada Löwe",
        3,
        "active",
    )


def test_send_only_asks_for_less_and_promises_less(connect: Connect, new_page: NewPage) -> None:
    """gmail.send: direct delivery, and another verification; whoever consents, if none is named."""
    command = connect("--send-only", "--json")
    allow(new_page(), command.address, BOB)
    ran = command.ran()
    shown = json.loads(ran.out)
    assert shown == {
        "id": shown["id"],
        "email": BOB,
        "connected": True,
        "delivery": "direct",
        "scopes": ["send"],
    }
    assert "Sensitive scope (send)" in ran.err
    assert "replies, bounces and opt-outs by mail stay unseen." in ran.err


def test_the_page_opens_in_the_persons_browser(connect: Connect, tmp_path: Path) -> None:
    """Unless told not to; what opens asks for a refresh token, with PKCE and a state."""
    opened = tmp_path / "opened"
    os.mkfifo(opened)
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    script.chmod(0o755)

    command = connect(ADA, browser=f"{script} %s")
    asked = {name: found for name, [found] in parse_qs(urlsplit(opened.read_text()).query).items()}
    command.process.send_signal(signal.SIGINT)
    ran = command.ran()

    assert asked == {
        "client_id": "sandbox",
        "redirect_uri": asked["redirect_uri"],
        "response_type": "code",
        "scope": "openid email https://www.googleapis.com/auth/gmail.modify",
        "state": asked["state"],
        "code_challenge": asked["code_challenge"],
        "code_challenge_method": "S256",
        "access_type": "offline",
        "prompt": "consent",
        "login_hint": ADA,
    }
    assert len(asked["state"]) >= 32
    assert len(asked["code_challenge"]) == 43
    assert (ran.status, ran.out) == (130, "")
    assert "Traceback" not in ran.err


def test_who_denies_is_told_so_and_nothing_is_stored(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """In the terminal and on the page."""
    command, page = connect(ADA), new_page()
    page.goto(command.address)
    page.get_by_role("button", name="Deny").click()
    told = sentence(command.ran())
    assert told.startswith("Access was denied on Google's page, and nothing is stored;")
    assert told in page.inner_text("main")
    assert accounts(db) == []


def test_an_unticked_permission_is_one_sentence(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """Google lets people leave out what they do not like."""
    command, page = connect(ADA), new_page()
    page.goto(command.address)
    page.get_by_label("read mail, write drafts and send mail").uncheck()
    page.get_by_role("button", name="Allow").click()
    assert "was not ticked" in sentence(command.ran())
    assert accounts(db) == []


def test_another_account_than_the_one_named_is_refused(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """Whoever connects Ada does not get Bob's mailbox by a wrong click."""
    command, page = connect(ADA), new_page()
    allow(page, command.address, BOB)
    told = sentence(command.ran())
    assert told.startswith(f"{BOB} was chosen on Google's page instead of {ADA},")
    assert page.get_by_role("heading").inner_text() == "Not connected"
    assert accounts(db) == []


def test_a_revoked_account_becomes_active_again(
    connect: Connect,
    new_page: NewPage,
    db: psycopg.Connection,
    store: Store,
    sandbox: Sandbox,
) -> None:
    """Its reason is cleared, what else is known of it stays, and what to do for its leads is said."""
    account = store.save_account(
        uuid4(), ADA, refresh_token=f"sandbox:{ADA}:send", sender_name="Ada", daily_limit=40
    )
    store.mark_account_unusable(account, "Google no longer accepts it.")
    httpx.post(f"{sandbox.url}/sandbox/revoke", json={"account": ADA}).raise_for_status()

    command = connect("Ada@Ours.example")
    allow(new_page(), command.address)
    ran = command.ran()

    [known] = accounts(db)
    assert (known["status"], known["status_reason"]) == ("active", None)
    assert (known["refresh_token"], known["sender_name"], known["daily_limit"]) == (
        f"sandbox:{ADA}:modify",
        "Ada",
        40,
    )
    assert ran.status == 0
    assert "`outreach campaigns retry-failed ID`" in ran.err


def test_only_the_answer_that_is_waited_for_counts(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """Neither a page that somebody else made the browser open, nor a connection without a word."""
    command, page = connect(ADA), new_page()
    address = command.address
    back = parse_qs(urlsplit(address).query)["redirect_uri"][0]

    with socket.create_connection(("127.0.0.1", urlsplit(back).port or 0)):
        forged = [httpx.get(back, params={"code": "4/x", **more}) for more in ({"state": "s"}, {})]
        stored = accounts(db)
        allow(page, address)
        ran = command.ran()

    assert [answer.status_code for answer in forged] == [400, 400]
    assert (stored, ran.status) == ([], 0)


def test_a_code_of_somebody_elses_challenge_is_refused(
    connect: Connect, new_page: NewPage, db: psycopg.Connection
) -> None:
    """The verifier never leaves the command but for the exchange: a swapped challenge shows."""
    command, page = connect(ADA), new_page()
    address = command.address
    challenge = parse_qs(urlsplit(address).query)["code_challenge"][0]
    allow(page, address.replace(challenge, "A" * 43))
    assert sentence(command.ran()).startswith("Google did not take the code")
    assert accounts(db) == []


@pytest.mark.parametrize(
    ("arguments", "changed", "says"),
    [
        (["--wait", "1"], {}, "Nobody answered on Google's page within 1 s"),
        (["ada"], {}, "'ada' is not a mail address"),
        ([], dict.fromkeys(ADDRESSES, ""), "Credentials > Create credentials > OAuth client ID"),
        ([], {"GOOGLE_AUTH_URL": ""}, "must both be Google's, or both the sandbox's"),
        ([], {"DATABASE_URL": "postgresql://db.example/x"}, "or use a local database"),
        (["--port", "{taken}"], {}, "cannot be used"),
    ],
    ids=["time-out", "no address", "no client", "half a sandbox", "a real database", "a port"],
)
def test_what_cannot_be_is_said_in_one_sentence(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    changed: dict[str, str],
    says: str,
) -> None:
    """Before anybody is sent to a page, where that can be known."""
    monkeypatch.chdir(tmp_path)
    for name, value in (environment | changed).items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [argument.replace("{taken}", port) for argument in arguments]
        status = app.run(["accounts", "connect", "--no-browser", *given])
    assert says in sentence(Ran(status, *capsys.readouterr()))
