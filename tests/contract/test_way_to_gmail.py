"""The way to Gmail as the environment has it: through a proxy, with certificates of one's own."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from select import select
from socket import create_connection, socket

import pytest
import urllib3

from outreach.errors import ConfigurationError
from outreach.gmail.transport import Connections, never_connected

GMAIL = "https://gmail.test"
"""A name that only the proxy knows."""


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: what it was asked is in the answer."""


class Gmail(Quiet):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = f"{self.path} {body.decode()}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


class Proxy(Quiet):
    port = 0
    """Where it leads, whatever it is asked for."""
    asked: list[str]

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        with create_connection(("127.0.0.1", self.port)) as there:
            self.send_response(200)
            self.end_headers()
            _joined(self.connection, there)


def _joined(one: socket, other: socket) -> None:
    while True:
        for end in select([one, other], [], [])[0]:
            octets = end.recv(65536)
            if not octets:
                return
            (other if end is one else one).sendall(octets)


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of gmail.test, signed by nobody else."""
    both = tmp_path_factory.mktemp("tls") / "gmail.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", both,
         "-out", both.with_suffix(".crt"), "-subj", "/CN=gmail.test",
         "-addext", "subjectAltName=DNS:gmail.test"],
        check=True, capture_output=True,
    )  # fmt: skip
    with both.open("a") as pem:
        pem.write(both.with_suffix(".crt").read_text())
    return both


@pytest.fixture
def asked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the proxy of the environment is asked for; it leads to a Gmail behind TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Gmail, tls) as port:
        proxy = type("ToGmail", (Proxy,), {"port": port, "asked": []})
        with serving(proxy) as way:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{way}")
            yield proxy.asked  # type: ignore[attr-defined]


def post(connections: Connections) -> str:
    try:
        answer = connections.send("POST", f"{GMAIL}/send?a=b", b"mail", {"content-length": "4"})
        return answer.data.decode()
    finally:
        connections.close()


def test_the_proxy_and_the_certificates_of_the_environment_are_used(
    asked: list[str], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert post(Connections(GMAIL, 5, 1)) == "/send?a=b mail"
    assert asked == ["gmail.test:443"]


def test_a_server_that_nobody_vouches_for_gets_nothing(asked: list[str]) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError) as refused:
        post(Connections(GMAIL, 5, 1))
    assert never_connected(refused.value)
    assert asked == ["gmail.test:443"]


def test_certificates_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match=r"none\.pem; correct REQUESTS_CA_BUNDLE"):
        Connections(GMAIL, 5, 1)


def test_a_proxy_that_is_away_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(urllib3.exceptions.HTTPError) as away:
        post(Connections(GMAIL, 5, 1))
    assert never_connected(away.value)
