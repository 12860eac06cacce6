"""The PDF that a campaign carries: from a real server behind TLS, from real files, or refused."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from outreach.delivery import attachments, downloads
from outreach.delivery.attachments import load, name_of
from outreach.delivery.downloads import NotDownloaded, download
from outreach.errors import AttachmentMissing
from outreach.loopback import is_public
from outreach.mail.mime import LONGEST_NAME
from tests.https import Proxy, Quiet, certificate_of, context_of, serving

HOST = "files.test"
PDF = b"%PDF-1.7\n" + b"x" * 100_000
MB = 1024 * 1024


class Files(Quiet):
    """Answers by the path that it is asked for."""

    asked: list[str]

    def do_GET(self) -> None:  # noqa: N802 - http.server calls it so
        self.asked.append(f"{self.path} {self.headers['host']} {self.headers['authorization']}")
        with suppress(OSError):
            getattr(self, self.path[1:].partition("/")[0].partition("?")[0])()

    def begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def whole(self) -> None:
        self.begin(content_length=str(len(PDF)))
        self.wfile.write(PDF)

    def named(self) -> None:
        self.begin(content_disposition='attachment; filename="The Offer.pdf"')
        self.wfile.write(PDF)

    def without_length(self) -> None:
        self.begin()
        self.wfile.write(PDF)

    def web_page(self) -> None:
        self.begin(content_type="text/html")
        self.wfile.write(b"<html>")

    def away(self) -> None:
        self.begin(404)

    def moved(self) -> None:
        self.begin(302, location="/whole/deck.pdf?sig=KEY")

    def circle(self) -> None:
        self.begin(302, location="/circle")

    def to_http(self) -> None:
        self.begin(302, location="http://127.0.0.1/whole")

    def compressed(self) -> None:
        self.begin(content_encoding="gzip")
        self.wfile.write(b"\x1f\x8b")

    def endless(self) -> None:
        self.begin()
        while True:
            self.wfile.write(b"%PDF-" + b"x" * MB)

    def dripping(self) -> None:
        self.begin()
        self.drip(b"%PDF-")

    def dripping_header(self) -> None:
        self.drip(b"HTTP/1.1 200 OK\r\nx: ")

    def drip(self, first: bytes) -> None:
        self.wfile.write(first)
        for _ in range(400):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def cut_off(self) -> None:
        self.begin(content_length=str(len(PDF) + 1))
        self.wfile.write(PDF)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_of(HOST, tmp_path_factory.mktemp("tls"))


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names whose addresses were asked for; the host of the server is on the loopback."""
    real, names = socket.getaddrinfo, []

    def getaddrinfo(host: str, *more: Any, **named: Any) -> Any:
        if host == HOST:
            names.append(host)
            host = "127.0.0.1"
        return real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


