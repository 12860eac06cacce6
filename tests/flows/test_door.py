"""The door of a Prefect server of this machine: a password, its own pages alone, its own name alone.

A web page of another origin is one that an operator has open beside it, in a real browser.
"""

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from deployments.server import Server, isolated_environment, locked_server
from outreach.local import access
from tests.browser import NewPage

pytestmark = pytest.mark.slow  # a real browser

OPEN = {"/api/health", "/api/ready"}
SOCKETS = ("events/in", "events/out", "logs/out", "task_runs/subscriptions/scheduled")
FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}]
NEW_FLOW = json.dumps({"name": "made by a page"})

TRY_EVERYTHING = """
async ([api, token, body]) => {
  const auth = {Authorization: `Basic ${btoa(token)}`};
  const tries = {
    read: () => fetch(`${api}/health`),
    authorized: () => fetch(`${api}/flows/count`, {method: "POST", headers: auth}),
    simple: () => fetch(`${api}/flows/`, {method: "POST", body}),
    blind: () => fetch(`${api}/flows/`, {method: "POST", mode: "no-cors", body}),
    socket: () => new Promise((open, fail) => {
      const socket = new WebSocket(`${api.replace("http", "ws")}/events/in`, ["prefect"]);
      socket.onopen = open;
      socket.onerror = fail;
    }),
  };
  const told = {};
  for (const [name, one] of Object.entries(tries))
    told[name] = await one().then((got) => got.type || "came through", () => "refused");
  return told;
}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "prefect"


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with locked_server(home) as running:
        yield running


@pytest.fixture
def password(server: Server, home: Path) -> str:  # noqa: ARG001 - made when it starts
    return access.known_password(home)


@pytest.fixture
def owner(server: Server, password: str) -> Iterator[httpx.Client]:
    """Who knows the password."""
    user, _, word = password.partition(":")
    with httpx.Client(base_url=f"{server.api}/", auth=(user, word)) as client:
        yield client


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A web site of another origin; its one page is empty."""
    (tmp_path / "index.html").write_text("<title>Elsewhere</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


def routes(server: Server) -> list[tuple[str, str]]:
    """Each method and path of Prefect's API, with something in place of what is filled in."""
    schema: dict[str, Any] = httpx.get(f"{address(server)}/openapi.json").json()
    return [
        (method.upper(), f"/api{path}" if not path.startswith("/api") else path)
        for path, methods in schema["paths"].items()
        for method in methods
    ]


def address(server: Server) -> str:
    return server.api.removesuffix("/api")


def test_every_route_wants_the_password(server: Server) -> None:
    """But those that say whether it is up."""
    with httpx.Client(base_url=address(server)) as anybody:
        answers = {path: anybody.request(way, path).status_code for way, path in routes(server)}

    assert len(answers) > 100
    assert {path for path, status in answers.items() if status != 401} <= OPEN


def test_every_route_refuses_foreign_names_and_pages(server: Server, owner: httpx.Client) -> None:
    """With the password, too; and the pages of the UI."""
    paths = [*routes(server), ("GET", "/"), ("GET", "/ui-settings"), ("OPTIONS", "/api/flows/")]
    answers = {
        owner.request(way, f"{address(server)}{path}", headers=headers).status_code
        for (way, path), headers in product(paths, FOREIGN)
    }
    assert answers == {403}


@pytest.mark.parametrize("path", SOCKETS)
def test_websockets_are_behind_the_same_door(server: Server, password: str, path: str) -> None:
    """A foreign page is refused before a word; one without the password after its first."""
    socket = f"{server.api.replace('http', 'ws', 1)}/{path}"
    told = json.dumps({"type": "auth", "token": password})
    with pytest.raises(InvalidStatus, match="403"):
        connect(socket, origin="http://evil.example", subprotocols=["prefect"])
    with connect(socket, subprotocols=["prefect"]) as without:
        without.send(json.dumps({"type": "auth", "token": "outreach:guessed"}))
        with pytest.raises(ConnectionClosedError, match="Invalid token"):
            without.recv(timeout=10)
    with connect(socket, origin=address(server), subprotocols=["prefect"]) as let_in:
        let_in.send(told)
        assert json.loads(let_in.recv(timeout=10)) == {"type": "auth_success"}


def test_a_page_of_another_origin_reads_nothing_and_changes_nothing(
    server: Server, password: str, owner: httpx.Client, elsewhere: str, new_page: NewPage
) -> None:
    """Though its browser runs on this machine, and though it knew the password."""
    page = new_page()
    page.goto(elsewhere)

    told = page.evaluate(TRY_EVERYTHING, [server.api, password, NEW_FLOW])

    assert told == {
        "read": "refused",
        "authorized": "refused",
        "simple": "refused",
        "blind": "opaque",  # a page is never told how that ended
        "socket": "refused",
    }
    assert owner.post("flows/count", json={}).json() == 0


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_ui_is_entered_once_with_the_password(
    server: Server, password: str, new_page: NewPage, name: str
) -> None:
    """A guess is not let in; afterwards no page asks again."""
    page = new_page()
    ui = f"http://{name}:{urlsplit(server.api).port}"
    page.goto(ui)
    enter(page, "outreach:guessed")
    expect(page.get_by_text("Invalid credentials")).to_be_visible(timeout=30_000)
    enter(page, password)
    expect(page).to_have_url(re.compile("/dashboard"), timeout=30_000)

    page.goto(f"{ui}/deployments")
    expect(page.get_by_text("Deployments").first).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=password]")).to_have_count(0)


def enter(page: Page, word: str) -> None:
    page.locator("input[type=password]").fill(word, timeout=30_000)
    page.keyboard.press("Enter")


def test_the_password_is_the_homes_and_its_owners_alone(
    server: Server, home: Path, tmp_path: Path
) -> None:
    """It outlives the server, another home has another, and no other server is told it."""
    assert access.password(home) == access.known_password(home)
    assert access.password(home) != access.password(tmp_path)
    assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
    assert access.password_for(server.api, home) == access.password(home)
    assert access.password_for("http://127.0.0.1:9/api", home) is None


def test_prefects_own_command_gets_in_with_it(
    server: Server, password: str, tmp_path: Path
) -> None:
    """As docs/operating.md has it; without it, it does not."""

    def ls(**more: str) -> int:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "deployment", "ls"],
            env={**isolated_environment(tmp_path), "PREFECT_API_URL": server.api, **more},
            capture_output=True,
            check=False,
        )
        return done.returncode

    assert ls(PREFECT_API_AUTH_STRING=password) == 0
    assert ls() != 0
