"""The Mailer for Gmail against the sandbox: every answer that Gmail can give, or fail to give."""

import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from gmail_sandbox.faults import Fault
from gmail_sandbox.server import Sandbox, serve
from outreach.campaign.models import Credentials, Gone, Sent, StillDraft, WasSent
from outreach.delivery.mailer import Prepared
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    OutreachError,
    QuotaReached,
    RateLimited,
    RecipientRefused,
    SendUnclear,
    TemporarilyUnavailable,
)
from outreach.gmail import Gmail
from outreach.mail.mime import Mail
from outreach.settings import Settings

ANNA = "anna@acme.com"
TOKEN = "k7f3q9zt2m"
MAIL = (
    f"From: {ANNA}\r\nTo: Jo <jo@example.com>\r\nSubject: Hello\r\nX-Outreach-Token: {TOKEN}\r\n"
    f"Message-ID: <ours@acme.com>\r\n\r\nHello Jo.\r\n{TOKEN}\r\n"
).encode()
DELIVERIES = {"drafts": "modify", "direct": "send,readonly"}
"""Each delivery, and scopes that bring it about and may read what became of it."""


@dataclass
class Mailbox:
    """Anna's account at the sandbox, and our client for it."""

    gmail: Gmail
    sandbox: Sandbox
    id: UUID = field(default_factory=uuid4)

    def fails(self, fault: str, on: str, **more: Any) -> None:
        self.sandbox.state.faults.add(Fault(fault=fault, on=on, **more))

    def prepared(self, mail: bytes = MAIL) -> Prepared:
        return self.gmail.prepare(self.id, Mail(mail), TOKEN)

    @property
    def mails(self) -> int:
        return len(self.sandbox.mailbox.sent())

    @property
    def posts(self) -> int:
        requests = self.sandbox.state.requests
        return requests["messages.send"] + requests["drafts.send"]


Opener = Callable[..., Mailbox]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.state.reset()
    return running


def settings(sandbox: Sandbox, **changes: object) -> Settings:
    values = {"gmail_api_url": sandbox.url, "google_token_url": sandbox.token_url}
    return Settings.only(**({"gmail_timeout_seconds": 10} | values | changes))


def granted(scopes: str) -> Credentials:
    return Credentials(email=ANNA, refresh_token=SecretStr(f"sandbox:{ANNA}:{scopes}"))


