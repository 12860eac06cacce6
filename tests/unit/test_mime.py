"""The bytes that leave: read back by the standard library's parser, which did not write them."""

import base64
import hashlib
import quopri
import re
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import collapse_rfc2231_value
from statistics import median
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outreach.campaign.models import Lead, Sender
from outreach.errors import AttachmentMissing, LeadError, RecipientRefused, TemplateNotReady
from outreach.mail.addresses import is_valid, mask, normalise
from outreach.mail.mime import Attachment, build
from outreach.mail.render import Rendered

DATE = datetime(2026, 11, 24, 9, 30, 5, tzinfo=UTC)
MAIL = Rendered(subject="Hello", html="<p>Grüße, Jo</p>\n", text="Grüße, Jo\n")
TOKEN = "r7token"
FROM = Sender(id=UUID(int=1), email="grace@acme.com", name="Grace Hopper")
JO = Lead(email="jo@example.com", name="Jo Doe")
PDF = Attachment.from_bytes("Deck.pdf", b"%PDF-1.4 " + bytes(range(256)) * 40)
FIX = "then run `outreach campaigns retry-failed`."


def made(
    rendered: Rendered = MAIL,
    *,
    sender: Sender = FROM,
    to: Lead = JO,
    attachment: Attachment | None = PDF,
    search_token: str = TOKEN,
) -> bytes:
    return bytes(
        build(
            rendered,
            sender=sender,
            to=to,
            attachment=attachment,
            search_token=search_token,
            date=DATE,
        )
    )


def read(mail: bytes) -> EmailMessage:
    """As a modern client reads it; nothing in it may be out of order."""
    message = message_from_bytes(mail, policy=policy.default.clone(utf8=True))
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk() if part.defects] == []
    return message


def test_large_mails_share_their_attachment() -> None:
    """The very same octets: with 32 mails in flight a PDF of 5 MB is in memory once."""
    large = Attachment.from_bytes("Deck.pdf", b"%PDF-1.4 " + bytes(300_000))
    mail = build(MAIL, sender=FROM, to=JO, attachment=large, search_token=TOKEN, date=DATE)
    assert any(piece is large.part for piece in mail)
    assert b"".join(mail) == bytes(mail)
    assert len(mail) == len(bytes(mail))


def test_small_mails_leave_in_one_piece() -> None:
    mail = build(MAIL, sender=FROM, to=JO, attachment=PDF, search_token=TOKEN, date=DATE)
    assert list(mail) == [bytes(mail)]
    assert len(mail) == len(bytes(mail))


def header(mail: bytes) -> list[str]:
    """The header's fields, unfolded by hand."""
    head, _, _ = mail.partition(b"\r\n\r\n")
    return head.decode().replace("\r\n ", " ").split("\r\n")


def names_of(mail: bytes) -> list[str]:
    return [field.partition(":")[0] for field in header(mail)]


NAMES = ["From", "To", "Subject", "Date", "Message-ID", "X-Outreach-Token"]
NAMES += ["MIME-Version", "Content-Type"]


def decoded(words: str) -> str:
    """RFC 2047 by hand: the value of encoded words, or the value itself."""
    coded = re.findall(r"=\?utf-8\?B\?([A-Za-z0-9+/=]*)\?=", words)
    return b"".join(map(base64.b64decode, coded)).decode() if coded else words


def parts(body: bytes, boundary: bytes) -> list[bytes]:
    """The parts of a multipart, split by hand."""
    preamble, *inner, end = re.split(rb"\r\n--" + re.escape(boundary) + rb"(?=--|\r\n)", body)
    assert (preamble, end) == (b"", b"--\r\n")
    return [part.removeprefix(b"\r\n") for part in inner]


def boundary(of: bytes) -> bytes:
    found = re.search(rb'boundary="([^"]+)"', of)
    assert found
    return found[1]


# --- the whole ------------------------------------------------------------------------------------


