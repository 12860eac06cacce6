"""The page to unsubscribe, in a real browser without JavaScript: light and dark, wide and narrow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from tests.browser import NARROW, WIDE, complaints, overflow
from tests.conftest import new_database
from tests.web_process import Web

pytestmark = pytest.mark.slow  # a real browser

LANGUAGES = {
    "en-GB": ("Unsubscribe", "You are unsubscribed"),
    "de-AT": ("Abmelden", "Sie sind abgemeldet"),
    "fr-FR": ("Se désabonner", "Vous êtes désabonné(e)"),
    "es-MX": ("Darme de baja", "Se ha dado de baja"),
    "it-IT": ("Annulla l’iscrizione", "La sua iscrizione è annullata"),  # noqa: RUF001
}


@pytest.fixture(scope="module")
def web(server: SecretStr, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with new_database(server) as database:
        running = Web(database, tmp_path_factory.mktemp("web"))
        yield running
        running.close()


def page_of(browser: Browser, language: str, *, width: int, dark: bool) -> Page:
    context = browser.new_context(
        locale=language,
        viewport={"width": width, "height": 700},
        color_scheme="dark" if dark else "light",
        java_script_enabled=True,  # for the test's own questions; the policy lets none run
    )
    return context.new_page()


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True])
def test_a_recipient_unsubscribes_with_one_button(
    browser: Browser, web: Web, tmp_path: Path, width: int, dark: bool
) -> None:
    """Nothing is done before it is pressed; the page says when it is."""
    token = web.mailed()
    page = page_of(browser, "en-GB", width=width, dark=dark)
    told = complaints(page)
    page.goto(f"{web.url}/api/unsubscribe/{token}")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    shot = tmp_path / "page.png"
    page.screenshot(path=shot)
    assert not web.suppressed(token)

    page.get_by_role("button", name="Unsubscribe").click()

    expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    assert web.suppressed(token)
    assert page.get_by_role("button").count() == 0
    assert (overflow(page), told) == (0, [])
    assert (background == "rgb(20, 21, 23)") == dark
    assert shot.stat().st_size > 0
    page.context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_speaks_the_browsers_language(browser: Browser, web: Web, language: str) -> None:
    button, done = LANGUAGES[language]
    page = page_of(browser, language, width=NARROW, dark=False)
    page.goto(f"{web.url}/api/unsubscribe/{web.mailed()}")
    assert overflow(page) == 0
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("heading")).to_have_text(done)
    assert overflow(page) == 0
    page.context.close()


def test_it_works_without_javascript(browser: Browser, web: Web) -> None:
    token = web.mailed()
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{web.url}/api/unsubscribe/{token}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading")).to_have_text("You are unsubscribed")
    assert web.suppressed(token)
    context.close()


def test_a_link_that_is_not_valid_says_what_to_do(browser: Browser, web: Web) -> None:
    page = page_of(browser, "en-GB", width=NARROW, dark=False)
    page.goto(f"{web.url}/api/unsubscribe/o{'0' * 32}")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading")).to_have_text("This link is not valid")
    page.context.close()