@pytest.fixture
def mailbox(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens Anna's mailbox with these scopes, and closes it afterwards."""
    opened: list[Gmail] = []
    patience = {"gmail_timeout_seconds": 0.5} if "stall" in request.node.name else {}

    def open_one(scopes: str = "modify", **changes: object) -> Mailbox:
        gmail = Gmail(settings(sandbox, **(patience | changes)), lambda _: granted(scopes))
        opened.append(gmail)
        return Mailbox(gmail, sandbox)

    yield open_one
    for gmail in opened:
        gmail.close()


@pytest.fixture(params=list(DELIVERIES.values()), ids=list(DELIVERIES))
def either(request: pytest.FixtureRequest, mailbox: Opener) -> Mailbox:
    """Anna's mailbox, once for each delivery."""
    return mailbox(request.param)


@contextmanager
def server_that_says(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Its address, and what reached it; each connection gets `answer`, and its end."""
    received: list[bytes] = []

    def serve_all(listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(65536))
                if received[-1] == b"stop":
                    return
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        thread = Thread(target=serve_all, args=[listener])
        thread.start()
        try:
            yield f"127.0.0.1:{address[1]}", received
        finally:
            with socket.create_connection(address) as last:
                last.sendall(b"stop")
            thread.join()


# --- it sends -------------------------------------------------------------------------------


def test_a_mail_leaves_once(either: Mailbox) -> None:
    """And Gmail's ids of it come back."""
    sent = either.gmail.commit(either.prepared())
    [mail] = either.sandbox.mailbox.sent()
    assert (sent, either.posts) == (Sent(message_id=mail.id, thread_id=mail.thread_id), 1)


def test_a_draft_is_sent_in_its_thread(mailbox: Opener) -> None:
    """Preparing it sent nothing; sending it left no draft."""
    anna = mailbox("compose")
    prepared = anna.prepared()
    assert anna.mails == 0
    sent = anna.gmail.commit(prepared)
    assert (sent.thread_id, anna.sandbox.mailbox.drafts()) == (prepared.thread_id, [])


def test_five_megabytes_arrive_as_they_were(either: Mailbox) -> None:
    """Uploaded as bytes: JSON is refused from 6.5 MiB of base64."""
    body = b"x" * 76 + b"\r\n"
    either.gmail.commit(either.prepared(MAIL + body * 70_000))
    [mail] = either.sandbox.mailbox.sent()
    assert mail.read().endswith(body * 70_000)


def test_a_mail_above_gmails_size_is_refused_unsent(mailbox: Opener) -> None:
    """Google's client knows the limit: 35 MB."""
    anna = mailbox("send")
    with pytest.raises(RecipientRefused, match="too large"):
        anna.gmail.commit(anna.prepared(b"x" * 36_800_000))
    assert anna.posts == 0


def test_eight_threads_renew_one_token_once(either: Mailbox) -> None:
    """Each with its own connection; the token is shared."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: either.gmail.commit(either.prepared()), range(24)))
    assert (either.mails, either.sandbox.state.requests["token"]) == (24, 1)


def test_eight_threads_whose_token_is_refused_renew_it_once(mailbox: Opener) -> None:
    """A 401 is a refusal: each posts again, with the one new token."""
    anna = mailbox("send")
    prepared = [anna.prepared() for _ in range(8)]
    anna.sandbox.state.tokens.expire(ANNA)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(anna.gmail.commit, prepared))
    assert (anna.mails, anna.sandbox.state.requests["token"]) == (8, 2)


def test_a_token_that_ends_soon_is_renewed_before_the_mail_is_recorded(mailbox: Opener) -> None:
    """So that nothing stands between the record and the post."""
    anna = mailbox("send")
    anna.prepared()
    access = anna.gmail.requests.access(anna.id)
    assert access.expiry is not None
    access.expiry -= timedelta(seconds=3599 - 290)
    anna.prepared()
    assert anna.sandbox.state.requests["token"] == 2


def test_one_draft_sent_by_two_at_once_leaves_once(mailbox: Opener) -> None:
    """One is told that it was sent, the other that it has to look."""
    anna = mailbox()
    prepared = anna.prepared()

    def outcome(_: int) -> str:
        try:
            return type(anna.gmail.commit(prepared)).__name__
        except SendUnclear as unclear:
            return type(unclear).__name__

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(outcome, range(2))) == ["SendUnclear", "Sent"]
    assert anna.mails == 1


# --- it is refused: certainly not sent --------------------------------------------------------

REFUSALS = [
    ("rate_limit_429", RateLimited),
    ("user_rate_limit_403", RateLimited),
    ("rate_limit_403", RateLimited),
    ("mail_sending_429", QuotaReached),
    ("daily_limit_403", QuotaReached),
    ("quota_exceeded_403", QuotaReached),
    ("domain_policy_403", AccountUnusable),
    ("insufficient_permissions_403", AccountUnusable),
    ("delegation_denied_403", AccountUnusable),
    ("failed_precondition_400", AccountUnusable),
    ("invalid_to_400", RecipientRefused),
    ("bad_request_400", RecipientRefused),
    ("too_large_413", RecipientRefused),
]


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_a_refused_mail_was_posted_once_and_not_sent(
    either: Mailbox, fault: str, expected: type[Exception]
) -> None:
    """What the refusal stops is what it is about."""
    prepared = either.prepared()
    either.fails(fault, "send")
    with pytest.raises(expected):
        either.gmail.commit(prepared)
    assert (either.mails, either.posts) == (0, 1)


def test_a_rate_is_told_with_the_wait_that_gmail_asks_for(either: Mailbox) -> None:
    prepared = either.prepared()
    either.fails("rate_limit_429", "send", retry_after="7")
    with pytest.raises(RateLimited) as raised:
        either.gmail.commit(prepared)
    assert raised.value.retry_after == 7


@pytest.mark.parametrize(("fault", "expected"), REFUSALS)
def test_a_refused_draft_is_refused_for_the_same_reason(
    mailbox: Opener, fault: str, expected: type[Exception]
) -> None:
    """Before anything was recorded."""
    anna = mailbox()
    anna.fails(fault, "drafts.create")
    with pytest.raises(expected):
        anna.prepared()
    assert (anna.sandbox.mailbox.drafts(), anna.sandbox.state.requests["drafts.create"]) == ([], 1)


@pytest.mark.parametrize(
    ("fault", "whole_project"), [("mail_sending_429", False), ("daily_limit_403", True)]
)
def test_a_quota_rests_the_account_or_all_of_them(
    either: Mailbox, fault: str, whole_project: bool
) -> None:
    """For a quarter of an hour at least."""
    prepared = either.prepared()
    either.fails(fault, "send", retry_after="2020-01-01T00:00:00.000Z")
    with pytest.raises(QuotaReached) as caught:
        either.gmail.commit(prepared)
    assert (caught.value.retry_after, caught.value.whole_project) == (900, whole_project)


def test_a_token_refused_once_is_renewed_and_the_mail_leaves(either: Mailbox) -> None:
    """The first post was refused, so the second is the only one."""
    prepared = either.prepared()
    either.fails("unauthorized_401", "send", times=1)
    either.gmail.commit(prepared)
    assert (either.mails, either.posts) == (1, 2)


def test_a_token_refused_twice_stops_the_account(either: Mailbox) -> None:
    """It is renewed once, not for ever."""
    prepared = either.prepared()
    either.fails("unauthorized_401", "send")
    with pytest.raises(AccountUnusable, match="reconnect the account"):
        either.gmail.commit(prepared)
    assert (either.mails, either.posts) == (0, 2)


def test_a_renewal_that_takes_too_long_posts_nothing_more(sandbox: Sandbox) -> None:
    """By then somebody else may be settling this mail."""

    def slowly(_: UUID) -> Credentials:
        time.sleep(0.4 if sandbox.state.requests["token"] else 0)
        return granted("send")

    with closing(Gmail(settings(sandbox, gmail_timeout_seconds=0.3), slowly)) as gmail:
        anna = Mailbox(gmail, sandbox)
        prepared = anna.prepared()
        anna.fails("unauthorized_401", "send", times=1)
        with pytest.raises(TemporarilyUnavailable):
            gmail.commit(prepared)
    assert (anna.mails, anna.posts) == (0, 1)


# --- it cannot be reached: certainly not sent -------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid"])
def test_a_gmail_that_cannot_be_reached_passes(mailbox: Opener, url: str) -> None:
    """Refused, and not found in DNS."""
    anna = mailbox("send", gmail_api_url=url)
    with pytest.raises(TemporarilyUnavailable, match="cannot be reached"):
        anna.gmail.commit(anna.prepared())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 This is not TLS\r\n\r\n"])
def test_a_gmail_without_tls_passes(mailbox: Opener, answer: bytes) -> None:
    """The handshake comes before the mail; urllib3 reports it as any fault of TLS."""
    with server_that_says(answer) as (address, _):
        anna = mailbox("send", gmail_api_url=f"https://{address}")
        with pytest.raises(TemporarilyUnavailable, match="cannot be reached"):
            anna.gmail.commit(anna.prepared())


def test_a_handshake_that_takes_too_long_passes(mailbox: Opener) -> None:
    """urllib3 reports it as a read time-out, which would be unclear."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        anna = mailbox("send", gmail_api_url=url, gmail_timeout_seconds=0.5)
        with pytest.raises(TemporarilyUnavailable, match="cannot be reached"):
            anna.gmail.commit(anna.prepared())


# --- the answer is lost: nobody knows ---------------------------------------------------------

LOST = ["close", "reset", "stall", "cut"]


@pytest.mark.parametrize("fault", [*LOST, "server_error_500", "unavailable_503"])
def test_a_lost_answer_is_unclear_and_nothing_is_found(either: Mailbox, fault: str) -> None:
    """One post; a draft that is still there did not leave."""
    prepared = either.prepared()
    either.fails(fault, "send", seconds=3)
    with pytest.raises(SendUnclear):
        either.gmail.commit(prepared)
    found = either.gmail.find(prepared)
    nothing = StillDraft() if prepared.draft_id else Gone(readable=True)
    assert (found, either.mails, either.posts) == (nothing, 0, 1)


@pytest.mark.parametrize("fault", [*LOST, "500", "503"])
def test_a_lost_answer_is_unclear_and_the_mail_is_found(either: Mailbox, fault: str) -> None:
    """One post, one mail: never posted again, whatever the answer looked like."""
    prepared = either.prepared()
    either.fails(f"accept_then_{fault}", "send", seconds=3)
    with pytest.raises(SendUnclear):
        either.gmail.commit(prepared)
    found = either.gmail.find(prepared)
    [mail] = either.sandbox.mailbox.sent()
    assert (found, either.posts) == (WasSent(message_id=mail.id, thread_id=mail.thread_id), 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"id": "19a9d2',
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xff",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{'id'",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\n[["anything"]]',
        b"HTTP/1.1 503 Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2",
    ],
)
def test_an_answer_that_says_nothing_is_unclear(mailbox: Opener, answer: bytes) -> None:
    """Cut off, garbled, or from something in between: posted once, nowhere else."""
    with server_that_says(answer) as (address, received):
        anna = mailbox("send", gmail_api_url=f"http://{address}")
        with pytest.raises(SendUnclear):
            anna.gmail.commit(anna.prepared())
        anna.gmail.close()
        assert len(received) == 1


@pytest.mark.parametrize("fault", [*LOST, "server_error_500", "accept_then_close"])
@pytest.mark.parametrize("on", ["drafts.create", "drafts.get", "drafts.delete", "threads.get"])
def test_whatever_sends_nothing_may_be_asked_again(mailbox: Opener, fault: str, on: str) -> None:
    """A lost answer there is passing."""
    anna = mailbox()
    prepared = anna.prepared()
    if on == "threads.get":
        anna.gmail.commit(prepared)
    anna.fails(fault, on, seconds=3)
    calls: dict[str, Callable[[], object]] = {
        "drafts.create": anna.prepared,
        "drafts.get": lambda: anna.gmail.find(prepared),
        "drafts.delete": lambda: anna.gmail.discard(prepared),
        "threads.get": lambda: anna.gmail.find(prepared),
    }
    with pytest.raises(TemporarilyUnavailable):
        calls[on]()


# --- the token endpoint -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected", "advice"),
    [
        ("invalid_grant", AccountUnusable, "reconnect the account"),
        ("invalid_client", ConfigurationError, "GOOGLE_CLIENT_ID"),
        ("unauthorized_client", ConfigurationError, "GOOGLE_CLIENT_ID"),
        ("server_error_500", TemporarilyUnavailable, "token"),
        ("unavailable_503", TemporarilyUnavailable, "token"),
        ("rate_limit_429", TemporarilyUnavailable, "token"),
        ("close", TemporarilyUnavailable, "token"),
        ("reset", TemporarilyUnavailable, "token"),
        ("stall", TemporarilyUnavailable, "token"),
        ("cut", TemporarilyUnavailable, "token"),
    ],
)
def test_without_a_token_nothing_is_prepared(
    either: Mailbox, fault: str, expected: type[Exception], advice: str
) -> None:
    """Asked once, in one request: whether to ask again is for the caller to say."""
    either.fails(fault, "token", seconds=3)
    with pytest.raises(expected, match=advice):
        either.prepared()
    assert dict(either.sandbox.state.requests) == {"token": 1}


