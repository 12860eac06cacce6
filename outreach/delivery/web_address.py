"""Whether the web app unsubscribes: a trial from outside, by POST as a mail provider does it, and
of the page that a person sees.

The trial's token is a canary: the address has to know it, so it is our route on the same database,
and nobody is unsubscribed. Its result is a row. A run reads that row and waits for no web app.
"""

from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple
from urllib.parse import urljoin

import requests

from outreach import commands
from outreach.loopback import is_loopback
from outreach.mail.unsubscribe import CANARY, ONE_CLICK, PATH, web_base
from outreach.settings import Settings
from outreach.store.store import Store
from outreach.urls import shown

SECONDS = 1.0
"""The longest that a request may take; a trial has two of them."""
FRESH_SECONDS = 3600.0
"""A result that is older counts no more."""
REST_SECONDS = 900.0
"""The dispatcher tries an address that answers so often; one that does not, each minute."""
ANSWER = (
    f"let the web app or {commands.WEB} answer POST {PATH}TOKEN at APP_URL, then see "
    f"{commands.DOCTOR}"
)
"""The remedy."""
FORM = "application/x-www-form-urlencoded"
HTML = "text/html"


class WebAddress(NamedTuple):
    """The address by which mails unsubscribe."""

    base: str | None
    """As mails carry it; None where they unsubscribe by mail alone."""
    problem: str = ""
    """Why they do, for people; empty also where APP_URL is not set."""
    canary: str | None = None
    """A token that it knows and that unsubscribes nobody."""


NO_WEB_ADDRESS = WebAddress(None)


def known_address(store: Store, settings: Settings) -> WebAddress:
    """As the last trial left it."""
    base = base_of(settings)
    if base is None:
        return WebAddress(None, _unfit(settings))
    trial = store.read_canary(base)
    if trial is None:
        return WebAddress(None, f"{base} was not tried yet")
    if trial.age_seconds > FRESH_SECONDS:
        return WebAddress(None, f"{base} was not tried for an hour")
    if not trial.answers:
        return WebAddress(None, f"{base} does not unsubscribe: {trial.problem}")
    return WebAddress(base, canary=trial.canary)


def tried_address(store: Store, settings: Settings) -> WebAddress:
    """As a trial finds it now; the trial takes two seconds at most."""
    try_address(store, settings)
    return known_address(store, settings)


def try_address(store: Store, settings: Settings, rest_seconds: float = 0) -> None:
    """Try it and record the result; with `rest_seconds` only where `take_canary` asks for that."""
    base = base_of(settings)
    if base is None or (canary := store.take_canary(base, rest_seconds)) is None:
        return
    store.note_canary(base, _in_time(f"{base}{PATH}{canary}", canary))


def base_of(settings: Settings) -> str | None:
    """APP_URL as mails carry it; None if no mail can."""
    return web_base(settings.app_url, trying=is_loopback(settings.gmail_api_url))


def _unfit(settings: Settings) -> str:
    if not settings.app_url:
        return ""
    return f"mails can only carry an https address, and APP_URL is {shown(settings.app_url)}"


def _in_time(url: str, canary: str) -> str | None:
    """The problem, or None. In a thread: the look-up of a host's name has no time-out."""
    found: SimpleQueue[str | None] = SimpleQueue()
    Thread(target=lambda: found.put(_problem(url, canary)), daemon=True).start()
    try:
        return found.get(timeout=2 * SECONDS)
    except Empty:
        return f"it did not answer within {2 * SECONDS:g} s"


def _problem(url: str, canary: str) -> str | None:
    return _problem_of_post(url, canary) or _problem_of_page(url)


def _problem_of_page(url: str) -> str | None:
    """Of the page with the button, to which the link in a mail leads."""
    try:
        with requests.get(
            url,
            auth=lambda request: request,
            timeout=SECONDS,
            stream=True,
        ) as response:
            kind = response.headers.get("Content-Type", "")
    except requests.RequestException as error:
        return f"its page cannot be reached ({type(error).__name__})"
    if response.status_code != requests.codes.ok:
        return f"its page answered HTTP {response.status_code}"
    # Some hosts rewrite pages to text/plain: a browser then shows their source, and no button.
    return None if kind.lower().startswith(HTML) else f"its page is no {HTML}"


def _problem_of_post(url: str, canary: str) -> str | None:
    try:
        with requests.post(
            url,
            data=ONE_CLICK,
            headers={"Content-Type": FORM},
            auth=lambda request: request,  # none of a .netrc: a provider has none
            timeout=SECONDS,
            allow_redirects=False,
            stream=True,
        ) as response:
            if target := response.headers.get("Location"):
                where = shown(urljoin(url, target)).replace(canary, "…")
                return f"it redirects to {where}, and mail providers follow no redirect"
            if response.status_code != requests.codes.ok:
                return f"it answered HTTP {response.status_code}"
            answer = next(response.iter_content(len(CANARY) + 2), b"")
    except requests.RequestException as error:
        return f"it cannot be reached ({type(error).__name__})"
    return None if answer.strip() == CANARY.encode() else "another page answers there"
