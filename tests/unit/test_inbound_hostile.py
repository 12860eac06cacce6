"""Any mail is read in bounded time and memory, and none raises."""

import tracemalloc
from time import thread_time

import pytest

from outreach.inbound import message
from outreach.inbound.charsets import decoded, header_text
from outreach.inbound.classify import UNREADABLE, classify
from outreach.inbound.opt_out import beside_other_words, is_opt_out, phrase
from tests.inbound_mails import mail
from tests.unit.test_linear import PIECES

SECONDS = 5
"""What has the square of the length in it takes minutes."""
LENGTH = 200_000
MEGABYTE = 1024 * 1024
MORE_PIECES = [
    "re: ", "From: a\n", "From: a\nSent: b\n", "> ", ">", "\n\n", " \n", "-- \n", "-", "--", "_", "On 1/1/2026 ", "a:", ":", "wrote:\n", "1.", "1-", "1/1/",
    "1 may ", "back ", "until 1", "月", "stop ", "stop to ", "remove my ", "please ", "5.1.1 ", "550 ", "5.", "a@b ", "<a@b>", "To: a@b\n", "Final-Recipient: rfc822; a@b\n",
    "Action: failed\n\n", "Status: 5.1.1\n\n", "\\x{41}", "=?utf-8?q?a?= ", "=?utf-8?b?", "=41", "http://a ", "received: a\n", " a: b\n", "\tb\n", "unsubscribe", "<blockquote>",
    "</blockquote>", '<div class="', "<div ", "gmail_quote", "день ", "退", "\x1b$B", "\udcff", "Content-Type: multipart/", ";a=", "References: <a@b>\n", "<", "--x\n",
]  # fmt: skip
DSN = 'From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n--x\n\n{}\n\n--x\nContent-Type: message/delivery-status\n\n{}\n\n--x--\n'


def _nested(kind: str, depth: int) -> bytes:
    begin = "".join(f'Content-Type: {kind}; boundary="{n}"\n\n--{n}\n' for n in range(depth))
    return f"From: a@b.example\n{begin}\ntext\n".encode()


