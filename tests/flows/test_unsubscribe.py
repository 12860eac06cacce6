"""From the mail in Gmail to the campaign that does not mail: one click, over the real page."""
# ruff: noqa: F811 - fixtures are imported, and are arguments of the same name

import re
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from flows.dispatch_campaigns import dispatch_campaigns
from outreach import wiring
from outreach.delivery.web_address import tried_address
from outreach.mail.unsubscribe import CANARY
from outreach.settings import Settings
from tests.flows.test_cli import (  # noqa: F401 - what pytest finds here
    TOKEN,
    Outreach,
    csv,
    environment,
    one_sentence,
    outreach,
    store,
)
from tests.web_process import Web

ADA = "ada@ours.example"
FOOTER = "Acme Inc., 1 Main Street, Springfield\n{{ unsubscribe_url }}\n"
CREATE = ("campaigns", "create", "--name", "Spring", "--tag", "spring", "--account", ADA)


@pytest.fixture
def web(database: SecretStr, tmp_path: Path) -> Iterator[Web]:
    folder = tmp_path / "web"
    folder.mkdir()
    running = Web(database, folder)
    yield running
    running.close()


@pytest.fixture
def settings(settings: Settings, web: Web) -> Settings:
    """Its page is the web app of the campaigns, on this machine as the sandbox is."""
    return settings.model_copy(update={"app_url": f"{web.url}/"})


@pytest.fixture
def leads(outreach: Outreach, csv: Callable[[str], Path]) -> None:
    outreach("accounts", "add", ADA, "--refresh-token-stdin", stdin=f"{TOKEN}\n")
    file = csv(
        "email,name,company,email_subject,email_template\n"
        "zoe@acme.example,Zoë,Acme,A deck,Hello {{ name }}\n"
        "bob@acme.example,Bob,Acme,,\n"
    )
    assert outreach("leads", "import", file, "--tag", "spring").status == 0


@pytest.fixture
def footer(tmp_path: Path) -> Path:
    path = tmp_path / "footer.txt"
    path.write_text(FOOTER)
    return path


def mails(gmail: httpx.Client) -> dict[str, EmailMessage]:
    """What Gmail was given to send, by recipient."""
    found = gmail.get("/sandbox/mails").json()
    raws = [gmail.get(f"/sandbox/mails/{mail['id']}/raw").content for mail in found]
    parsed = [cast(EmailMessage, message_from_bytes(raw, policy=default)) for raw in raws]
    return {str(mail["To"]).rpartition("<")[2].rstrip(">"): mail for mail in parsed}


def addresses(mail: EmailMessage) -> list[str]:
    return re.findall(r"<([^<>]+)>", str(mail["List-Unsubscribe"]))


