"""The preview as people see it: the real command, its page in a real Chromium."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import SecretStr

from gmail_sandbox.server import serve
from outreach.settings import Settings
from outreach.store.postgres import Postgres
from outreach.store.store import Store
from tests.conftest import new_database

pytestmark = pytest.mark.slow  # a real browser

CHROMIUM = Path("/usr/bin/chromium")
IMAGES = Path(__file__).parents[2] / "docs" / "images"
PDF = b"%PDF-1.4\n" + bytes(90_000)
HOSTILE = (
    "<p>Hello {{ name }},</p><p>our deck for {{ company }}.</p>"
    "<script>document.title = 'stolen'</script>"
    "<link rel='preconnect' href='ELSEWHERE'><img src='ELSEWHERE/pixel.png'>"
)
PLAIN = """\
Hello {{ name }},

you look after data at {{ company }}, so this may be of use: we have put on nine pages how teams of
your size in {{ city }} keep their campaigns from mailing anybody twice.

Would you have a quarter of an hour next week?

Best regards
Ada
"""


class Elsewhere(ThreadingHTTPServer):
    """A server that a hostile mail wants to be reached; it counts connections, not just requests."""

    connections = 0

    def verify_request(self, request: Any, client_address: Any) -> bool:
        del request, client_address
        self.connections += 1
        return True


class Nothing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass(frozen=True)
class Previewed:
    url: str
    elsewhere: Elsewhere
    gmail: str


def rows(elsewhere: str) -> list[dict[str, Any]]:
    names = ("Zoë Müller", "José Álvarez", "Łukasz Żak", "Inês Gonçalves", "", "Bjørn Åsen")
    acme = {
        "company": "Acme", "domain": "acme.example", "email_subject": "Nine pages for Acme",
        "email_template": PLAIN, "role": "Head of Data", "custom_fields": {"city": "Zürich"},
    }  # fmt: skip
    found = [
        {**acme, "email": f"{chr(97 + n)}{n}@acme.example", "name": names[n % len(names)]}
        for n in range(12)
    ]
    others: list[dict[str, Any]] = [
        {
            "email": "eve@evil.example", "name": "Eve <script>alert(1)</script>",
            "company": "</pre><script>document.title='stolen'</script>", "domain": "evil.example",
            "email_subject": "<b>Hi</b> & goodbye", "email_template": HOSTILE.replace("ELSEWHERE", elsewhere),
        },
        {
            "email": "info@beta.example", "name": "Beta", "company": "Beta", "domain": "beta.example",
            "email_subject": "A deck", "email_template": "Hi {{ nmae }}",
        },
        {"email": "zed@" + "very-long-" * 5 + "name.example", "name": "Zed", "domain": "gamma.example"},
    ]  # fmt: skip
    return found + others


@pytest.fixture(scope="module")
def previewed(server: SecretStr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previewed]:
    """`outreach campaigns preview`, until Ctrl-C ends it with status 0."""
    deck = tmp_path_factory.mktemp("deck") / "Project Reach Out Deck.pdf"
    deck.write_bytes(PDF)
    with new_database(server) as database, serve() as sandbox, _elsewhere() as elsewhere:
        place = f"http://127.0.0.1:{elsewhere.server_port}"
        campaign = _campaign(database, place)
        environment = {
            **os.environ,
            "DATABASE_URL": database.get_secret_value(),
            "GMAIL_API_URL": sandbox.url,
            "GOOGLE_TOKEN_URL": sandbox.token_url,
            "APP_URL": place,
            "ATTACHMENT_PDF": str(deck),
        }
        with _running(campaign, environment, deck.parent) as url:
            yield Previewed(url, elsewhere, sandbox.url)


@contextmanager
def _elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere(("127.0.0.1", 0), Nothing) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def _campaign(database: SecretStr, elsewhere: str) -> str:
    store = Store(Postgres(database), Settings.only(database_url=database))
    store.save_account(
        uuid4(), "ada@ours.example", refresh_token="sandbox:ada@ours.example:modify", sender_name="Ada Löwe",
    )  # fmt: skip
    store.import_leads(rows(elsewhere), "spring")
    made = uuid4()
    store.create_campaign(made, "Spring launch", ["ada@ours.example"], tag="spring")
    store.close()
    return str(made)


@contextmanager
def _running(campaign: str, environment: dict[str, str], folder: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "outreach.cli", "campaigns", "preview", campaign, "--json"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield json.loads(line)["url"]
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.communicate()) == (0, ("", ""))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"there is no {CHROMIUM}; install the package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(f"The browser is not optional in CI: {reason}")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab whose every request and script error is kept."""
    with browser.new_context() as context:
        yield context.new_page()


