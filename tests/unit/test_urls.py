"""Addresses in settings and messages: what is refused, and what is never repeated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.errors import AttachmentMissing, ConfigurationError
from outreach.settings import Settings
from outreach.urls import host_of, servers, shown, split, web_address

ADDRESSES = [
    "supabase_url",
    "gmail_api_url",
    "google_token_url",
    "google_auth_url",
    "app_url",
]
NUMBERS = [
    "gmail_timeout_seconds",
    "gmail_settle_seconds",
    "send_pace_seconds",
    "claim_lease_seconds",
    "account_daily_limit",
    "send_concurrency",
]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://a.example/x/deck.pdf?sig=SECRET", "https://a.example/x/deck.pdf"),
        ("https://a.example/deck.pdf#SECRET", "https://a.example/deck.pdf"),
        ("https://ann:SECRET@a.example:8443/deck.pdf", "https://a.example:8443/deck.pdf"),
        ("HTTPS://SECRET@A.example", "HTTPS://A.example"),
        (" https://SECRET@[::1]:80/x ", "https://[::1]:80/x"),
        ("postgresql://u:SECRET@db.example/postgres?sslkey=SECRET", "postgresql://db.example/postgres"),
        ("https://ann:SEC/RET@a.example/x", "https://…"),
        ("//ann:SECRET@a.example/x", "//a.example/x"),
        ("ann:SECRET@a.example/x?SECRET", "a.example/x"),
        ("https://[::1/SECRET", "https://…"),
        ("deck.pdf?token=SECRET", "deck.pdf"),
        ("/srv/Deck #3 (v2).pdf", "/srv/Deck #3 (v2).pdf"),
        ("deck@2x.pdf", "deck@2x.pdf"),
    ],
)  # fmt: skip
def test_of_an_address_host_and_path_are_shown(address: str, told: str) -> None:
    """What may be a key stays out of every message."""
    assert shown(address) == told


@settings(deadline=None)
@given(
    st.text("abcXYZ019._~%-!$&'()*+,;=", min_size=8, max_size=30),
    st.text("abcXYZ019._~%-!$&'()*+,;=:@", max_size=30),
)
def test_a_password_and_a_query_are_never_shown(secret: str, more: str) -> None:
    """Whatever they are made of, but for a slash in a password, which no address may hold."""
    key = f"KEY{secret}KEY"
    for address in (
        f"https://user:{more}{key}@files.example/deck.pdf",
        f"https://files.example/deck.pdf?{more}{key}",
        f"https://files.example/deck.pdf?a=b#{more}{key}",
    ):
        assert shown(address) == "https://files.example/deck.pdf"
        assert key not in str(AttachmentMissing(address, "it is away"))


def test_what_is_shown_is_short() -> None:
    """A row may name anything."""
    assert len(shown("https://a.example/" + "x" * 1_000_000)) == 200


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "https://[::1/x",
        "https://",
        "https:///x",
        "a.example",
        "ftp://a.example",
        "https://a b.example",
        "https://a.example:99999",
        "https://a.example:x",
        "https://a..example",
        f"https://{'a' * 64}.example",
        "https://a.example\n",
        "https://a.example/\\x",
        "https://ann:pw@a.example",
        "https://a.example?key=1",
        "https://a.example/#x",
    ],
)
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_nobody_can_ask_is_refused_by_its_setting(name: str, address: str) -> None:
    """In one sentence, which does not repeat it."""
    with pytest.raises(ConfigurationError, match=f"^{name.upper()}.* is not usable: ") as refused:
        Settings.only(**{name: address})
    assert not any(word in str(refused.value) for word in ("ann", "pw", "key=", "\n"))


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8025", "http://[::1]:8025/", "https://bücher.example/x", "http://localhost"],
)
def test_an_address_that_can_be_asked_stays_as_it_is(address: str) -> None:
    assert web_address(address) == address


def test_the_host_of_no_address_is_nothing() -> None:
    assert [host_of("http://[::1"), host_of("https://u:p@a.example/x?y")] == ["", "a.example"]
    assert split("http://[::1") is None


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "-1", "1e300", "1e9", "soon"])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_no_clock_can_hold_is_refused(name: str, value: str) -> None:
    """Not a number, infinite, negative, absurd."""
    with pytest.raises(ConfigurationError, match=f"^{name.upper()} is not usable: "):
        Settings.only(**{name: value})


@pytest.mark.parametrize(
    "source", ["http://a.example/x.pdf", "https://[::1/x", "https://", "s3://x/y"]
)
def test_a_default_attachment_that_nobody_can_read_is_refused(source: str) -> None:
    """It is a path or an https address."""
    with pytest.raises(ConfigurationError, match="ATTACHMENT_PDF is not usable: it is neither"):
        Settings.only(attachment_pdf=source)


def test_settings_do_not_show_a_signed_address() -> None:
    """Their representation may be logged."""
    assert "KEY" not in repr(Settings.only(attachment_pdf="https://a.example/x.pdf?sig=KEY"))


# --- DNS servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("10.0.0.1", [("10.0.0.1", 53)]),
        (" 10.0.0.1:5353 , ::1,[::1],[2001:DB8::1]:54,",
         [("10.0.0.1", 5353), ("::1", 53), ("::1", 53), ("2001:db8::1", 54)]),
    ],
)  # fmt: skip
def test_servers_are_ip_addresses_with_or_without_a_port(
    text: str, found: list[tuple[str, int]]
) -> None:
    """Of both families."""
    assert servers(text) == found


@pytest.mark.parametrize(
    "text", ["dns.example", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "10.0.0", "[10.0.0.1", "1 2"]
)  # fmt: skip
def test_other_text_is_no_server(text: str) -> None:
    """A name would need DNS to be found."""
    with pytest.raises(ValueError, match=r"."):
        servers(text)
