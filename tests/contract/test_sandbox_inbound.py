"""Injected mail: it lands where Gmail would put it, and is what a reader takes it for."""

import base64
from collections.abc import Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes
from typing import Any

import httpx
import pytest

from gmail_sandbox import Sandbox, serve
from gmail_sandbox.answers import KINDS
from gmail_sandbox.envelope import head
from gmail_sandbox.mail import Message
from outreach.inbound.authentication import Authentication, Verdict, read_results
from outreach.inbound.classify import classify
from outreach.inbound.reading import Reading

ADA, LEAD = "ada@acme.example", "zoe@lead.example"
TOKEN = "mountain7river"
OURS = (
    f"From: Ada Byron <{ADA}>\r\nTo: Zoe <{LEAD}>\r\nSubject: Rockets\r\n"
    f"X-Outreach-Token: {TOKEN}\r\n"
    f"List-Unsubscribe: <https://app.example/api/unsubscribe/{TOKEN}>,\r\n"
    f" <mailto:{ADA}?subject=unsubscribe-{TOKEN}>\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    "Hello Zoe,\r\nwe make tests for rockets. Grüße, Ada\r\n\r\n"
    f"To get no more mails, unsubscribe: https://app.example/api/unsubscribe/{TOKEN}\r\n"
).encode()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.state.reset()
    return running


@pytest.fixture
def sent(sandbox: Sandbox) -> Message:
    return sandbox.mailbox.send(ADA, OURS)


def post(sandbox: Sandbox, **asked: Any) -> httpx.Response:
    return httpx.post(f"{sandbox.url}/sandbox/inbound", json=asked, trust_env=False)


def inject(sandbox: Sandbox, **asked: Any) -> Message:
    identity = post(sandbox, **asked).raise_for_status().json()["id"]
    return sandbox.mailbox.message(ADA, identity)


def reading(message: Message) -> Reading:
    return classify(message.read(), received=datetime.fromtimestamp(message.at, UTC))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_as_what_it_is(sandbox: Sandbox, sent: Message, kind: str) -> None:
    """It names our mail, where that kind of mail does."""
    found = reading(inject(sandbox, kind=kind, mail=sent.id))
    named = None if kind == "unsubscribe" else sent.message_id.strip("<>")
    assert (found.kind, found.original_message_id) == (kind, named)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("5.1.1", "dead"),
        ("5.2.1", "dead"),
        ("5.2.2", "soft"),
        ("4.2.2", "soft"),
        ("5.7.1", "block"),
        ("4.4.1", "soft"),
    ],
)
def test_a_bounce_says_why(sandbox: Sandbox, sent: Message, status: str, verdict: str) -> None:
    """By its status, and in the words of a mail server; our own header is in what it returns."""
    found = reading(inject(sandbox, kind="bounce", mail=sent.id, status=status))
    [recipient] = found.recipients
    assert (recipient.address, recipient.status, recipient.verdict) == (LEAD, status, verdict)
    assert found.token == TOKEN


def test_a_bounce_has_googles_shape(sandbox: Sandbox, sent: Message) -> None:
    """A report of related text, delivery status and mail, that calls itself an automatic answer."""
    message = message_from_bytes(inject(sandbox, kind="bounce", mail=sent.id).read())
    kinds = [part.get_content_type() for part in message.get_payload()]  # type: ignore[union-attr]
    marks = [message[name] for name in ("Auto-Submitted", "X-Failed-Recipients", "In-Reply-To")]
    assert kinds == ["multipart/related", "message/delivery-status", "message/rfc822"]
    assert marks == ["auto-replied", LEAD, sent.message_id]


def test_a_bounce_of_a_large_mail_returns_its_header(sandbox: Sandbox) -> None:
    """So it still names the mail."""
    large = sandbox.mailbox.send(ADA, OURS + b"x" * 200_000)
    came = inject(sandbox, kind="bounce", mail=large.id)
    found = reading(came)
    assert (found.kind, found.token, came.size < 10_000) == ("bounce", TOKEN, True)
    assert found.original_message_id == large.message_id.strip("<>")


def test_a_reply_quotes_ours_below_its_own_words(sandbox: Sandbox, sent: Message) -> None:
    """The word unsubscribe in our footer is not theirs."""
    came = inject(sandbox, kind="reply", mail=sent.id, text="Gern,\nam Dienstag. Grüße")
    found = reading(came)
    assert (found.kind, found.own_words) == ("reply", "Gern,\nam Dienstag. Grüße")
    assert b"> To get no more mails, unsubscribe" in came.read()