HOSTILE = {
    "a thousand multiparts in each other": _nested("multipart/mixed", 1_000),
    "the same, with lines that no boundary ends": _nested("multipart/mixed", 1_000) + b"\n" * MEGABYTE,
    "a thousand mails in each other": b"From: a@b.example\n" + b"Content-Type: message/rfc822\n\n" * 1_000,
    "mixed case": _nested("MultiPart/Mixed", 1_000) + b"\n" * MEGABYTE,
    "ten thousand parts": b'From: a@b.example\nContent-Type: multipart/mixed; boundary="x"\n\n' + b"--x\n\npart\n" * 10_000,
    "ten thousand statuses": b'From: a@b.example\nContent-Type: multipart/report; boundary="x"\n\n' + b"--x\nContent-Type: message/delivery-status\n\nAction: failed\n\n" * 10_000,
    "a header of a megabyte": b"From: a@b.example\nSubject: " + b"x" * MEGABYTE + b"\n\ntext\n",
    "a folded header of a megabyte": b"From: a@b.example\nSubject: x" + b"\n x" * (MEGABYTE // 3) + b"\n\ntext\n",
    "a hundred thousand headers": b"From: a@b.example\n" + b"X-A: b\n" * 100_000 + b"\ntext\n",
    "no end of the header": b"From: a@b.example\n" + b"x" * 2 * MEGABYTE,
    "a boundary of a megabyte": b'From: a@b.example\nContent-Type: multipart/mixed; boundary="' + b"x" * MEGABYTE + b'"\n\n--x\n',
    "no line break": b"x" * 2 * MEGABYTE,
    "nothing": b"",
    "zeros": b"\0" * MEGABYTE,
    "every byte": bytes(range(256)) * 2_000,
    "an encoded word without end": b"From: a@b.example\nSubject: " + b"=?utf-8?b?" * 10_000 + b"\n\n",
    "a thousand recipients": DSN.format("x", "\n\n".join(f"Final-Recipient: rfc822; {n}@b.example\nAction: failed" for n in range(1_000))).encode(),
    "a broken base64": b"From: a@b.example\nContent-Transfer-Encoding: base64\n\n" + b"A=\n" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_is_read_in_bounded_time(name: str) -> None:
    """Its kind does not matter."""
    began = thread_time()

    assert classify(HOSTILE[name]).why

    assert thread_time() - began < SECONDS


@pytest.mark.parametrize("piece", [*PIECES, *MORE_PIECES])
@pytest.mark.parametrize("sender", ["jo@lead.example", "MAILER-DAEMON@lead.example"])
def test_no_text_takes_a_time_that_grows_with_its_square(piece: str, sender: str) -> None:
    """As a reply, an away notice, a notice of a bounce, a status, HTML."""
    text = (piece * (LENGTH // len(piece))).encode("utf-8", "surrogateescape")
    head = f"From: {sender}\nDate: Tue, 03 Nov 2026 18:00:00 +0100\nSubject: undelivered\n".encode()
    began = thread_time()
    for raw in (
        head + b"\n" + text,
        head + b"Auto-Submitted: auto-replied\n\nI am out of office " + text,
        head + b"Content-Type: text/html\n\n" + text,
        head + b"X-Failed-Recipients: a@b.example, c@d.example\n\na@b.example " + text,
        DSN.encode().replace(b"{}", text),
        head.replace(b"undelivered", text[:50_000].replace(b"\n", b"")) + b"\ntext",
    ):
        assert classify(raw) != UNREADABLE
    assert thread_time() - began < SECONDS, piece


def test_a_mail_of_35_megabytes_is_read_by_its_ends() -> None:
    """The text above an attachment and the one below it; a few megabytes of memory."""
    attachment = b"QUJD" * 19 + b"\n"
    raw = (
        b'From: jo@lead.example\nContent-Type: multipart/mixed; boundary="x"\n\n--x\n\nAbove.\n--x\nContent-Type: application/pdf\n'
        b"Content-Transfer-Encoding: base64\n\n" + attachment * (35 * MEGABYTE // len(attachment)) + b"\n--x\n\nBelow.\n--x--\n"
    )  # fmt: skip
    tracemalloc.start()
    read = classify(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (read.kind, (read.own_words or "").split()) == ("reply", ["Above.", "Below."])
    assert peak < 16 * MEGABYTE


def test_a_long_header_does_not_hide_the_text() -> None:
    """The header is cut, not the mail."""
    raw = b"From: jo@lead.example\nX-Spam: " + b"x" * MEGABYTE + b"\n\nStop\n"

    assert classify(raw).kind == "unsubscribe"


@pytest.mark.parametrize(
    "charset",
    ["windows-874", "iso-8859-8-i", "unknown-8bit", "x-mac-hebrew", "idna", "punycode", "unicode_escape", "hex", "zip", "undefined", "", "ü", "utf-8\0", "a" * 5_000, "..", "utf_7"],
)  # fmt: skip
def test_a_text_in_any_charset_is_read(charset: str) -> None:
    """As what it is, else with replacement characters."""
    content = "Grüße, стоп".encode()

    assert decoded(content, charset)
    assert (
        classify(
            b"From: jo@lead.example\nContent-Type: text/plain; charset="
            + charset.encode()
            + b"\n\n"
            + content
        ).kind
        == "reply"
    )


def test_a_wrong_charset_gives_way_to_the_right_one() -> None:
    """UTF-8 under another name; Japanese without a name."""
    assert decoded("Grüße".encode(), "us-ascii") == "Grüße"
    assert decoded("Grüße".encode("cp1252"), "windows-1252") == "Grüße"
    assert decoded("不在".encode("iso-2022-jp"), "") == "不在"
    assert header_text("=?utf-8?b?4?= =?x?y?z?=")


def test_a_mail_that_cannot_be_parsed_is_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser raises what it likes."""

    def broken(_: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr(message, "message_from_bytes", broken)

    assert classify(mail("Hello")).kind == "other"


def test_an_opt_out_is_searched_in_bounded_time() -> None:
    """Its patterns have many repetitions."""
    began = thread_time()
    for piece in (*PIECES, *MORE_PIECES):
        is_opt_out(piece * 1_000)
        phrase(piece * 1_000)
        beside_other_words(piece * 1_000)
    assert thread_time() - began < SECONDS