def text(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


# --- the whole way --------------------------------------------------------------------------------


def test_who_unsubscribes_by_one_click_is_mailed_by_no_later_campaign(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    leads: None,  # noqa: ARG001
    web: Web,
    footer: Path,
    gmail: httpx.Client,
) -> None:
    """As Gmail does it: a POST without cookies to the https address of the header."""
    first = UUID(outreach(*CREATE, "--footer", footer).out.strip())
    assert outreach("campaigns", "check", first, "--json").json["findings"] == []
    assert outreach("campaigns", "start", first, "--local").out == "2/2 sent\n"
    sent = mails(gmail)
    zoe = sent["zoe@acme.example"]
    page, mail = addresses(zoe)
    token = page.rpartition("/")[2]

    answer = httpx.post(page, data={"List-Unsubscribe": "One-Click"})
    second = UUID(outreach(*CREATE).out.strip())
    ended = outreach("campaigns", "start", second, "--local")
    ran = outreach("campaigns", "leads", second, "--json").json

    assert zoe["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert page.startswith(f"{web.url}/api/unsubscribe/o")
    assert mail == f"mailto:{ADA}?subject=unsubscribe-{token}"
    assert text(zoe, "plain").endswith(f"1 Main Street, Springfield\n{page}\n")
    assert f'<a href="{page}">' in text(zoe, "html")
    assert (answer.status_code, answer.text) == (200, "unsubscribed\n")
    assert {lead["email"]: lead["status"] for lead in ran} == {
        "zoe@acme.example": "cancelled",
        "bob@acme.example": "sent",
    }
    assert ended.status == 0
    assert len(gmail.get("/sandbox/mails").json()) == 3


def test_a_test_mail_has_links_that_unsubscribe_nobody(
    outreach: Outreach, leads: None, footer: Path, gmail: httpx.Client, db: psycopg.Connection  # noqa: ARG001
) -> None:  # fmt: skip
    """They work as those of the campaign: the page says that it was a test."""
    made = outreach(*CREATE, "--footer", footer).out.strip()
    assert outreach("campaigns", "test-send", made, "--to", "me@ours.example").status == 0
    page, _ = addresses(mails(gmail)["me@ours.example"])
    answer = httpx.post(
        page, data={"List-Unsubscribe": "One-Click"}, headers={"Accept": "text/html"}
    )
    assert "nobody was unsubscribed" in answer.text
    assert db.execute("select count(*) from suppressions").fetchone() == (0,)


def test_a_preview_shows_the_footer_and_the_header(
    outreach: Outreach, leads: None, footer: Path, tmp_path: Path, web: Web  # noqa: ARG001
) -> None:  # fmt: skip
    made = outreach(*CREATE, "--footer", footer).out.strip()
    folder = tmp_path / "mails"
    assert outreach("campaigns", "preview", made, "--out", folder).status == 0
    mail = cast(
        EmailMessage, message_from_bytes((folder / "0001.eml").read_bytes(), policy=default)
    )
    assert addresses(mail)[0] == f"{web.url}/api/unsubscribe/preview"
    assert "1 Main Street" in text(mail, "plain")


def test_without_being_asked_for_a_mail_has_no_header(
    prefect_api: str, outreach: Outreach, leads: None, gmail: httpx.Client  # noqa: ARG001
) -> None:  # fmt: skip
    """As the mails of the sender before us, for rows of the web app."""
    made = outreach(*CREATE, "--no-list-unsubscribe").out.strip()
    assert outreach("campaigns", "start", made, "--local").status == 0
    for mail in mails(gmail).values():
        assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (None, None)


# --- where no web address answers -----------------------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """A web app that answers a POST so; its page is of this kind."""

    status, headers_sent, body = 200, {}, b""  # type: ignore[var-annotated]
    page = "text/html; charset=utf-8"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", type(self).page)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(type(self).status)
        for name, value in type(self).headers_sent.items():
            self.send_header(name, value.replace("PATH", self.path))
        self.send_header("Content-Length", str(len(type(self).body)))
        self.end_headers()
        self.wfile.write(type(self).body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[Callable[..., str]]:
    """Start a web app that answers so; its address."""
    started: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes = b"", **headers: str) -> str:
        kind = type("Told", (Answers,), {"status": status, "body": body, "headers_sent": headers})
        started.append(ThreadingHTTPServer(("127.0.0.1", 0), kind))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{started[-1].server_port}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "why"),
    [
        (308, b"", {"Location": "PATH/"}, r"redirects to http://127\.0\.0\.1:\d+/api/unsubscribe/…/, and"),
        (302, b"", {"Location": "https://login.example/?next=PATH"}, r"redirects to https://login\.example/, and"),
        (404, b"", {}, "answered HTTP 404$"),
        (405, b"", {}, "answered HTTP 405$"),
        (200, b"<h1>Sign in</h1>", {}, "another page answers there$"),
        (200, b"canary" * 10_000, {}, "another page answers there$"),
    ],
)  # fmt: skip
def test_an_address_that_does_not_unsubscribe_is_told_and_left_out(
    database: SecretStr,
    settings: Settings,
    app: Callable[..., str],
    status: int,
    body: bytes,
    headers: dict[str, str],
    why: str,
) -> None:
    """A page for everything, a login or a redirect in front; never the trial's token."""
    changed = settings.model_copy(update={"app_url": app(status, body, **headers)})
    assert changed.database_url == database
    store = wiring.open_store(changed)
    found = tried_address(store, changed)
    store.close()
    assert (found.base, re.search(why, found.problem) is None) == (None, False), found
    assert "canary" not in found.problem


@pytest.mark.parametrize(
    ("page", "problem"),
    [("text/html; charset=utf-8", ""), ("text/plain", "its page is no text/html")],
)
def test_a_page_that_a_browser_shows_as_its_source_is_told(
    settings: Settings, app: Callable[..., str], monkeypatch: pytest.MonkeyPatch, page: str, problem: str
) -> None:  # fmt: skip
    """The POST is right; a host rewrites its page."""
    monkeypatch.setattr(Answers, "page", page)
    changed = settings.model_copy(update={"app_url": app(200, CANARY.encode())})
    store = wiring.open_store(changed)
    found = tried_address(store, changed)
    store.close()
    assert (found.base is None, found.problem.endswith(problem)) == (bool(problem), True), found