def test_the_header_has_exactly_these_fields() -> None:
    """In this order; the Message-ID is the sender's domain's and new each time."""
    first, second = header(made()), header(made())
    random = re.compile(r"[0-9a-f]{32}")

    assert [random.sub("*", field) for field in first] == [
        "From: Grace Hopper <grace@acme.com>",
        "To: Jo Doe <jo@example.com>",
        "Subject: Hello",
        "Date: Tue, 24 Nov 2026 09:30:05 +0000",
        "Message-ID: <*@acme.com>",
        "X-Outreach-Token: r7token",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="=_m_*"',
    ]
    assert first[4] != second[4]


def test_the_parts_are_text_html_and_the_file() -> None:
    """Alternatives first, the best of them last; read by a client."""
    message = read(made())
    assert [
        (part.get_content_type(), part.get_content_charset(), part.get_filename())
        for part in message.walk()
    ] == [
        ("multipart/mixed", None, None),
        ("multipart/alternative", None, None),
        ("text/plain", "utf-8", None),
        ("text/html", "utf-8", None),
        ("application/pdf", None, "Deck.pdf"),
    ]


def test_the_parts_decode_by_hand_to_what_went_in() -> None:
    """Without any mail library: boundaries, quoted-printable, base64."""
    mail = made()
    head, _, body = mail.partition(b"\r\n\r\n")
    alternative, file = parts(b"\r\n" + body, boundary(head))
    inner_head, _, inner = alternative.partition(b"\r\n\r\n")
    texts = [
        quopri.decodestring(part.partition(b"\r\n\r\n")[2]).decode()
        for part in parts(b"\r\n" + inner, boundary(inner_head))
    ]
    data = base64.b64decode(file.partition(b"\r\n\r\n")[2], validate=False)

    assert texts == ["Grüße, Jo\r\n", "<p>Grüße, Jo</p>\r\n"]
    assert data == b"%PDF-1.4 " + bytes(range(256)) * 40


def test_without_an_attachment_there_are_only_the_alternatives() -> None:
    """No empty multipart around them."""
    message = read(made(attachment=None))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_every_line_ends_with_crlf_and_is_short() -> None:
    """RFC 5322 2.1.1: 998 at most, 78 where it can be; a client's or relay's cut breaks DKIM."""
    long = "x" * 5_000 + " é" * 5_000
    mail = made(
        Rendered(subject="Wört " * 100, html=f"<p>{long}</p>", text=long),
        to=Lead(email="jo@example.com", name="Jörg, der Ältere " * 20),
        sender=FROM.model_copy(update={"reply_to": "desk@acme.com"}),
        attachment=Attachment.from_bytes("Größe, " * 20 + ".pdf", b"x" * 10_000),
    )
    lines = mail.split(b"\r\n")

    assert (b"\n" in b"".join(lines), b"\r" in b"".join(lines)) == (False, False)
    assert max(map(len, lines)) <= 78


def test_a_boundary_of_one_mail_is_in_no_content() -> None:
    """What quotes a whole earlier mail is still one part."""
    quoted = made().decode()
    message = read(made(Rendered(subject="Re", html=f"<pre>{quoted}</pre>", text=quoted)))
    texts = [part for part in message.walk() if part.get_content_maintype() == "text"]

    assert len(texts) == 2
    assert texts[0].get_content() == quoted


# --- addresses and names --------------------------------------------------------------------------

DISPLAY_NAMES = [
    "Jo",
    "Jo Doe",
    "Doe, Jo",
    'Jo "the boss" Doe',
    "Jo\\Doe",
    "Jo (CEO) <ceo@evil.com>",
    "jo@evil.com, mo@evil.com",
    "J. R. Doe",
    "Müller, Jörg",
    'Jörg "Ö" <x@evil.com>',
    "李小龍",
    "Jo 🎉👩‍👩‍👧",
    "=?utf-8?B?Sm8=?=",
    "a" * 100 + ", Ünïcode" * 8,
    "x" * 300,
    "two  spaces",
]


@pytest.mark.parametrize("name", DISPLAY_NAMES)
def test_a_name_reaches_the_reader_as_it_is_and_is_one_recipient(name: str) -> None:
    """Commas, quotes, accents, emoji: none of them makes another address."""
    mail = made(to=JO.model_copy(update={"name": name}))
    addresses = read(mail)["To"].addresses

    assert [address.addr_spec for address in addresses] == ["jo@example.com"]
    assert shown(addresses[0].display_name, mail) == name