def test_a_grant_withdrawn_between_preparing_and_sending_sends_nothing(either: Mailbox) -> None:
    """The post is refused, and so is the new token."""
    prepared = either.prepared()
    either.sandbox.state.tokens.revoke(ANNA)
    with pytest.raises(AccountUnusable, match="reconnect the account"):
        either.gmail.commit(prepared)
    assert (either.mails, either.posts) == (0, 1)


def test_a_reconnected_account_works_without_a_restart(sandbox: Sandbox) -> None:
    """Its refresh token is read anew for each access token."""
    stored = [Credentials(email=ANNA), granted("send")]
    with closing(Gmail(settings(sandbox), lambda _: stored.pop(0))) as gmail:
        with pytest.raises(AccountUnusable, match="not connected"):
            gmail.prepare(UUID(int=1), Mail(MAIL), TOKEN)
        assert bytes(gmail.prepare(UUID(int=1), Mail(MAIL), TOKEN).raw or Mail()) == MAIL


def test_an_account_that_grants_more_sends_without_a_restart(sandbox: Sandbox) -> None:
    """Once it was denied, what it has granted is asked anew."""
    stored = [granted("send"), granted("compose")]
    forced = settings(sandbox, gmail_delivery="drafts")
    with closing(Gmail(forced, lambda _: stored.pop(0))) as gmail:
        with pytest.raises(AccountUnusable, match="GMAIL_DELIVERY=auto"):
            gmail.prepare(UUID(int=1), Mail(MAIL), TOKEN)
        assert gmail.prepare(UUID(int=1), Mail(MAIL), TOKEN).draft_id is not None