@pytest.fixture
def asked(
    certificate: Path, looked_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """What the server was asked; its address is `url`."""
    del looked_up
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    handler = type("TheFiles", (Files,), {"asked": []})
    with serving(handler, context_of(certificate)) as port:
        monkeypatch.setattr(Url, "port", port)
        yield handler.asked  # type: ignore[attr-defined]


class Url:
    port = 0

    @classmethod
    def of(cls, path: str, user: str = "") -> str:
        return f"https://{user}{HOST}:{cls.port}/{path}"


@pytest.fixture
def on_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the loopback were public: there is no other server here."""
    monkeypatch.setattr(downloads, "is_public", lambda ip: ip == "127.0.0.1")


# --- where a row may lead -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "0.0.0.0", "10.1.1.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",  # noqa: S104
     "169.254.169.254", "192.0.0.8", "192.0.0.192", "198.18.0.1", "203.0.113.1", "224.0.0.1",
     "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
     "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "::ffff:10.0.0.1",
     "::ffff:127.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1",
     "64:ff9b::127.0.0.1", "64:ff9b:1::8.8.8.8", "2002:a00:1::", "2001:0:808:808::1",
     "2001:db8::1", "3fff::1", "5f00::1", "100::1"],
)  # fmt: skip
def test_an_address_of_this_machine_or_its_network_is_not_public(ip: str) -> None:
    """However it is written or wrapped."""
    assert not is_public(ip)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_an_address_of_the_internet_is_public(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433",  # noqa: S104
     "169.254.169.254", "10.0.0.1", "[fe80::1]", "[64:ff9b::7f00:1]", HOST],
)  # fmt: skip
@pytest.mark.usefixtures("looked_up")
def test_a_row_does_not_lead_into_this_network(host: str) -> None:
    """Whatever its name resolves to is looked at; nothing is asked."""
    with pytest.raises(AttachmentMissing, match="its host is not on the public internet"):
        load(None, f"https://{host}/whole/deck.pdf")


@pytest.mark.usefixtures("on_the_internet")
def test_the_connection_goes_to_the_address_that_was_checked(
    asked: list[str], looked_up: list[str]
) -> None:
    """The name is looked up once: it cannot mean another address a moment later."""
    found = load(None, Url.of("whole/deck.pdf"))

    assert found is not None
    assert (found.name, found.size, looked_up) == ("deck.pdf", len(PDF), [HOST])
    assert asked == [f"/whole/deck.pdf {HOST}:{Url.port} None"]


def test_a_host_with_one_address_in_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (ip, 443)) for ip in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(AttachmentMissing, match="not on the public internet"):
        load(None, "https://a.example/deck.pdf")


@pytest.mark.usefixtures("on_the_internet")
def test_a_redirect_of_a_row_is_refused_and_its_key_not_told(asked: list[str]) -> None:
    with pytest.raises(AttachmentMissing) as refused:
        load(None, Url.of("moved?sig=KEY", user="ann:KEY@"))

    assert f"it redirects to https://{HOST}:{Url.port}/whole/deck.pdf, which" in str(refused.value)
    assert "KEY" not in str(refused.value)
    assert len(asked) == 1


@pytest.mark.usefixtures("on_the_internet")
def test_a_signed_address_is_in_no_log(asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Not even in those of the client, whatever their level."""
    with caplog.at_level(logging.DEBUG):
        load(None, Url.of("whole/deck.pdf?sig=KEY", user="ann:KEY@"))

    assert asked[0].startswith("/whole/deck.pdf?sig=KEY ")
    assert "/whole/deck.pdf" in caplog.text
    assert "KEY" not in caplog.text


@pytest.mark.parametrize(
    "address", ["https://[::1/x", "https://", "https://a b/x", "https://a..b/"]
)
def test_what_is_no_address_is_told_as_such(address: str) -> None:
    with pytest.raises(AttachmentMissing, match="it is no https address"):
        load(None, address)


def test_a_host_that_nobody_knows_is_told() -> None:
    with pytest.raises(AttachmentMissing, match=r"'https://nobody\.invalid/x' .*is not known"):
        load(None, "https://nobody.invalid/x?sig=KEY")


@pytest.mark.usefixtures("on_the_internet")
def test_a_password_from_netrc_is_not_given_to_who_a_row_names(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login ann password KEY\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    load(None, Url.of("whole/deck.pdf"))

    assert asked[0].endswith(" None")


@pytest.mark.usefixtures("on_the_internet")
def test_a_proxy_is_asked_for_the_address_that_was_checked(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a row; an operator's own host may be known to the proxy alone."""
    proxy = type("ToFiles", (Proxy,), {"port": Url.port, "asked": []})
    with serving(proxy) as way:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{way}")
        load(None, Url.of("whole"))
        load(Url.of("whole"), None)

    assert proxy.asked == [f"127.0.0.1:{Url.port}", f"{HOST}:{Url.port}"]  # type: ignore[attr-defined]
    assert [one.split()[1] for one in asked] == [f"{HOST}:{Url.port}"] * 2


# --- what an operator names -----------------------------------------------------------------------


def test_an_operator_s_own_address_may_lead_anywhere(asked: list[str]) -> None:
    """Its redirects are followed, and a password in it is used."""
    found = load(Url.of("moved", user="ann:pw@"), None)

    assert (found and found.name, [one.split()[0] for one in asked]) == (
        "moved.pdf",
        ["/moved", "/whole/deck.pdf?sig=KEY"],
    )
    assert asked[0].endswith(" Basic YW5uOnB3")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("circle", "it redirects more than 5 times"),
        ("to_http", "it is no https address"),
        ("away", "it answers HTTP 404"),
        ("web_page", "it is not a PDF"),
        ("compressed", "it is sent compressed"),
        ("endless", "it is larger than 18 MB"),
        ("cut_off", r"it was cut off"),
    ],
)
def test_what_is_no_usable_answer_is_told(asked: list[str], path: str, why: str) -> None:
    """In a few words."""
    with pytest.raises(AttachmentMissing, match=why):
        load(Url.of(path), None)
    assert asked


def test_a_public_host_does_not_lead_into_this_network(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator named the one, not the other."""
    public = iter([True, False])
    monkeypatch.setattr(downloads, "is_public", lambda _: next(public))
    with pytest.raises(AttachmentMissing, match="not on the public internet"):
        load(Url.of("moved"), None)
    assert len(asked) == 1


@pytest.mark.parametrize("path", ["dripping", "dripping_header"])
def test_a_download_has_one_deadline(asked: list[str], path: str) -> None:
    """A byte now and then keeps no time-out of a socket from passing."""
    began = time.monotonic()
    with pytest.raises(NotDownloaded, match=r"it takes longer than 0\.5 s"):
        download(Url.of(path), MB, trusted=True, seconds=0.5)
    assert time.monotonic() - began < 5
    assert asked


def test_a_server_that_says_nothing_is_left(certificate: Path, looked_up: list[str]) -> None:
    """Not even TLS begins."""
    del certificate, looked_up
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(NotDownloaded, match="it takes longer than"):
            download(address, MB, trusted=True, seconds=0.5)


def test_a_server_that_nobody_vouches_for_is_refused(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is checked against the name, not the IP address."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(AttachmentMissing, match="nobody vouches for its host"):
        load(Url.of("whole"), None)
    assert not asked


def test_a_file_without_a_length_is_read_to_its_end(asked: list[str]) -> None:
    assert download(Url.of("without_length"), MB, trusted=True).data == PDF
    assert asked


# --- its name -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "path", "name"),
    [
        ('attachment; filename="The Offer.pdf"', "x.pdf", "The Offer.pdf"),
        ("attachment; filename=offer.PDF", "x.pdf", "offer.PDF"),
        ("inline; filename=\"a.pdf\"; filename*=UTF-8''K%C3%B6ln.pdf", "x.pdf", "Köln.pdf"),
        ('attachment; filename="Köln.pdf"'.encode().decode("latin-1"), "x.pdf", "Köln.pdf"),
        ('attachment; filename="../../etc/passwd"', "x.pdf", "passwd"),
        ('attachment; filename="C:\\\\x\\\\deck.pdf"', "x.pdf", "deck.pdf"),
        ('attachment; filename="a\u202efdp.exe"', "x.pdf", "afdp.exe"),
        ("attachment", "a/Deck%20One.pdf?sig=1", "Deck One.pdf"),
        ("", "deck%0D%0ABcc:%20x.pdf", "deckBcc: x.pdf"),
        ("", "a%2Fb%2Fdeck.pdf", "deck.pdf"),
        ("", "", "attachment.pdf"),
        ("", "..", "attachment.pdf"),
        ("attachment; filename*=nonsense''%FF; filename=", "deck.pdf", "ÿ"),
    ],
)
def test_a_download_is_called_what_its_server_says_else_what_its_path_says(
    disposition: str, path: str, name: str
) -> None:
    """Without folders, and without what would steer a reader's eye."""
    assert name_of(disposition, f"https://a.example/{path}") == name


@pytest.mark.parametrize("length", [195, 196, 197, 200, 201, 5000])
@pytest.mark.parametrize("ending", ["", ".pdf", ".PDF"])
def test_a_long_name_is_cut_and_keeps_its_ending(length: int, ending: str) -> None:
    name = attachments._as_pdf(name_of("", f"https://a.example/{'x' * length}{ending}"))
    assert len(name) <= LONGEST_NAME
    assert name.lower().endswith(".pdf")


def test_every_attachment_ends_in_pdf_and_is_one(asked: list[str], tmp_path: Path) -> None:
    """Without that ending nobody's mail program opens it."""
    file = tmp_path / "deck"
    file.write_bytes(PDF)
    found = [load(str(file), None), load(Url.of("whole"), None), load(Url.of("named"), None)]

    assert [one and one.name for one in found] == ["deck.pdf", "whole.pdf", "The Offer.pdf"]
    assert all(one and one.part.startswith(b"Content-Type: application/pdf") for one in found)
    assert asked


# --- files ----------------------------------------------------------------------------------------


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A pipe would never end, a device neither."""
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "folder.pdf").mkdir()
    (tmp_path / "deck.pdf").write_bytes(PDF)
    (tmp_path / "endless.pdf").symlink_to("/dev/zero")
    (tmp_path / "link.pdf").symlink_to("deck.pdf")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.pdf"))
        for name in ("pipe.pdf", "folder.pdf", "endless.pdf"):
            for default, named in ((name, None), ("deck.pdf", name)):
                with pytest.raises(AttachmentMissing, match="it is not a file"):
                    load(str(tmp_path / default), named)
        with pytest.raises(AttachmentMissing):
            load(str(tmp_path / "socket.pdf"), None)
    assert load(str(tmp_path / "deck.pdf"), "link.pdf") is not None


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Without reading all of it."""
    large = tmp_path / "deck.pdf"
    with large.open("wb") as file:
        file.write(b"%PDF-")
        file.truncate(10_000 * MB)
    with pytest.raises(AttachmentMissing, match="larger than 18 MB"):
        load(str(large), None)


@pytest.mark.parametrize(
    "named", ["/etc/passwd", "../x.pdf", "..", "http://a.example/x", "x/y.pdf"]
)
def test_a_row_names_no_file_but_one_beside_the_default(named: str, tmp_path: Path) -> None:
    with pytest.raises(AttachmentMissing):
        load(str(tmp_path / "deck.pdf"), named)
