"""The way to Gmail as the environment has it: through a proxy, with certificates of one's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from outreach.errors import ConfigurationError
from outreach.gmail.transport import Connections, never_connected
from tests.https import Proxy, Quiet, certificate_of, context_of, serving

GMAIL = "https://gmail.test"
"""A name that only the proxy knows."""


class Gmail(Quiet):
    def do_POST(self) -> None:  # noqa: N802 - http.server calls it so
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = f"{self.path} {body.decode()}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_of("gmail.test", tmp_path_factory.mktemp("tls"))


@pytest.fixture
def asked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the proxy of the environment is asked for; it leads to a Gmail behind TLS."""
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Gmail, context_of(certificate)) as port:
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
    assert post(Connections(GMAIL, 5)) == "/send?a=b mail"
    assert asked == ["gmail.test:443"]


def test_a_server_that_nobody_vouches_for_gets_nothing(asked: list[str]) -> None:
    with pytest.raises(urllib3.exceptions.HTTPError) as refused:
        post(Connections(GMAIL, 5))
    assert never_connected(refused.value)
    assert asked == ["gmail.test:443"]


def test_certificates_that_are_not_there_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match=r"none\.pem; correct REQUESTS_CA_BUNDLE"):
        Connections(GMAIL, 5)


def test_a_proxy_that_is_away_got_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with pytest.raises(urllib3.exceptions.HTTPError) as away:
        post(Connections(GMAIL, 5))
    assert never_connected(away.value)
