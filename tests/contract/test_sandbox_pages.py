"""The sandbox's pages as people see them: in a browser, at a desk and on a phone, light and dark.

With OUTREACH_SCREENSHOTS=1 the pictures under docs/images are made anew.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page

from gmail_sandbox.answers import KINDS
from gmail_sandbox.faults import Fault
from gmail_sandbox.inbound import Inbound, deliver
from gmail_sandbox.server import Sandbox, serve
from outreach.campaign.models import Company, Lead, Sender
from outreach.inbound.classify import classify
from outreach.mail.mime import Attachment, build
from outreach.mail.render import render
from tests.browser import NARROW, WIDE, NewPage, complaints, overflow

pytestmark = pytest.mark.slow  # a real browser

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "images"
SENDERS = ("Ada Lovelace", "Grace Hopper")
LEADS = (
    ("zoe@acme.example", "Zoë Müller", "Acme", "CTO"),
    ("jose@acme.example", "José Álvarez", "Acme", "Head of Data"),
    ("lukasz@acme.example", "Łukasz Żak", "Acme", "Engineer"),
    ("amelie@globex.example", "Amélie Brûlé", "Globex", "CEO"),
    ("yuki@globex.example", "雪 田中", "Globex", "Designer"),
    ("aoife@umbrella.example", "Aoife Ní Bhriain", "Umbrella", "Founder"),
)
TEMPLATE = (
    "<p>Hello {{ name }},</p><p>as {{ role }} of {{ company }} you may like our deck: "
    "two pages on what we do, and one on what it costs.</p><p>Kind regards</p>"
)
ASKED = (
    "client_id=app&redirect_uri=http://127.0.0.1:9/&response_type=code&scope=openid+email"
    "+https://www.googleapis.com/auth/gmail.modify+https://www.googleapis.com/auth/gmail.send"
)
CONSENT = "/o/oauth2/v2/auth"


def of_a_campaign() -> Iterator[tuple[str, bytes]]:
    """Senders and mails, made as they are made for Gmail."""
    deck = ROOT / "assets" / "Project Reach Out Deck.pdf"
    attachment = Attachment.from_bytes(deck.name, deck.read_bytes())
    for number, (to, name, firm, role) in enumerate(LEADS):
        sender = SENDERS[number % len(SENDERS)]
        address = f"{sender.split()[0].lower()}@sender.example"
        lead = Lead(email=to, name=name, role=role)
        company = Company(name=firm, email_subject=f"A deck for {firm}", email_template=TEMPLATE)
        yield (
            address,
            bytes(
                build(
                    render(company, lead, pixel_url=None),
                    sender=Sender(id=uuid4(), email=address, name=sender),
                    to=lead,
                    attachment=attachment,
                    search_token="mountain7",
                    date=datetime.now(UTC),
                )
            ),
        )


def with_everything_long() -> bytes:
    """No space anywhere to break a line at."""
    message = EmailMessage()
    message["To"] = f"{'l' * 60}@{'sub.' * 30}example.com"
    message["Subject"] = "Donaudampfschifffahrtsgesellschaft" * 8
    message["X-Long"] = "x" * 900
    message.set_content("w" * 600)
    message.add_alternative(f"<table width=3000><tr><td>{'h' * 600}</td></tr></table>", "html")
    message.add_attachment(b"x", "text", "x", filename=f"{'n' * 180}.pdf")
    return message.as_bytes()


def fill(sandbox: Sandbox) -> None:
    for account, raw in of_a_campaign():
        sandbox.mailbox.send(account, raw)


def fill_with_everything(sandbox: Sandbox) -> None:
    """Mails of every length, an address mailed twice, a draft, and faults."""
    longest = with_everything_long()
    for _ in range(2):
        sandbox.mailbox.send(f"{'s' * 60}@{'own.' * 20}example.com", longest)
    sandbox.mailbox.create_draft("ada@sender.example", longest)
    fill(sandbox)
    for mail in (sandbox.mailbox.sent()[0], sandbox.mailbox.sent()[-1]):
        deliver(sandbox.state, Inbound(kind="reply", mail=mail.id))
    whose = f"{'a' * 60}@sender.example"
    sandbox.state.faults.add(Fault(fault="accept_then_close", on="send", every=3))
    sandbox.state.faults.add(Fault(fault="mail_sending_429", on="send", account=whose, times=2))
    sandbox.state.requests["messages.send"] += 8


def places(sandbox: Sandbox) -> dict[str, str]:
    """Every page there is."""
    longest, *_, last = sandbox.mailbox.sent()
    [draft] = sandbox.mailbox.drafts()
    long_one, came = sandbox.mailbox.received()
    return {
        "list": "/",
        "nothing-found": "/?q=nothing-like-it",
        "mail": f"/mails/{last.id}",
        "longest": f"/mails/{longest.id}",
        "inbound": "/inbound",
        "received": f"/inbound/{came.id}",
        "longest-received": f"/inbound/{long_one.id}",
        "drafts": "/drafts",
        "draft": f"/drafts/{draft.id}",
        "faults": "/faults",
        "consent": f"{CONSENT}?{ASKED}",
        "refused": f"{CONSENT}?client_id=app",
        "missing": "/mails/none",
    }


@pytest.fixture(scope="module")
def crowded() -> Iterator[Sandbox]:
    with serve() as running:
        fill_with_everything(running)
        yield running


@pytest.mark.parametrize("width", [WIDE, NARROW], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_fits_and_the_browser_complains_of_nothing(
    crowded: Sandbox, new_page: NewPage, width: int, *, dark: bool
) -> None:
    """None is wider than its window, with every fold open, and the console stays empty."""
    page, pages = new_page(width=width, dark=dark), places(crowded)
    troubles, wider = complaints(page), {}
    for name, place in pages.items():
        page.goto(crowded.url + place)
        page.evaluate(
            "document.querySelectorAll('details').forEach((fold) => { fold.open = true })"
        )
        wider[name] = overflow(page)
    # The two pages that are errors: a browser says so by itself.
    troubles = [t for t in troubles if "status of 400" not in t and "status of 404" not in t]
    assert (wider, troubles) == (dict.fromkeys(pages, 0), [])


def test_a_person_reads_what_was_sent(new_page: NewPage) -> None:
    """From the list to a mail: its text in a frame of its own, its deck to download."""
    with serve() as sandbox:
        fill(sandbox)
        page = new_page()
        page.goto(sandbox.url)
        keep(page, "sandbox-list", height=570)
        page.get_by_text("A deck for Umbrella").click()
        shown = page.frame_locator("iframe").get_by_text("Hello").inner_text()
        keep(page, "sandbox-mail", height=720)
        with page.expect_download() as download:
            page.get_by_role("link", name="Project Reach Out Deck.pdf").click()
    assert shown == "Hello Aoife Ní Bhriain,"
    assert download.value.suggested_filename == "Project Reach Out Deck.pdf"


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_lets_a_lead_answer(browser: Browser, kind: str) -> None:
    """A button beside the mail, without scripts: what came is shown, and is in the mailbox."""
    with serve() as sandbox:
        fill(sandbox)
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(sandbox.url)
        page.get_by_role("button", name=f"{kind} from aoife@umbrella.example").click()
        [came] = sandbox.mailbox.received()
        assert page.url == f"{sandbox.url}/inbound/{came.id}"
        page.get_by_role("link", name="Received 1").click()
        page.locator(f'a[href="/inbound/{came.id}"]').click()
        shown = page.locator("main h2").inner_text()
        context.close()
        assert (came.account, shown) == ("grace@sender.example", came.subject)
        assert classify(came.read()).kind == kind


def test_a_hostile_mail_and_its_answer_are_escaped(new_page: NewPage) -> None:
    """Address, subject and text are shown as they are, in the list and beside the buttons."""
    message = EmailMessage()
    message["To"] = "\"<b>'x'</b>\"@x.example"
    message["Subject"] = "<script>alert(1)</script>"
    message.set_content("<script>alert(2)</script>")
    with serve() as sandbox:
        sandbox.mailbox.send("ada@sender.example", message.as_bytes())
        page = new_page()
        troubles = complaints(page)
        page.goto(sandbox.url)
        page.get_by_role("button", name="reply").click()
        subject = page.locator("main h2").inner_text()
        page.goto(f"{sandbox.url}/inbound")
        listed = page.locator(".to bdi").inner_text()
        scripts = page.locator("main script, main b").count()
    assert (subject, scripts, troubles) == ("Re: <script>alert(1)</script>", 0, [])
    assert listed == "\"<b>'x'</b>\"@x.example"


def test_a_button_of_no_kind_delivers_nothing() -> None:
    """Nor one beside a mail that is gone."""
    with serve() as sandbox:
        fill(sandbox)
        sent = sandbox.mailbox.sent()[0].id
        wrong = [(sent, {"kind": "gossip"}), (sent, {}), ("none", {"kind": "reply"})]
        codes = [
            httpx.post(
                f"{sandbox.url}/mails/{mail}/answers", data=form, trust_env=False
            ).status_code
            for mail, form in wrong
        ]
        assert (codes, sandbox.mailbox.received()) == ([404] * 3, [])


def keep(page: Page, name: str, *, height: int) -> None:
    if os.environ.get("OUTREACH_SCREENSHOTS"):
        PICTURES.mkdir(exist_ok=True)
        page.set_viewport_size({"width": WIDE, "height": height})
        page.screenshot(path=PICTURES / f"{name}.png")