def shown(parsed: str, mail: bytes) -> str:
    """The display name; what Python's parser adds at the seams of encoded words, undone."""
    field = next(field for field in header(mail) if field.startswith("To: "))
    words = field.removeprefix("To: ").rpartition(" <")[0]
    return decoded(words) if words.startswith("=?") else parsed


def test_the_sender_s_name_and_reply_to_are_there() -> None:
    """As the account has them."""
    sender = Sender(
        id=UUID(int=1), email="grace@acme.com", name="Höpper, Grace", reply_to=" desk@acme.com "
    )
    message = read(made(sender=sender))
    assert (message["From"].addresses[0].display_name, str(message["Reply-To"])) == (
        "Höpper, Grace",
        "desk@acme.com",
    )


@pytest.mark.parametrize("name", [None, "", "  "])
def test_without_a_name_the_address_stands_alone(name: str | None) -> None:
    """No empty quotes."""
    mail = made(
        to=JO.model_copy(update={"name": name}), sender=FROM.model_copy(update={"name": name})
    )
    assert header(mail)[:2] == ["From: grace@acme.com", "To: jo@example.com"]


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("jo@müller.de", "jo@xn--mller-kva.de"),
        ("jo@MÜLLER.de", "jo@xn--mller-kva.de"),
        ("jo@straße.de", "jo@xn--strae-oqa.de"),
        ("jo@例え.jp", "jo@xn--r8jz45g.jp"),
        (" Jo.Doe+x@EXAMPLE.com\u200b", "Jo.Doe+x@example.com"),
        ("jörg@example.com", "jörg@example.com"),
        ("o'neil@example.co.uk", "o'neil@example.co.uk"),
    ],
)
def test_an_address_is_written_as_mail_servers_take_it(address: str, written: str) -> None:
    """The domain in IDNA 2008; letters beyond ASCII before the @ as UTF-8, never encoded words."""
    assert header(made(to=Lead(email=address)))[1] == f"To: {written}"


INVALID = {
    "": "…",
    "jo": "j…",
    "@": "…",
    "@example.com": "e…",
    "jo@": "j…",
    "jo@example": "j…@example",
    "jo@exa mple.com": "j…@exa",
    "jo doe@example.com": "j…@example.com",
    "jo@example.com, mo@example.org": "j…@example.org",
    "jo@example.com;mo@example.org": "j…@example.org",
    "Jo <jo@example.com>": "J…@example.com",
    ".jo@example.com": "j…@example.com",
    "jo.@example.com": "j…@example.com",
    "j..o@example.com": "j…@example.com",
    "jo@.example.com": "j…@.example.com",
    "jo@example..com": "j…@example..com",
    "jo@example.com.": "j…@example.com.",
    "jo@-example.com": "j…@-example.com",
    "jo@127.0.0.1": "j…@127.0.0.1",
    "jo@[127.0.0.1]": "j…",
    '"jo doe"@example.com': "j…@example.com",
    "jo\u202e@example.com": "j…@example.com",
    "jo@@example.com": "j…@example.com",
    "jo@example.com\r\nBcc: mo@example.org": "j…@example.org",
    "jo\n@example.com": "j…@example.com",
    "jo@exam\nple.com": "j…@exam",
    "jo\u00a0doe@example.com": "j…@example.com",
    "jo＠example.com": "j…",  # noqa: RUF001 - a full-width @, as Japanese keyboards type it
    f"{'j' * 65}@example.com": "j…@example.com",
    f"jo@{'e' * 64}.com": f"j…@{'e' * 64}.com",
    f"jo@{'.'.join(['e' * 62] * 4)}.com": f"j…@{'.'.join(['e' * 62] * 4)[:80]}",
    "jo@xn--a.com\ud800": "j…@xn--a.com",
}


@pytest.mark.parametrize("address", INVALID, ids=ascii)
def test_an_address_that_cannot_be_one_is_refused_masked(address: str) -> None:
    """In one sentence; what is shown of it identifies nobody."""
    with pytest.raises(RecipientRefused) as refused:
        made(to=Lead.model_construct(email=address, name="Jo", role=None, custom_fields={}))

    assert str(refused.value) == (
        f"The address {INVALID[address]} is not one that mail can be sent to; correct it, {FIX}"
    )