def test_a_reply_can_come_from_another_address(sandbox: Sandbox, sent: Message) -> None:
    """In our thread all the same; what it says may be an opt-out."""
    came = inject(sandbox, kind="reply", mail=sent.id, sender="Boss@Lead.example", text="Stop.")
    found = reading(came)
    assert (came.sender, came.thread_id) == ("boss@lead.example", sent.thread_id)
    assert (found.kind, found.recipients[0].address) == ("unsubscribe", "boss@lead.example")


def test_an_away_notice_says_until_when(sandbox: Sandbox, sent: Message) -> None:
    """The day that is asked for, else in a week."""
    day = date(datetime.now(UTC).year + 1, 1, 7)
    asked = inject(sandbox, kind="away", mail=sent.id, back_on=day.isoformat())
    usual = reading(inject(sandbox, kind="away", mail=sent.id)).back_on
    assert reading(asked).back_on == day
    assert usual is not None
    assert 6 <= (usual - datetime.now(UTC).date()).days <= 7


def test_a_click_on_unsubscribe_sends_the_subject_that_we_asked_for(
    sandbox: Sandbox, sent: Message
) -> None:
    """From List-Unsubscribe; a mail without it gets the word alone."""
    plain = sandbox.mailbox.send(ADA, b"To: bob@lead.example\r\n\r\nHello\r\n")
    came = [inject(sandbox, kind="unsubscribe", mail=mail.id) for mail in (sent, plain)]
    assert [mail.subject for mail in came] == [f"unsubscribe-{TOKEN}", "unsubscribe"]
    assert [reading(mail).kind for mail in came] == ["unsubscribe"] * 2


@pytest.mark.parametrize("found", ["pass", "fail"])
def test_a_mail_that_comes_in_has_googles_verdict_on_top(
    sandbox: Sandbox, sent: Message, found: str
) -> None:
    """Above all that its sender wrote; a mail that is injected whole stays as it is."""
    settings = httpx.post(
        f"{sandbox.url}/sandbox/settings", json={"authentication": found}, trust_env=False
    )
    came = inject(sandbox, kind="reply", mail=sent.id)
    message = message_from_bytes(came.read())
    verdict = read_results(message.get_all("Authentication-Results", []), "lead.example")
    whole = inject(sandbox, account=ADA, raw=base64.b64encode(OURS).decode())
    assert settings.is_success
    assert message.keys()[0] == "Authentication-Results"
    assert verdict == Authentication(*[Verdict(found, "lead.example")] * 3)
    assert whole.read() == OURS


def test_a_complaint_names_the_recipient(sandbox: Sandbox, sent: Message) -> None:
    """And returns our mail."""
    found = reading(inject(sandbox, kind="complaint", mail=sent.id))
    assert ([one.address for one in found.recipients], found.token) == ([LEAD], TOKEN)


@pytest.mark.parametrize("kind", ["reply", "away", "bounce"])
def test_an_answer_lands_in_the_thread_of_its_mail(
    sandbox: Sandbox, sent: Message, kind: str
) -> None:
    """Unread in the inbox, or in spam."""
    came = inject(sandbox, kind=kind, mail=sent.id)
    spam = inject(sandbox, kind=kind, mail=sent.id, spam=True)
    assert [mail.thread_id for mail in (came, spam)] == [sent.thread_id] * 2
    assert [mail.labels for mail in (came, spam)] == [("UNREAD", "INBOX"), ("UNREAD", "SPAM")]


def test_a_given_mail_is_delivered_byte_for_byte(sandbox: Sandbox, sent: Message) -> None:
    """Whatever it is; its thread is that of the nearest mail that it names."""
    other = sandbox.mailbox.send(ADA, OURS)
    references = f"References: {other.message_id} {sent.message_id}\r\n".encode()
    given = [references + b"Subject: Hi\r\n\r\nYes", b"\xff\x00To: <<<\r\n\r\n", b"", b"\r\n\r\n"]
    came = [
        inject(sandbox, account=ADA, raw=base64.b64encode(raw).decode()) for raw in given if raw
    ]
    assert [mail.read() for mail in came] == [raw for raw in given if raw]
    assert came[0].thread_id == sent.thread_id
    assert came[1].thread_id == came[1].id