def test_google_itself_is_not_asked_without_an_app() -> None:
    """The sandbox needs none; Google does, and the message names the settings."""
    with (
        closing(Gmail(Settings.only(), lambda _: granted("send"))) as gmail,
        pytest.raises(ConfigurationError, match="GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET"),
    ):
        gmail.scopes(UUID(int=1))


@pytest.mark.parametrize(
    ("name", "value"),
    [("gmail_api_url", "gmail.googleapis.com"), ("google_token_url", "ftp://example.com")],
)
def test_an_address_that_is_none_is_named_by_its_setting(name: str, value: str) -> None:
    """At once, not with the first mail."""
    with pytest.raises(ConfigurationError, match=name.upper()):
        Gmail(Settings.only(**{name: value}), lambda _: granted("send"))


# --- finding ----------------------------------------------------------------------------------


def test_a_draft_sent_twice_is_unclear_and_found(mailbox: Opener) -> None:
    """Gmail answers the second time with 404; one mail left."""
    anna = mailbox()
    prepared = anna.prepared()
    sent = anna.gmail.commit(prepared)
    with pytest.raises(SendUnclear, match="no longer there"):
        anna.gmail.commit(prepared)
    found = anna.gmail.find(prepared)
    assert (found, anna.mails) == (WasSent(message_id=sent.message_id or "", **_thread(sent)), 1)