@pytest.mark.parametrize("address", ["jo@example.com", "j@x.io", "a_b-c+d@sub.example.museum"])
def test_ordinary_addresses_are_valid_and_masked(address: str) -> None:
    """The first letter and the domain are left."""
    assert (is_valid(address), normalise(address), mask(address)) == (
        True,
        address,
        f"{address[0]}…@{address.partition('@')[2]}",
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet='ab.@,<> "\n', max_size=20))
def test_any_text_is_an_address_or_not_but_never_an_error(text: str) -> None:
    """And never more than one letter before the @ is shown."""
    assert re.fullmatch(r"\w?…(@[\w.-]{1,80})?", mask(text))
    assert normalise(normalise(text)) == normalise(text) or not is_valid(normalise(text))


# --- no line break in any header ------------------------------------------------------------------

BREAKS = ["\r\nBcc: mo@evil.com", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029", "\0", "\x7f"]


def broken(value: str) -> dict[str, dict[str, object]]:
    """`made`'s arguments with this value in one header each."""

    def sender(field: str) -> dict[str, object]:
        return {"sender": FROM.model_copy(update={field: f"{value}@acme.com"})}

    return {
        "subject": {"rendered": MAIL.model_copy(update={"subject": value})},
        "name": {"to": JO.model_copy(update={"name": value})},
        "sender's name": sender("name"),
        "reply-to": sender("reply_to"),
        "own address": sender("email"),
        "search token": {"search_token": value},
    }


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
@pytest.mark.parametrize("where", broken(""))
def test_a_line_break_in_a_header_s_value_fails_the_lead(where: str, end: str) -> None:
    """With a reason; no header that nobody meant."""
    with pytest.raises(LeadError, match=rf"(line break|not a mail address).*{FIX}"):
        made(**broken(f"a{end}b")[where])  # type: ignore[arg-type]


def test_the_reasons_name_what_to_mend() -> None:
    """And whose it is: the lead's, the company's or the account's."""
    reasons = {}
    for where, arguments in broken("a\nb").items():
        with pytest.raises(LeadError) as caught:
            made(**arguments)  # type: ignore[arg-type]
        reasons[where] = (type(caught.value), str(caught.value))

    remove = f"holds a line break or a control character; remove it, {FIX}"
    correct = f"is not a mail address; correct it, {FIX}"
    assert reasons == {
        "subject": (TemplateNotReady, f"The email subject {remove}"),
        "name": (RecipientRefused, f"The name of j…@example.com {remove}"),
        "sender's name": (TemplateNotReady, f"The sender name of the account {remove}"),
        "reply-to": (TemplateNotReady, f"The account's reply-to address {correct}"),
        "own address": (TemplateNotReady, f"The account's address {correct}"),
        "search token": (TemplateNotReady, f"The search token {remove}"),
    }


HOSTILE = st.text(max_size=120) | st.text(
    alphabet=' ,;:<>@"\\()[]=?_éß李🎉a\r\n\t\u2028', max_size=120
)


@settings(max_examples=300, deadline=None)
@given(subject=HOSTILE, name=HOSTILE, sender=HOSTILE)
@example(subject="=?utf-8?B?YQ==?=", name='"', sender="\\")
@example(subject=" a ", name=" " * 900 + "x", sender="a" * 1000)
@example(subject="x" + " " * 1000 + "y", name="(", sender="<>")
def test_whatever_the_values_are_the_header_is_the_one_that_was_meant(
    subject: str, name: str, sender: str
) -> None:
    """Refused, or exactly these fields, with one sender, one recipient and this subject."""
    try:
        mail = made(
            MAIL.model_copy(update={"subject": subject}),
            to=JO.model_copy(update={"name": name}),
            sender=FROM.model_copy(update={"name": sender}),
        )
    except LeadError:
        return
    message = read(mail)

    assert names_of(mail) == NAMES
    assert [[a.addr_spec for a in message[field].addresses] for field in ("From", "To")] == [
        ["grace@acme.com"],
        ["jo@example.com"],
    ]
    raw = header(mail)[2].removeprefix("Subject: ")
    assert decoded(raw) == subject
    assert max(map(len, mail.split(b"\r\n"))) <= 998


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400))
def test_the_texts_arrive_as_they_were(text: str) -> None:
    """Every character, long lines and trailing spaces too; line breaks of one kind."""
    mail = read(made(Rendered(subject="s", html=text, text=text)))
    expected = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    got = [
        quopri.decodestring(str(part.get_payload())).decode().replace("\r\n", "\n")
        for part in mail.walk()
        if part.get_content_maintype() == "text"
    ]
    assert got == [expected, expected]