@pytest.mark.parametrize(
    "raw",
    [
        b"To: " + b"(" * 300_000 + b"\r\n\r\nx",
        b"Subject: " + b"=?utf-8?q?x?= " * 50_000 + b"\r\nReferences: " + b"<" * 1_000_000,
        b"x" * 3_000_000,
        b"X: y" + b"\r\n z" * 300_000 + b"\r\n\r\nx",
    ],
    ids=["nested comments", "encoded words", "no line", "folded lines"],
)
def test_a_mail_that_costs_a_reader_dear_is_delivered_and_shown(
    sandbox: Sandbox, raw: bytes
) -> None:
    """By every way to look at it."""
    came = inject(sandbox, account=ADA, raw=base64.b64encode(raw).decode())
    token = sandbox.state.tokens.refresh(f"sandbox:{ADA}").token
    path = f"{sandbox.url}/gmail/v1/users/me/messages/{came.id}"
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        shown = [client.get(path, params={"format": form}) for form in ("metadata", "full", "raw")]
        pages = [client.get(f"{sandbox.url}/inbound{rest}") for rest in ("", f"/{came.id}")]
    assert [answer.status_code for answer in shown + pages] == [200] * 5


HOSTILE = (
    "=?utf-8?b?SGkNCkJjYzogZXZlQGV2aWwuZXhhbXBsZQ0KDQo8c2NyaXB0Pg==?=",
    "=?utf-8?q?=00=0B=E2=80=A8=ED=A0=80?=",
    "=?unknown-8bit?q?=FF=FE?=",
    "Rock" * 5_000,
    "",
)
"""Subjects with line breaks, control characters, half characters, bytes of no charset."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("subject", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("to", ["jörg@bücher.example", '"a b"@x.example'])
def test_the_answer_to_a_hostile_mail_has_the_headers_of_any_other(
    sandbox: Sandbox, kind: str, subject: str, to: str
) -> None:
    """Nothing in the sent mail begins another header, and the answer is read as what it is."""
    lines = (
        f"To: {to}\r\nSubject: {subject}\r\nFrom: {subject} <{ADA}>\r\n"
        "List-Unsubscribe: <mailto:[x?subject=a%0D%0ABcc:%20eve@evil.example>\r\n\r\nHello\r\n"
    )
    sent = sandbox.mailbox.send(ADA, lines.encode())
    came = inject(sandbox, kind=kind, mail=sent.id)
    message = message_from_bytes(came.read())
    assert message["Bcc"] is None
    assert message["MIME-Version"] == "1.0"
    assert max(map(len, head(came.read()).splitlines())) <= 998
    if kind != "unsubscribe" and '"' not in to:
        assert reading(came).kind == kind


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "give account and raw, or kind and mail"),
        ({"account": ADA, "kind": "reply"}, "give account and raw, or kind and mail"),
        ({"account": ADA, "raw": "aGk=", "kind": "reply", "mail": "1"}, "give account and raw"),
        ({"account": "nobody", "raw": "aGk="}, "'nobody' is not an address"),
        ({"account": ADA, "raw": "%%%"}, "Base64 decoding failed"),
        ({"kind": "reply", "mail": "1"}, "there is no sent mail '1'"),
        ({"kind": "gossip", "mail": "1"}, "kind: Input should be 'reply', 'bounce', 'away'"),
        ({"kind": "bounce", "mail": "1", "status": "2.0.0"}, "status: String should match"),
        ({"kind": "bounce", "mail": "1", "status": "5.1.1\n"}, "status: String should match"),
        ({"kind": "reply", "mail": "1", "sender": "a>b@x"}, "'a>b@x' is not an address"),
        ({"kind": "reply", "mail": "1", "extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_injected_is_refused(
    sandbox: Sandbox, asked: dict[str, Any], says: str
) -> None:
    """With a sentence, and nothing is delivered."""
    answer = post(sandbox, **asked)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert sandbox.mailbox.received() == []


def test_what_came_is_listed(sandbox: Sandbox, sent: Message) -> None:
    """Beside the record of what was sent, which stays as it was."""
    came = inject(sandbox, kind="reply", mail=sent.id)
    [row] = httpx.get(f"{sandbox.url}/sandbox/inbound", trust_env=False).json()
    mails = httpx.get(f"{sandbox.url}/sandbox/mails", trust_env=False).json()
    assert row == {
        "id": came.id,
        "thread_id": sent.thread_id,
        "account": ADA,
        "to": ADA,
        "from": LEAD,
        "subject": "Re: Rockets",
        "message_id_header": came.message_id,
        "accepted_at": came.at,
        "via": None,
        "size": came.size,
        "labels": ["UNREAD", "INBOX"],
    }
    assert [mail["id"] for mail in mails] == [sent.id]