def _thread(sent: Sent) -> dict[str, Any]:
    return {"thread_id": sent.thread_id}


def test_a_draft_that_somebody_deleted_is_gone(mailbox: Opener) -> None:
    """Neither in its thread nor in Sent, and the account could have shown it."""
    anna = mailbox()
    prepared = anna.prepared()
    anna.sandbox.mailbox.delete_draft(ANNA, prepared.draft_id or "")
    assert anna.gmail.find(prepared) == Gone(readable=True)


@pytest.mark.parametrize(
    ("scopes", "readable"),
    [("compose", False), ("compose,metadata", True), ("compose,readonly", True), ("full", True)],
)
def test_a_sent_draft_is_found_where_the_account_may_read(
    mailbox: Opener, scopes: str, readable: bool
) -> None:
    """Without a scope to read it is gone, and no ids are to be had."""
    anna = mailbox(scopes)
    prepared = anna.prepared()
    sent = anna.gmail.commit(prepared)
    found = anna.gmail.find(prepared)
    was_sent = WasSent(message_id=sent.message_id or "", **_thread(sent))
    assert found == (was_sent if readable else Gone(readable=False))


def test_a_mail_that_changed_its_thread_is_found_by_search(mailbox: Opener) -> None:
    """That a draft keeps its thread is not documented."""
    anna = mailbox()
    prepared = anna.prepared()
    sent = anna.gmail.commit(prepared)
    found = anna.gmail.find(replace(prepared, thread_id="19a9d2f1c04b7e35"))
    assert found == WasSent(message_id=sent.message_id or "", **_thread(sent))


@pytest.mark.parametrize("scopes", ["compose,metadata", "modify,metadata"])
def test_nothing_is_searched_where_metadata_is_granted(mailbox: Opener, scopes: str) -> None:
    """Gmail refuses `q` to whoever holds that scope, whatever else is granted."""
    anna = mailbox(scopes)
    prepared = anna.prepared()
    anna.sandbox.mailbox.delete_draft(ANNA, prepared.draft_id or "")
    found = anna.gmail.find(prepared)
    assert (found, anna.sandbox.state.requests["messages.list"]) == (Gone(readable=True), 0)


@pytest.mark.parametrize("scopes", ["send", "send,metadata"])
def test_a_direct_mail_of_an_account_that_may_not_search_stays_unknown(
    mailbox: Opener, scopes: str
) -> None:
    """It has no thread before it is sent."""
    anna = mailbox(scopes)
    prepared = anna.prepared()
    anna.gmail.commit(prepared)
    assert anna.gmail.find(prepared) == Gone(readable=False)