# --- the attachment -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500))
@example(b"")
@example(b"\r\n.\r\n--=_m_\r\n")
def test_the_attachment_arrives_byte_for_byte(data: bytes) -> None:
    """Whatever is in it, empty too."""
    mail = read(made(attachment=Attachment.from_bytes("a.pdf", data)))
    assert [part.get_content() for part in mail.iter_attachments()] == [data]


FILE_NAMES = [
    "Project Reach Out Deck.pdf",
    "Präsentation für Größe.pdf",
    'the "best" deck.pdf',
    "a\\b.pdf",
    "semi;colon, comma.pdf",
    "資料.pdf",
    "🎉.pdf",
    "=?utf-8?B?eA==?=.pdf",
    "Eine sehr lange Präsentation, die niemand ganz lesen wird, auch nicht am Montag.pdf",
    "x" * 150 + ".pdf",
]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_recipient_sees_the_file_s_name(name: str) -> None:
    """RFC 2231 in the disposition (Gmail), an encoded word in the type (Outlook)."""
    mail = made(attachment=Attachment.from_bytes(name, b"x"))
    *_, part = message_from_bytes(mail, policy=policy.compat32).walk()
    assert isinstance(part, Message)
    filename = collapse_rfc2231_value(
        part.get_param("filename", header="content-disposition") or ""
    )
    old = collapse_rfc2231_value(part.get_param("name") or "").replace("\r\n ", " ")

    assert (filename, decoded(old)) == (name, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pdf", "application/pdf"),
        ("a.PDF", "application/pdf"),
        ("a.png", "image/png"),
        ("a", "application/octet-stream"),
        ("a.eml", "application/octet-stream"),
        ("a.tar.gz", "application/octet-stream"),
    ],
)
def test_the_type_is_the_file_name_s(name: str, expected: str) -> None:
    """Except where base64 is forbidden for it (RFC 2045 6.4) or it is compressed."""
    mail = read(made(attachment=Attachment.from_bytes(name, b"x")))
    assert [part.get_content_type() for part in mail.iter_attachments()] == [expected]


@pytest.mark.parametrize("name", ["a\nb.pdf", "a\r\nBcc: x@y.z", "", " ", "x" * 201, "a\0.pdf"])
def test_a_file_that_no_mail_can_name_stops_the_run_before_its_first_mail(name: str) -> None:
    """The same file is meant for every lead."""
    with pytest.raises(AttachmentMissing, match=r"its name (is|holds)"):
        Attachment.from_bytes(name, b"x")


def test_an_attachment_tells_its_name_and_size_but_not_its_content() -> None:
    """A log line of megabytes helps nobody."""
    assert (
        repr(Attachment.from_bytes("a.pdf", b"x" * 43_000)) == "Attachment('a.pdf', 43,000 bytes)"
    )


@pytest.mark.parametrize(("size", "milliseconds"), [(43_000, 1.2), (5_000_000, 15)])
def test_the_attachment_is_not_encoded_again(size: int, milliseconds: float) -> None:
    """Encoding 5 MB each time takes 90 ms, splicing it 1 to 4; the limit allows for load."""
    seed = hashlib.sha256(b"deck").digest()
    attachment = Attachment.from_bytes("a.pdf", seed * (size // len(seed)))
    times = []
    for _ in range(15):
        began = time.perf_counter()
        made(attachment=attachment)
        times.append(time.perf_counter() - began)
    assert median(times) * 1_000 < milliseconds
