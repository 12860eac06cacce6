"""The ways to unsubscribe: what a mail carries, and what a request asks for."""

import re
from email import message_from_bytes
from email.policy import default

import pytest

from outreach.mail import headers
from outreach.mail.unsubscribe import unsubscribe, web_base
from outreach.public.clients import BURST, MOST_CLIENTS, Misses, client_of, networks
from outreach.public.forms import asks_to_unsubscribe
from outreach.public.page import TEXTS, language_of, page
from outreach.settings import Settings
from tests.one_click import ACTS, DOES_NOTHING, Body

TOKEN = f"o{'0123456789abcdef' * 2}"
BASE = "https://app.a-rather-long-company-name.example/a/path"


def read(*fields: str) -> dict[str, str]:
    """As a mail program reads the fields: unfolded."""
    raw = "\r\n".join([*fields, "", ""]).encode()
    return {name: str(value) for name, value in message_from_bytes(raw, policy=default).items()}


# --- the header -----------------------------------------------------------------------------------


def test_the_header_has_both_addresses_whole() -> None:
    """Python's own email would encode an address of 76 characters, so that it is none any more."""
    ways = unsubscribe("Ann+Sales@us.example", TOKEN, BASE)
    assert len(str(ways.web)) > 76
    assert read(*ways.fields()) == {
        "List-Unsubscribe": (
            f"<{BASE}/api/unsubscribe/{TOKEN}>,"
            f" <mailto:Ann+Sales@us.example?subject=unsubscribe-{TOKEN}>"
        ),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_no_line_ends_inside_an_address() -> None:
    """Some readers do not unfold."""
    written = "\r\n".join(unsubscribe("ann@us.example", TOKEN, BASE).fields())
    assert sorted(re.findall(r"<[^<>\s]+>", written)) == sorted(re.findall(r"<[^<>]+>", written))
    assert "=?" not in written


def test_without_a_web_address_there_is_no_one_click() -> None:
    """RFC 8058 needs one."""
    ways = unsubscribe("ann@us.example", TOKEN, None)
    assert ways.fields() == [
        f"List-Unsubscribe: <mailto:ann@us.example?subject=unsubscribe-{TOKEN}>"
    ]
    assert ways.url == f"mailto:ann@us.example?subject=unsubscribe-{TOKEN}"


def test_signs_of_an_account_do_not_end_its_address() -> None:
    """Nor begin a parameter."""
    ways = unsubscribe("a&b=c?d,e@us.example", TOKEN, None)
    assert ways.mail == f"mailto:a%26b%3Dc%3Fd%2Ce@us.example?subject=unsubscribe-{TOKEN}"


@pytest.mark.parametrize("token", ["a b", "a\r\nBcc: x@y.example", "ä", ""])
def test_a_field_of_tokens_holds_nothing_else(token: str) -> None:
    """A line break would begin another field."""
    with pytest.raises(ValueError, match="no token"):
        headers.tokens("References", token)


def test_a_field_of_long_ids_ends_its_lines_between_them() -> None:
    """As those of Exchange, in References."""
    ids = [f"<{number:080}@exchange.example>" for number in range(3)]
    written = headers.tokens("References", *ids)
    assert written == "\r\n ".join([f"References: {ids[0]}", *ids[1:]])
    assert read(written) == {"References": " ".join(ids)}


@pytest.mark.parametrize(
    ("app_url", "trying", "base"),
    [
        ("https://app.example", False, "https://app.example"),
        ("https://app.example/", False, "https://app.example"),
        (" https://app.example/a// ", False, "https://app.example/a"),
        ("https://App.Bücher.example:8443/ä<b", False, "https://app.xn--bcher-kva.example:8443/%C3%A4%3Cb"),
        ("https://[2001:db8::1]/a", False, "https://[2001:db8::1]/a"),
        ("http://app.example", False, None),
        ("http://app.example", True, None),
        ("http://127.0.0.1:3000", True, "http://127.0.0.1:3000"),
        ("http://127.0.0.1:3000", False, None),
        ("https://localhost", False, None),
        ("https://app.example", True, "https://app.example"),
        (f"https://app.example/{'a' * 500}", False, None),
        (f"https://app.example/{'ä' * 200}", False, None),
        ("", False, None),
        (None, False, None),
    ],
)  # fmt: skip
def test_mails_carry_https_addresses(app_url: str | None, trying: bool, base: str | None) -> None:
    """Of this machine only where the mails stay on it."""
    assert web_base(app_url, trying=trying) == base


# --- the body of a request ------------------------------------------------------------------------


@pytest.mark.parametrize("given", ACTS, ids=lambda given: given.name)
def test_each_valid_form_unsubscribes(given: Body) -> None:
    """Form parsers refuse or misread some of them."""
    assert asks_to_unsubscribe(given.type, given.body)


@pytest.mark.parametrize("given", DOES_NOTHING, ids=lambda given: given.name)
def test_nothing_else_does(given: Body) -> None:
    """Not one of them raises."""
    assert not asks_to_unsubscribe(given.type, given.body)


def test_a_boundary_that_is_given_in_two_ways_asks_for_nothing() -> None:
    """Python's parser raises on it."""
    kind = "multipart/form-data; boundary*=x; boundary*0=y"
    assert not asks_to_unsubscribe(kind, b"--x\r\n\r\nOne-Click\r\n--x--\r\n")


# --- who asks -------------------------------------------------------------------------------------

PROXIES = networks("10.0.0.1, 10.1.0.0/16, fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        (None, ["6.6.6.6"], "unknown"),
        ("testclient", [], "unknown"),
    ],
)
def test_a_client_is_who_a_named_proxy_says(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    """What the client itself wrote is never believed."""
    assert client_of(peer, forwarded, PROXIES) == client


def test_a_proxy_that_is_no_address_is_refused_with_the_setting() -> None:
    with pytest.raises(Exception, match=r"WEB_PROXIES is not usable: addresses or networks"):
        Settings.only(web_proxies="proxy.example")


def test_a_client_may_miss_so_often() -> None:
    """Then one more each ten seconds; another client is not concerned."""
    misses = Misses()
    assert [misses.count("a", 0) for _ in range(BURST)] == [0] * BURST
    assert misses.count("a", 0) == 10
    assert misses.count("b", 0) == 0
    assert misses.count("a", 4) == pytest.approx(6)
    assert misses.count("a", 10) == 0
    assert misses.count("a", 11) > 0
    assert [misses.count("a", 10_000) for _ in range(BURST)] == [0] * BURST


def test_the_clients_that_are_remembered_are_bounded() -> None:
    misses = Misses()
    for number in range(MOST_CLIENTS + 100):
        misses.count(str(number), 0)
    assert len(misses._left) == MOST_CLIENTS


# --- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("pt,fr;q=0.5,es;q=0.7", "es"),
        ("ja, ko;q=0.9", "en"),
        ("it;q=0, en;q=0.1", "en"),
        ("fr;q=x", "en"),
        ("*", "en"),
        (",".join(["x"] * 100_000), "en"),
    ],
)
def test_the_language_is_the_browsers(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_each_language_has_all_texts() -> None:
    assert len(TEXTS) == 5
    assert {tuple(texts) for texts in TEXTS.values()} == {tuple(TEXTS["en"])}


def test_the_page_needs_no_script_and_fetches_nothing() -> None:
    """It has a form of one button."""
    shown = page("ask", "de")
    assert not re.findall(r"<script|src=|href=|@import|url\(", shown)
    assert re.findall(r"<(form|button)", shown) == ["form", "button"]
    assert '<html lang="de">' in shown
