"""Prefect's UI as operators use it, in a real browser: the form that starts a campaign, and its run.

With OUTREACH_SCREENSHOTS=1 the pictures of the README are taken here.
"""

import os
from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from psycopg.conninfo import conninfo_to_dict

from outreach.settings import Settings
from tests.flows.conftest import NewCampaign
from tests.lifecycle.conftest import ROOT, World, until
from tests.lifecycle.operator import Operator
from tests.programs import needed

pytestmark = [pytest.mark.lifecycle, pytest.mark.timeout(240)]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000
LEADS = 20
BROKEN = 7


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = needed("chromium", "chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A pace at which a person sees the progress."""
    return settings.model_copy(update={"send_pace_seconds": 1.0})


class Ui:
    """What an operator clicks; every page that was looked at is kept as text."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen = ""

    def open_form(self) -> None:
        self.page.goto("/deployments")
        self.page.get_by_role("link", name="send-campaign").first.click()
        self.page.get_by_role("button", name="Run", exact=True).last.click()
        self.page.get_by_text("Custom run").click()

    def fill_in(self, campaign: str) -> None:
        """The form's one parameter."""
        self.page.locator("textarea").first.fill(campaign)

    def submit(self) -> None:
        self.page.get_by_role("button", name="Submit").click()

    def open_run(self, run: UUID, tab: str) -> None:
        self.page.goto(f"/runs/flow-run/{run}")
        self.page.get_by_text(tab, exact=True).last.click()

    def shows(self, *texts: str) -> None:
        """Waits for each of them."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()
        self.seen += self.page.content()

    def picture(self, name: str) -> None:
        if os.environ.get("OUTREACH_SCREENSHOTS") == "1":
            self.page.wait_for_timeout(1500)  # its animations
            self.page.screenshot(path=ROOT / "docs" / "images" / f"prefect-{name}.png")


@pytest.fixture
def ui(browser: Browser, deployed: str) -> Iterator[Ui]:
    """A tab on the API's own address: the server has its UI there."""
    expect.set_options(timeout=PATIENCE_MS)
    with browser.new_page(
        base_url=deployed.removesuffix("/api"), viewport={"width": 1280, "height": 860}
    ) as page:
        page.set_default_timeout(PATIENCE_MS)
        yield Ui(page)


@pytest.fixture
def operator(deployed: str) -> Operator:
    return Operator(deployed)


@pytest.fixture
def campaign(new_campaign: NewCampaign) -> UUID:
    """Twenty leads over two accounts, of which one has a template that cannot be filled in."""
    leads: list[dict[str, object]] = [
        {
            "email": f"lead{number}@acme.example",
            "company": "Other" if number == BROKEN else "Acme",
            "email_subject": "A deck for you",
            "email_template": "Hello {{ nmae }}" if number == BROKEN else "Hello",
        }
        for number in range(LEADS)
    ]
    return new_campaign(leads=leads, accounts=2)


def test_a_campaign_is_started_by_the_form_and_watched_to_its_end(
    world: World, ui: Ui, operator: Operator, campaign: UUID
) -> None:
    """What is no id is refused with a message; progress and summary are told; nothing is leaked."""
    ui.open_form()
    ui.fill_in("Spring")
    ui.submit()
    ui.shows("campaign_id", "The id of the campaign (campaigns.id)", "'Spring' is not a 'uuid'")
    assert world.runs_of(campaign) == set()

    ui.fill_in(str(campaign))
    expect(ui.page.get_by_text("is not a 'uuid'")).to_be_hidden()
    ui.picture("form")
    ui.submit()
    (run,) = until(lambda: world.runs_of(campaign), "the form's run")

    worker = world.worker()
    world.until_sending(worker, 6)
    ui.open_run(run, "Logs")
    ui.shows("send Spring", f"campaign:{campaign}", "Running", f"{LEADS} of {LEADS} leads pending")
    ui.picture("run")
    until(lambda: "campaign-progress" in operator.artifacts(run), "its progress")
    ui.open_run(run, "Artifacts")  # the page of a run that has ended does not look again
    ui.shows("campaign-progress")
    assert world.ended(run) == "Completed"

    ui.open_run(run, "Logs")
    ui.shows("Completed", f"{LEADS - 1}/{LEADS} sent")
    for tab, text in (("Parameters", str(campaign)), ("Job Variables", "{}")):
        ui.open_run(run, tab)
        ui.shows(text)
    ui.open_run(run, "Artifacts")
    ui.shows("campaign-failures", "campaign-progress")
    ui.page.get_by_text("campaign-summary").first.click()
    ui.shows(f"Spring: {LEADS - 1}/{LEADS} sent", "mails a minute", "s…@ours.example")
    ui.picture("summary")

    assert world.account_for(campaign) == {"sent": LEADS - 1, "failed": 1}
    for secret in ("lead1@", "sender0@", "sandbox:", password(world)):
        assert secret not in ui.seen


def password(world: World) -> str:
    assert world.settings.database_url is not None
    return str(conninfo_to_dict(world.settings.database_url.get_secret_value())["password"])