def row_of(page: Page, address: str) -> Any:
    return page.locator(".leads a", has_text=address)


def test_one_steps_from_mail_to_mail(previewed: Previewed, page: Page) -> None:
    """It opens at the first problem; the list, the arrows and “Next problem” lead on."""
    page.goto(previewed.url)
    assert page.locator(".problems li").count() > 0

    row_of(page, "a0@acme.example").click()

    frame = page.frame_locator("iframe")
    assert frame.get_by_text("Hello Zoë Müller,").is_visible()
    assert "Hello Zoë Müller," in page.locator("pre").first.inner_text()
    assert page.locator("h2").inner_text() == "Nine pages for Acme"
    facts = page.locator("dl").first.inner_text()
    assert "Zoë Müller <a0@acme.example>" in facts
    assert "Ada Löwe <ada@ours.example>" in facts
    assert "Project Reach Out Deck.pdf, 88 KB" in facts
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Project Reach Out Deck.pdf").click()
    assert downloaded.value.path().read_bytes() == PDF
    assert page.locator(".problems").count() == 0
    here = page.locator(".where").inner_text()
    page.locator("a[rel=next], a[rel=prev]").first.click()
    assert page.locator(".where").inner_text() != here


def test_problems_are_marked_with_what_to_do(previewed: Previewed, page: Page) -> None:
    """In the list, and above the mail; one that cannot be made says so."""
    page.goto(previewed.url)
    assert row_of(page, "info@beta.example").locator(".mark").inner_text() == "✕"
    row_of(page, "info@beta.example").click()

    told = page.locator(".problems").inner_text()
    assert "The template has {{ nmae }}, which the lead does not have." in told
    assert "This address is a department's" in told
    assert page.get_by_text("This mail cannot be made.").is_visible()


def test_a_hostile_mail_runs_nothing_and_reaches_nobody(previewed: Previewed, page: Page) -> None:
    """Neither as HTML in its frame nor by what the lead and its company are called."""
    page.goto(previewed.url)
    row_of(page, "eve@evil.example").click()
    page.wait_for_load_state("networkidle")

    assert page.frame_locator("iframe").get_by_text("Hello Eve").is_visible()
    assert "stolen" not in page.title()
    assert page.locator("h2").inner_text() == "<b>Hi</b> & goodbye"
    assert previewed.elsewhere.connections == 0
    assert httpx.get(f"{previewed.gmail}/sandbox/mails").json() == []
    # It is in the mail, and would have been noticed.
    raw = httpx.get(f"{previewed.url}{page.url.rpartition('/')[2]}/mail.eml").text
    assert f"127.0.0.1:{previewed.elsewhere.server_port}/pixel.png" in raw
    httpx.get(f"http://127.0.0.1:{previewed.elsewhere.server_port}/")
    assert previewed.elsewhere.connections == 1


def test_nobody_else_on_this_machine_gets_at_the_pages(previewed: Previewed) -> None:
    """Without the word in the path there is nothing, and no other site may frame or read it."""
    origin = previewed.url.rsplit("/", 2)[0]
    for path in ("/", "/1", "/style.css", f"/{'x' * 32}/1"):
        assert httpx.get(f"{origin}{path}").status_code == 404
    assert httpx.get(f"{previewed.url}1", headers={"Host": "evil.example"}).status_code == 403
    answer = httpx.get(f"{previewed.url}1")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == (
        "same-origin", "nosniff",
    )  # fmt: skip
    assert httpx.get(f"{previewed.url}0").status_code == 404
    assert httpx.get(f"{previewed.url}999").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 860), (390, 844)])
def test_it_fits_wide_and_narrow_screens_in_light_and_dark(
    previewed: Previewed, browser: Browser, width: int, height: int, scheme: Any
) -> None:
    """Nothing sticks out to the side; OUTREACH_SCREENSHOTS=1 keeps what it looks like."""
    with browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        for address in ("info@beta.example", "a0@acme.example"):
            page.goto(previewed.url)
            row_of(page, address).click()
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") == width
        if os.environ.get("OUTREACH_SCREENSHOTS") == "1":
            kind = "wide" if width > height else "phone"
            page.screenshot(path=IMAGES / f"preview-{kind}-{scheme}.png")
