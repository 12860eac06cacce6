"""A real Chromium for the tests of what people see; it asks nothing beyond this machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ALONE = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
WIDE, NARROW = 1280, 390
"""A desk's and a phone's page, in CSS pixels."""

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module.

    Not of the session: Playwright's event loop counts as running in this thread while it lives,
    and the tests of other modules run loops of their own there.
    """
    if shutil.which(CHROMIUM) is None:
        _do_without(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open an empty page: `new_page(width=NARROW, dark=True)`; each has cookies of its own."""
    contexts = []

    def new(*, width: int = WIDE, height: int = 800, dark: bool = False) -> Page:
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
        )
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        context.close()


def complaints(page: Page) -> list[str]:
    """What the browser will complain about from now on: errors of scripts and on the console."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda line: line.type == "error" and found.append(line.text))
    return found


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    root = "document.documentElement"
    return int(page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"Chromium is not optional in CI: {reason}")
    pytest.skip(f"no browser here: {reason}")
