"""Whatever answers in Google's place, slowly, endlessly or in nonsense: nothing of it gets out of the client."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import monotonic
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gmail_sandbox import serve
from outreach.campaign.models import Credentials, Gone, Sent
from outreach.delivery.mailer import Prepared
from outreach.errors import SendUnclear, TemporarilyUnavailable
from outreach.gmail import Gmail
from outreach.gmail.tokens import TokenService
from outreach.mail.mime import Mail
from outreach.settings import Settings

Answer = Callable[[socket.socket, Event], None]
GRANTED = {"access_token": "ya29.x", "scope": "https://www.googleapis.com/auth/gmail.modify"}
PATIENCE = 1.0
SOON = 20.0
"""Seconds: an answer that is waited for as long as it comes would take minutes."""
ACCOUNT = uuid4()
ANNA = Credentials(email="anna@acme.com", refresh_token=SecretStr("sandbox:anna@acme.com:modify"))


@contextmanager
def in_googles_place(answer: Answer) -> Iterator[str]:
    """The address of a server whose every connection gets one request answered so."""
    over = Event()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(SOON)
            connection.recv(65536)
            answer(connection, over)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # what is left unread would reset the connection
                pass

    def all_of_them(listener: socket.socket) -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                Thread(target=one, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = Thread(target=all_of_them, args=[listener])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def saying(body: object, status: int = 200) -> Answer:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {len(octets)}\r\n\r\n"
    return lambda connection, _: connection.sendall(head.encode() + octets)


def dripping(head: bytes) -> Answer:
    """A byte every now and then, for ever."""

    def answer(connection: socket.socket, over: Event) -> None:
        connection.sendall(head)
        while not over.wait(PATIENCE / 10):
            connection.sendall(b" ")

    return answer


def endless(connection: socket.socket, over: Event) -> None:
    connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 500000000\r\n\r\n")
    while not over.is_set():
        connection.sendall(b" " * 65536)


def packed(connection: socket.socket, _: Event) -> None:
    """A gigabyte in a few kilobytes."""
    import gzip  # noqa: PLC0415
    import io  # noqa: PLC0415

    body = io.BytesIO()
    with gzip.GzipFile(fileobj=body, mode="wb") as file:
        for _number in range(64):
            file.write(bytes(1 << 20))
    octets = body.getvalue()
    head = f"HTTP/1.1 200 x\r\nContent-Encoding: gzip\r\nContent-Length: {len(octets)}\r\n\r\n"
    connection.sendall(head.encode() + octets)


DEEP = b"[" * 20_000 + b"]" * 20_000
SLOW_OR_LARGE: dict[str, Answer] = {
    "a body of a byte now and then": dripping(b"HTTP/1.1 200 x\r\nContent-Length: 900\r\n\r\n"),
    "a head of a byte now and then": dripping(b"HTTP/1.1 200 x\r\nX-Filler:"),
    "a status line of a byte now and then": dripping(b"HTTP/1.1 200"),
    "chunks now and then": dripping(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "500 MB": endless,
    "64 MB, packed": packed,
}
NONSENSE: dict[str, Answer] = {
    "nested deeply": saying(DEEP),
    "nested deeply, as an error": saying(b'{"error": ' + DEEP + b"}", 400),
    "a number of 10,000 digits": saying(b'{"access_token": ' + b"9" * 10_000 + b"}"),
    "a list": saying([1, 2]),
    "nothing": saying(b""),
    "no text": saying(b"\xff\xfe\x00"),
}
LIFETIMES = [float("nan"), 1e300, float("inf"), None, "soon", [], {}, -1, 0, 10**400, "", "nan"]


def settings(**urls: str) -> Settings:
    return Settings.only(gmail_timeout_seconds=PATIENCE, **urls)


# --- the token service ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [*SLOW_OR_LARGE.values(), *NONSENSE.values()],
    ids=[*SLOW_OR_LARGE, *NONSENSE],
)
def test_an_answer_without_a_token_passes_in_time(answer: Answer) -> None:
    """The mail is tried again later; the account is not marked."""
    began = monotonic()
    with in_googles_place(answer) as url:
        tokens = TokenService(settings(google_token_url=f"{url}/token"))
        with pytest.raises(TemporarilyUnavailable):
            tokens.exchange(SecretStr("1//x"))
        tokens.close()

    assert monotonic() - began < SOON


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=str)
def test_a_lifetime_that_is_none_passes(lifetime: object) -> None:
    """It would be a ValueError, an OverflowError or a TypeError in the middle of a run."""
    with in_googles_place(saying(GRANTED | {"expires_in": lifetime})) as url:
        tokens = TokenService(settings(google_token_url=f"{url}/token"))
        with pytest.raises(TemporarilyUnavailable, match=r"gave no token \(HTTP 200\)"):
            tokens.exchange(SecretStr("1//x"))
        tokens.close()


@pytest.mark.parametrize(
    "token", ["", "a b", "a\r\nX-Y: z", "ü", "x" * 5_000, 7, None, ["x"]], ids=repr
)
def test_a_token_that_no_header_can_carry_is_none(token: object) -> None:
    """Nothing of it reaches Gmail, or a message."""
    with in_googles_place(saying(GRANTED | {"access_token": token})) as url:
        tokens = TokenService(settings(google_token_url=f"{url}/token"))
        with pytest.raises(TemporarilyUnavailable, match="gave no token"):
            tokens.exchange(SecretStr("1//x"))
        tokens.close()


@pytest.mark.parametrize("lifetime", [{}, {"expires_in": 3599}, {"expires_in": "3599"}])
def test_a_token_is_taken_with_a_lifetime_or_without(lifetime: dict[str, object]) -> None:
    """RFC 6749 only recommends it; some proxies write it as text."""
    with in_googles_place(saying(GRANTED | lifetime)) as url:
        tokens = TokenService(settings(google_token_url=f"{url}/token"))

        assert tokens.exchange(SecretStr("1//x")) == GRANTED | lifetime
        tokens.close()


# --- the Gmail API --------------------------------------------------------------------------------


@contextmanager
def gmail_that_says(answer: Answer) -> Iterator[Gmail]:
    """The client, with good tokens."""
    with serve() as sandbox, in_googles_place(answer) as url:
        gmail = Gmail(
            settings(gmail_api_url=url, google_token_url=sandbox.token_url), lambda _: ANNA
        )
        try:
            yield gmail
        finally:
            gmail.close()


@pytest.mark.parametrize(
    "answer", [*SLOW_OR_LARGE.values(), *NONSENSE.values()], ids=[*SLOW_OR_LARGE, *NONSENSE]
)
def test_an_answer_that_is_none_is_lost_in_time(answer: Answer) -> None:
    """A draft may be made again; a mail that was posted is looked for."""
    with gmail_that_says(answer) as gmail:
        began = monotonic()
        with pytest.raises(TemporarilyUnavailable):
            gmail.prepare(ACCOUNT, Mail(b"x"), "o1")
        with pytest.raises(Exception) as lost:  # noqa: PT011 - its class is what is asked
            gmail.commit(Prepared(ACCOUNT, "o1", draft_id="d"))

    assert type(lost.value).__name__ in {"SendUnclear", "RecipientRefused"}
    assert monotonic() - began < SOON


ODD = [
    {"id": "x", "message": "m", "threadId": 7},
    {"id": "x", "message": {"threadId": ["t"]}, "threadId": {"t": 1}},
    {"id": "x", "messages": [None, 7, "m", {"id": 7, "labelIds": "SENT"}], "drafts": [7, {"id": None}]},
    {"id": "x", "messages": {"id": "m"}, "drafts": {"id": "d"}, "nextPageToken": {"x": 1}},
    {"id": "x", "message": {"payload": {"headers": [7, {"name": 7}, {"name": "X-Outreach-Token"}]}}},
    {"id": "x", "drafts": [{"id": "d"}], "message": {"internalDate": "soon", "payload": {
        "headers": [{"name": "X-Outreach-Token", "value": "o1"}]}}},
]  # fmt: skip


@pytest.mark.parametrize("answer", ODD, ids=range(len(ODD)))
def test_what_has_another_shape_is_not_there(answer: dict[str, object]) -> None:
    """A mail that Gmail took was sent, whatever else the answer says."""
    with gmail_that_says(saying(answer)) as gmail:
        draft = gmail.prepare(ACCOUNT, Mail(b"x"), "o1")

        assert (draft.draft_id, draft.thread_id) == ("x", None)
        assert gmail.commit(draft) == Sent(message_id="x")
        assert gmail.find(Prepared(ACCOUNT, "o1", thread_id="t")) == Gone(readable=True)
        assert list(gmail.drafts(ACCOUNT)) == []


@pytest.mark.parametrize("sent_id", [7, "", None, ["x"], "x" * 9_000, "x\n"], ids=repr)
def test_a_mail_without_an_id_is_in_doubt(sent_id: object) -> None:
    """It may have left: it is looked for."""
    with gmail_that_says(saying({"id": sent_id})) as gmail, pytest.raises(SendUnclear):
        gmail.commit(Prepared(ACCOUNT, "o1", draft_id="d"))


def test_pages_without_an_end_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A next page in each answer is no reason to ask for ever."""
    monkeypatch.setattr("outreach.gmail.mailbox.MOST_PAGES", 3)
    with gmail_that_says(saying({"drafts": [], "nextPageToken": "again"})) as gmail:
        assert list(gmail.drafts(ACCOUNT)) == []