@pytest.mark.parametrize("ours", [MAIL, MAIL.replace(b"X-Outreach-Token", b"X-Other")])
def test_ours_is_told_from_what_was_written_later_in_its_thread(
    mailbox: Opener, ours: bytes
) -> None:
    """By the header; without it, as the first that was sent there. A draft is no mail."""
    anna = mailbox()
    prepared = anna.prepared(ours)
    sent = anna.gmail.commit(prepared)
    [mail] = anna.sandbox.mailbox.sent()
    answers = b"In-Reply-To: " + mail.message_id.encode() + b"\r\nX-Other"
    later = MAIL.replace(b"X-Outreach-Token", answers)
    anna.sandbox.mailbox.send(ANNA, later, prepared.thread_id)
    anna.sandbox.mailbox.create_draft(ANNA, later, prepared.thread_id)
    found = anna.gmail.find(prepared)
    assert found == WasSent(message_id=sent.message_id or "", **_thread(sent))


def test_a_draft_alone_in_its_thread_was_not_sent(mailbox: Opener) -> None:
    """It is read as what its labels say."""
    anna = mailbox()
    prepared = anna.prepared()
    assert anna.gmail.find(replace(prepared, draft_id="r1")) == Gone(readable=True)


def test_an_account_that_lost_its_drafts_scope_is_not_taken_for_sent(mailbox: Opener) -> None:
    """A draft that cannot be seen is not a draft that is gone."""
    drafted = mailbox("compose").prepared()
    anna = mailbox("send")
    with pytest.raises(AccountUnusable, match="reconnect the account"):
        anna.gmail.find(drafted)


# --- drafts -----------------------------------------------------------------------------------


def test_a_discarded_draft_is_gone(mailbox: Opener) -> None:
    """The second time it says that it was not there."""
    anna = mailbox()
    prepared = anna.prepared()
    assert [anna.gmail.discard(prepared), anna.gmail.discard(prepared)] == [True, False]


def test_a_direct_mail_has_nothing_to_discard(mailbox: Opener) -> None:
    """So it is done."""
    anna = mailbox("send")
    assert anna.gmail.discard(anna.prepared()) is True


def test_only_our_drafts_are_listed(mailbox: Opener) -> None:
    """With their age on Google's clock; Anna's own are none of our business."""
    anna = mailbox()
    prepared = anna.prepared()
    anna.sandbox.mailbox.create_draft(ANNA, MAIL.replace(b"X-Outreach-Token", b"X-Other"))
    [ours] = anna.gmail.drafts(anna.id)
    assert (ours.id, ours.search_token) == (prepared.draft_id, TOKEN)
    assert 0 <= ours.age_seconds < 5


def test_an_account_without_drafts_lists_none(mailbox: Opener) -> None:
    """It is not asked for what it has not granted."""
    anna = mailbox("send")
    assert list(anna.gmail.drafts(anna.id)) == []


@pytest.mark.parametrize(
    ("scopes", "forced", "delivery"),
    [("send", "auto", "direct"), ("compose", "auto", "drafts"), ("modify", "direct", "direct")],
)
def test_the_delivery_follows_what_is_granted(
    mailbox: Opener, scopes: str, forced: str, delivery: str
) -> None:
    """The scopes come with Google's answer to the first token."""
    anna = mailbox(scopes, gmail_delivery=forced)
    assert anna.gmail.delivery(anna.id) == delivery


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "on"),
    [
        ("invalid_grant", "token"),
        ("invalid_client", "token"),
        ("close", "token"),
        ("unauthorized_401", "send"),
        ("accept_then_close", "send"),
        ("invalid_to_400", "send"),
        ("server_error_500", "send"),
    ],
)
def test_no_error_shows_a_secret(mailbox: Opener, fault: str, on: str) -> None:
    """Neither in its words nor in what a log prints of it."""
    anna = mailbox("send", google_client_id="our-app", google_client_secret="hush")
    anna.fails(fault, on)
    with pytest.raises((OutreachError, ConfigurationError)) as caught:
        anna.gmail.commit(anna.prepared())
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    secrets = ["hush", f"sandbox:{ANNA}:send", str(anna.gmail.requests.access(anna.id).token)]
    assert [secret for secret in secrets if secret != "None" and secret in shown] == []
    assert "jo@example.com" not in shown


def test_nothing_of_the_client_shows_a_secret(mailbox: Opener) -> None:
    """Objects end up in logs."""
    anna = mailbox("send")
    prepared = anna.prepared()
    access = anna.gmail.requests.access(anna.id)
    shown = repr(
        (
            anna.gmail,
            access,
            prepared,
            anna.gmail.requests,
            anna.gmail.requests._tokens,
            anna.gmail.requests._connections,
        )
    )
    assert [s for s in (str(access.token), f"sandbox:{ANNA}:send", "Hello Jo") if s in shown] == []