def test_a_run_reads_the_last_trial_and_waits_for_nobody(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    leads: None,  # noqa: ARG001
    gmail: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    app: Callable[..., str],
) -> None:
    """Without one that went well within the hour a mail unsubscribes by mail alone."""
    made = outreach(*CREATE).out.strip()
    monkeypatch.setenv("APP_URL", app(404))
    checked = outreach("campaigns", "check", made, "--json")
    assert [f["check"] for f in checked.json["findings"]] == ["unsubscribe"]
    assert checked.status == 0
    assert "HTTP 404" in checked.json["findings"][0]["message"]
    assert outreach("campaigns", "start", made, "--local").status == 0
    for mail in mails(gmail).values():
        assert [one.partition(":")[0] for one in addresses(mail)] == ["mailto"]
        assert mail["List-Unsubscribe-Post"] is None


def test_the_dispatcher_tries_the_address(
    prefect_api: str,  # noqa: ARG001
    outreach: Outreach,
    leads: None,  # noqa: ARG001
    settings: Settings,
    db: psycopg.Connection,
) -> None:
    """So that runs on its machine find a row; but not where no campaign has the header."""
    outreach(*CREATE, "--no-list-unsubscribe")
    with wiring.using(settings):
        dispatch_campaigns()
        assert db.execute("select answers from web_addresses").fetchall() in ([], [(None,)])
        outreach(*CREATE)
        dispatch_campaigns()
    assert db.execute("select answers, problem from web_addresses").fetchall() == [(True, None)]


@pytest.mark.slow
def test_doctor_tells_whether_it_answers(outreach: Outreach, web: Web) -> None:
    def line() -> Any:
        found = outreach("doctor", "--json").json
        return next(one for one in found if one["check"] == "unsubscribe")

    assert line() | {"told": ""} == line() | {"severity": "ok", "told": ""}
    web.close()
    assert (line()["severity"], "cannot be reached" in line()["message"]) == ("warning", True)


# --- the footer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "A footer has 1 to 20,000 characters"),
        (b" \n", "A footer has 1 to 20,000 characters"),
        (b"x" * 20_001, "A footer has 1 to 20,000 characters"),
        (b"\xff\xfe\xfa", "is not UTF-8"),
        (b"{{ a", "The footer of the campaign has an error in line 1"),
        (b"{% set a = 1 %}", "The footer of the campaign uses `set`"),
    ],
)
def test_a_footer_that_is_none_is_refused(
    outreach: Outreach, tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "footer.txt"
    file.write_bytes(content)
    assert why in one_sentence(outreach(*CREATE, "--footer", file))


def test_a_footer_in_letters_of_several_octets_is_whole(
    outreach: Outreach,
    leads: None,  # noqa: ARG001
    tmp_path: Path,
    db: psycopg.Connection,
) -> None:
    """Its limit is one of characters, and the link at its end is what it is for."""
    file = tmp_path / "footer.txt"
    text = "漢" * 19_970 + " {{ unsubscribe_url }}"
    file.write_text(text, encoding="utf-8")
    made = outreach(*CREATE, "--footer", file)
    assert (made.status, made.err) == (0, "")
    assert db.execute("select footer from campaigns").fetchall() == [(text,)]


def test_a_footer_that_is_not_there_is_refused(outreach: Outreach, tmp_path: Path) -> None:
    assert "cannot be read" in one_sentence(outreach(*CREATE, "--footer", tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("footer_text", "findings"),
    [
        (None, [("error", "A footer with a postal address is required, and the campaign has none")]),
        ("Acme Inc.", [("warning", "The footer has no {{ unsubscribe_url }}: nothing in it is a way to unsubscribe")]),
        ("{{ unsubscribe_url }} {{ nmae }}", [("error", "The footer of the campaign has {{ nmae }}, which this lead has no value for")]),
        ("<html><body>{{ unsubscribe_url }}</body></html>", [("error", "The footer of the campaign is a whole HTML document, which cannot stand below a mail")]),
        ("<p>Acme <a href='{{ unsubscribe_url }}'>no more</a>, {{ company }}</p>", []),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_footer_is_found_before(
    outreach: Outreach,
    leads: None,  # noqa: ARG001
    db: psycopg.Connection,
    footer_text: str | None,
    findings: list[tuple[str, str]],
) -> None:
    """Where the campaign's row says that it must have one."""
    made = outreach(*CREATE).out.strip()
    db.execute("update campaigns set footer = %s, footer_required = true", (footer_text,))
    checked = outreach("campaigns", "check", made, "--json").json
    assert [(f["severity"], f["message"]) for f in checked["findings"]] == findings
    assert all(f["count"] == 2 for f in checked["findings"])


def test_an_operator_may_require_a_footer(
    outreach: Outreach, leads: None, monkeypatch: pytest.MonkeyPatch  # noqa: ARG001
) -> None:  # fmt: skip
    """For all campaigns."""
    made = outreach(*CREATE).out.strip()
    assert outreach("campaigns", "check", made).status == 0
    monkeypatch.setenv("FOOTER_REQUIRED", "1")
    assert outreach("campaigns", "check", made).status == 1
