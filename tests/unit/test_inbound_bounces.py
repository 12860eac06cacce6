"""Bounces, delays and complaints in the shapes of many servers, in our own words."""

import pytest

from outreach.inbound.classify import classify
from outreach.inbound.reading import Recipient
from outreach.inbound.verdicts import judge

OUR_ID = "CAF00d+42@mail.gmail.com"
RETURNED = f"From: ada@acme.example\nTo: ann@lead.example\nSubject: Rockets\nMessage-ID: <{OUR_ID}>\n\nHello Ann\n"


def report(
    fields: str, notice: str = "Your message wasn't delivered.", *, part: str = "message/delivery-status",
    returned: str = RETURNED, headers: str = "", sender: str = "Mail Delivery Subsystem <mailer-daemon@lead.example>",
) -> bytes:  # fmt: skip
    """A multipart/report (RFC 3464)."""
    return f"""\
From: {sender}
To: ada@acme.example
Subject: Delivery Status Notification (Failure)
{headers}Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: text/plain; charset=utf-8

{notice}

--x
Content-Type: {part}

Reporting-MTA: dns; mx.lead.example

{fields}

--x
Content-Type: message/rfc822

{returned}
--x--
""".encode()


def notice(
    text: str,
    *,
    sender: str = "MAILER-DAEMON@lead.example",
    subject: str = "Returned mail",
    headers: str = "",
) -> bytes:
    """A bounce without a report."""
    return f"From: {sender}\nTo: ada@acme.example\nSubject: {subject}\n{headers}\n{text}".encode()


def test_a_report_names_recipient_status_and_mail() -> None:
    """The shape that most servers write."""
    read = classify(
        report(
            "Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 No such user"
        )
    )

    assert (read.kind, read.recipients, read.original_message_id) == (
        "bounce",
        (Recipient("ann@lead.example", "5.1.1", "dead"),),
        OUR_ID,
    )
    assert read.why == "a delivery status; “no such user”"


@pytest.mark.parametrize("returned", ["as a part", "in the text"])
def test_our_own_header_in_a_returned_mail_is_told(returned: str) -> None:
    """The surest sign of which mail it was."""
    ours = f"X-Outreach-Token: r7token-abc\n{RETURNED}"
    fields = "Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.1.1"
    as_part = report(fields, returned=ours)
    in_text = notice(
        f"Not delivered to <ann@lead.example>: user unknown\n\nReceived: from x\n{ours}"
    )

    assert classify(as_part if returned == "as a part" else in_text).token == "r7token-abc"


def test_the_message_ids_that_a_mail_names_are_told_the_surest_first() -> None:
    """Of the returned mail, then of those that it answers, the nearest first."""
    headers = "In-Reply-To: <b@x>\nReferences: <a@x> <b@x>\n  <c@x>\nX-Original-Message-ID: <o@x>\n"

    assert classify(report("Action: failed", headers=headers)).message_ids == (
        OUR_ID,
        "o@x",
        "b@x",
        "c@x",
        "a@x",
    )


def test_a_forwarded_recipient_keeps_the_address_that_was_written_to() -> None:
    """It decides whose lead it is."""
    read = classify(
        report(
            "Original-Recipient: rfc822;ann@lead.example\nFinal-Recipient: rfc822; a.long@home.example\nAction: failed\nStatus: 5.2.2"
        )
    )

    assert read.recipients == (
        Recipient("a.long@home.example", "5.2.2", "soft", "ann@lead.example"),
    )


MOVED = "Final-Recipient: rfc822; a.long@home.example\nAction: failed\nStatus: 5.1.1"
NO_TO = RETURNED.replace("To: ann@lead.example\n", "")
TWO = RETURNED.replace("To: ann@lead.example", "To: ann@lead.example, eve@lead.example")


@pytest.mark.parametrize(
    ("words", "returned", "original"),
    [
        ("The mail could not be delivered.", RETURNED, "ann@lead.example"),
        ("a.long@home.example\n  (generated from ann@lead.example)", NO_TO, "ann@lead.example"),
        ("a.long@home.example\n  (generated from all@lead.example)", RETURNED, "ann@lead.example"),
        ("The mail could not be delivered.", NO_TO, None),
        ("The mail could not be delivered.", TWO, None),
        ("(generated from ann@lead.example)\n(generated from eve@lead.example)", NO_TO, None),
        ("The mail could not be delivered.", RETURNED.replace("ann@lead", "A.Long@home"), None),
    ],
)
@pytest.mark.parametrize("shape", ["report", "X-Failed-Recipients"])
def test_a_forward_is_known_by_the_returned_mail_too(
    shape: str, words: str, returned: str, original: str | None
) -> None:
    """Or by the notice, where a server writes no Original-Recipient: Exim does not."""
    header = "X-Failed-Recipients: a.long@home.example\n"
    text = f"{words}\n550 5.1.1 user unknown\n\nReceived: from x\n{returned}"
    raw = report(MOVED, words, returned=returned) if shape == "report" else notice(text, headers=header)  # fmt: skip

    assert classify(raw).recipients == (
        Recipient("a.long@home.example", "5.1.1", "dead", original),
    )


def test_of_several_that_failed_none_stands_for_whom_the_mail_was_written_to() -> None:
    """They may be members of a list, which others still read."""
    fields = f"{MOVED}\n\n{MOVED.replace('a.long', 'b.long')}"

    assert [one.original_address for one in classify(report(fields)).recipients] == [None, None]


def test_several_recipients_have_verdicts_of_their_own() -> None:
    """With and without an empty line between them."""
    fields = (
        "Final-Recipient: rfc822; a@lead.example\nAction: failed\nStatus: 5.1.1\n{}Final-Recipient: rfc822; b@lead.example\nAction: delayed\nStatus: 4.4.1\n"
        "{}Final-Recipient: rfc822; c@lead.example\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 blocked, see https://x.example/unknown-user"
    )
    for between in ("\n", ""):
        read = classify(report(fields.format(between, between)))
        assert read.kind == "bounce"
        assert [(one.address[0], one.verdict) for one in read.recipients] == [
            ("a", "dead"),
            ("b", "delay"),
            ("c", "block"),
        ]


def test_a_delay_is_never_dead() -> None:
    """Whatever code and words say."""
    read = classify(
        report(
            "Final-Recipient: rfc822; ann@lead.example\nAction: delayed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 user unknown"
        )
    )
    text = classify(
        notice(
            "Delivery to the following recipient has been delayed:\n\n  ann@lead.example\n\nMessage will be retried for 2 more days. User unknown",
            subject="Delivery Status Notification (Delay)",
        )
    )

    assert (read.kind, read.recipients[0].verdict) == ("delay", "delay")
    assert (text.kind, text.recipients) == ("delay", (Recipient("ann@lead.example", "", "delay"),))


def test_a_notice_of_delivery_is_no_bounce() -> None:
    """Delivered, relayed, expanded."""
    read = classify(
        report("Final-Recipient: rfc822; ann@lead.example\nAction: relayed\nStatus: 2.1.9")
    )

    assert (read.kind, read.recipients[0].verdict) == ("other", "none")


def test_a_report_in_utf_8_is_read() -> None:
    """RFC 6533: its own part and address type."""
    fields = "Final-Recipient: utf-8; j\\x{F6}rg@lead.example\nAction: failed\nStatus: 5.1.1"
    read = classify(
        report(fields, part="message/global-delivery-status", returned="Subject: Rockets\n")
    )

    assert read.recipients == (Recipient("jörg@lead.example", "5.1.1", "dead"),)


def test_a_report_in_base64_is_read() -> None:
    """The parser takes it for headers."""
    fields = "RmluYWwtUmVjaXBpZW50OiByZmM4MjI7IGFubkBsZWFkLmV4YW1wbGUKQWN0aW9uOiBmYWlsZWQK\nU3RhdHVzOiA1LjEuMQo="
    raw = report(fields).replace(b"Reporting-MTA: dns; mx.lead.example\n\n", b"").replace(
        b"Content-Type: message/delivery-status\n", b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n"
    )  # fmt: skip

    assert [one.address for one in classify(raw).recipients] == ["ann@lead.example"]


def test_a_report_without_a_recipient_takes_it_from_elsewhere() -> None:
    """Google's header, the notice, then the returned mail."""
    empty = "Action: failed\nStatus: 5.0.0"
    header = classify(report(empty, headers="X-Failed-Recipients: ann@lead.example\n"))
    text = classify(report(empty, "ann@lead.example: user unknown", returned="Subject: x\n"))
    returned = classify(report(empty, "It failed: user unknown"))

    assert [[one.address for one in read.recipients] for read in (header, text, returned)] == [
        ["ann@lead.example"]
    ] * 3
    assert [read.recipients[0].verdict for read in (text, returned)] == ["dead", "dead"]


def test_a_domain_without_dns_is_dead_although_its_code_may_pass() -> None:
    """Gmail writes 4.0.0 for it, finally."""
    fields = "Final-Recipient: rfc822; ann@typo.example\nAction: failed\nStatus: 4.0.0\nDiagnostic-Code: smtp; DNS Error: type 'mx' lookup of typo.example responded with code NXDOMAIN Domain name not found: typo.example"
    read = classify(report(fields))

    assert read.recipients[0].verdict == "dead"


NOTICES = {
    "google": ("Delivery to the following recipient failed permanently:\n\n     ann@lead.example\n\nTechnical details: The error was: 550 5.1.1 no such account\n\n----- Original message -----\n\nReceived: by 10.0.0.1\n" + RETURNED, "X-Failed-Recipients: ann@lead.example\n"),
    "exim": ("A message that you sent could not be delivered. The following address failed:\n\n  ann@lead.example\n    SMTP error after RCPT TO:<ann@lead.example>:\n    550 5.1.1 user unknown\n\n------ This is a copy of the message, including all the headers. ------\n\n" + RETURNED, ""),
    "qmail": ("Hi. I'm afraid I wasn't able to deliver your message.\n\n<ann@lead.example>:\nRemote host said: 550 5.1.1 unknown user\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <ada@acme.example>\n" + RETURNED, ""),
    "sendmail": ("   ----- The following addresses had permanent fatal errors -----\n<ann@lead.example>\n\n   ----- Transcript of session follows -----\n>>> RCPT To:<ann@lead.example>\n<<< 550 5.1.1 unknown user\n\n   ----- Original message follows -----\n\n" + RETURNED, ""),
    "exchange": ("Your message\n\n  To:      ann@lead.example\n  Subject: Rockets\n\ndid not reach the following recipient(s):\n\nann@lead.example on Tue, 3 Nov 2026\n    The recipient name is not recognized (5.1.1)\n\nReceived: from x\n" + RETURNED, ""),
    "sentence": ("We were unable to deliver your message to <ann@lead.example>. Reason: 550 5.1.1 mailbox not found. For help contact <help@lead.example>.\n\nOriginal message follows.\n\n" + RETURNED, ""),
    "fields in the text": (f"Returned to sender.\n\nFinal-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.1.1\n\nReceived: from x\n{RETURNED}", ""),
    "recipient in the returned mail alone": ("Sorry, the mail below could not be delivered: 550 5.1.1 user unknown\n\nReceived: from x\n" + RETURNED, ""),
}  # fmt: skip


@pytest.mark.parametrize("server", NOTICES)
def test_a_notice_in_words_is_read(server: str) -> None:
    """The address that failed; never ours, never a help desk's."""
    text, headers = NOTICES[server]
    read = classify(notice(text, headers=headers))

    assert (read.kind, read.recipients, read.original_message_id) == (
        "bounce",
        (Recipient("ann@lead.example", "5.1.1", "dead"),),
        OUR_ID,
    )


def test_a_mail_that_a_daemon_did_not_write_needs_more_than_words() -> None:
    """People write of bounces too."""
    text = "Your message could not be delivered to ann@lead.example: user unknown.\n"

    assert classify(notice(text, sender="jo@lead.example", subject="Returned mail")).kind == "reply"
    assert (
        classify(notice(text, sender="jo@lead.example", headers="Return-Path: <>\n")).kind
        == "bounce"
    )
    assert classify(notice(text, sender="no-reply@lead.example", subject="Hello")).kind == "bounce"


def test_a_bounce_of_a_bounce_is_other() -> None:
    """We send none."""
    bounce = report(
        "Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.1.1"
    ).decode()
    read = classify(
        report(
            "Final-Recipient: rfc822; eve@lead.example\nAction: failed\nStatus: 5.1.1",
            returned=bounce,
        )
    )

    assert (read.kind, read.recipients, read.why) == ("other", (), "a bounce of a bounce")


def test_a_bounce_that_a_person_forwards_as_a_file_is_a_reply() -> None:
    """The report is in a mail of its own then."""
    inner = report("Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.1.1")
    raw = (
        b'From: jo@lead.example\nSubject: Fwd: Undelivered\nContent-Type: multipart/mixed; boundary="y"\n\n--y\n\nSee this.\n--y\nContent-Type: message/rfc822\n\n'
        + inner
        + b"\n--y--\n"
    )
    read = classify(raw)

    assert (read.kind, read.own_words) == ("reply", "See this.")


@pytest.mark.parametrize(
    ("words", "status", "verdict"),
    [
        (
            "smtp; 550 5.1.1 <ann@lead.example>: Recipient address rejected: User unknown",
            "5.1.1",
            "dead",
        ),
        (
            "550 5.4.1 Recipient address rejected: Access denied. [x.outlook.example]",
            "5.4.1",
            "dead",
        ),
        ("550 5.7.1 Access denied", "5.7.1", "block"),
        ("550 5.1.1 The email account that you tried to reach does not exist.", "5.1.1", "dead"),
        ("550 5.2.1 The email account that you tried to reach is disabled.", "5.2.1", "dead"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "5.1.10", "dead"),
        ("Host or domain name not found. Name service error for name=typo.example", "", "dead"),
        (
            "550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy",
            "5.7.26",
            "block",
        ),
        (
            "554 5.7.1 Service unavailable; Client host [1.2.3.4] blocked using zen.example",
            "5.7.1",
            "block",
        ),
        ("550 5.1.8 Sender address rejected: Domain not found", "5.1.8", "block"),
        ("550 5.1.1 see https://x.example/spam/policy", "5.1.1", "dead"),
        ("550 spam@lead.example: user unknown", "", "dead"),
        ("host mx.policy.example said: 550 unknown user", "", "dead"),
        ("421 4.7.0 Try again later, IP reputation is low", "4.7.0", "block"),
        ("552 5.2.2 The email account that you tried to reach is over quota.", "5.2.2", "soft"),
        ("smtp; 550 4.4.7 QUEUE.Expired; message expired", "4.4.7", "soft"),
        ("552 5.3.4 Message too big", "5.3.4", "soft"),
        ("connect to mx.lead.example[1.2.3.4]:25: Connection timed out", "", "soft"),
        ("550 Rejected", "", "block"),
        ("550", "", "soft"),
        ("", "", "soft"),
    ],
)
def test_words_decide_before_codes(words: str, status: str, verdict: str) -> None:
    """Addresses, hosts and pages in them are names, no words."""
    assert judge(words)[:2] == (verdict, status)


def test_a_code_decides_where_words_say_nothing() -> None:
    """The inner code is nearer to the truth than the report's."""
    assert [
        judge("", code).verdict
        for code in ("5.1.1", "5.1.6", "5.4.4", "5.7.1", "5.2.2", "4.4.1", "5.0.0")
    ] == ["dead", "dead", "dead", "block", "soft", "soft", "soft"]
    assert judge("smtp; 550 5.2.2 x", "5.1.1")[:2] == ("soft", "5.2.2")


@pytest.mark.parametrize(
    ("words", "status", "verdict"),
    [
        ("450 Requested mail action not taken: mailbox unavailable", "4.2.0", "soft"),
        ("450 Requested mail action not taken: mailbox unavailable", "", "soft"),
        ("450 Requested mail action not taken: mailbox unavailable", "5.0.0", "soft"),
        ("450-4.2.0 The mailbox is unavailable", "", "soft"),
        ("450 4.2.0 <ann@lead.example>: Recipient address rejected", "", "soft"),
        ("550 Requested action not taken: mailbox unavailable", "", "dead"),
        ("550 5.5.0 Requested action not taken: mailbox unavailable", "", "dead"),
        ("550 5.7.1 Requested action not taken: mailbox unavailable", "", "block"),
        ("550 5.7.1 This mailbox does not accept mail from external senders", "", "block"),
        ("550 This user does not accept email from unknown senders", "", "block"),
        ("550 This domain doesn't accept messages from you", "", "block"),
        ("550 Takes no mail of unknown senders", "", "block"),
        ("550 This user does not accept email", "5.7.1", "block"),
        ("450 4.7.1 This user does not accept email", "", "block"),
        ("451 This user does not accept email", "", "soft"),
        ("550 This user does not accept email", "", "dead"),
        ("556 5.1.10 Domain does not accept mail", "", "dead"),
        ("521 5.3.2 Host does not accept mail", "", "dead"),
        ("550 User does not exist", "", "dead"),
        ("550 This user doesn't have a mailbox here", "", "dead"),
        ("550 Domain does not resolve", "", "dead"),
        ("450 4.1.1 User unknown in local recipient table", "", "dead"),
    ],
)
def test_a_refusal_for_now_or_of_this_sender_is_not_dead(
    words: str, status: str, verdict: str
) -> None:
    """Their words are those of an unknown mailbox, too; the code, or a sender, tells them apart."""
    assert judge(words, status).verdict == verdict


def test_a_mailbox_that_is_unavailable_for_now_is_soft_whatever_the_notice_says() -> None:
    """Some programs explain every failure in the words of an unknown address."""
    fields = "Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 4.2.0\nDiagnostic-Code: smtp; 450 Requested mail action not taken: mailbox unavailable"
    read = classify(report(fields, "ann@lead.example: the address may not exist."))

    assert (read.kind, read.recipients) == (
        "bounce",
        (Recipient("ann@lead.example", "4.2.0", "soft"),),
    )


ARF = """\
From: feedback@provider.example
Subject: Abuse report
Content-Type: multipart/report; report-type=feedback-report; boundary="x"

--x

A complaint.
--x
Content-Type: message/feedback-report

Feedback-Type: {}
{}
--x
Content-Type: message/rfc822

{}
--x--
"""


@pytest.mark.parametrize("named", ["Original-Rcpt-To: <ann@lead.example>", "User-Agent: x/1"])
def test_a_complaint_names_the_recipient(named: str) -> None:
    """Half of them by the returned mail alone."""
    read = classify(ARF.format("abuse", named, RETURNED).encode())

    assert (read.kind, read.recipients, read.original_message_id) == (
        "complaint",
        (Recipient("ann@lead.example", "", "none"),),
        OUR_ID,
    )


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_feedback_report_of_another_type_is_no_complaint(kind: str) -> None:
    """A forged mail; a mail that is no spam."""
    assert classify(ARF.format(kind, "", RETURNED).encode()).kind == "other"


def test_microsofts_complaint_is_read() -> None:
    """It is the mail alone, with a header of its own."""
    raw = f'From: staff@provider.example\nSubject: complaint\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: ann@lead.example\n{RETURNED}\n--x--\n'
    read = classify(raw.encode())

    assert (read.kind, [one.address for one in read.recipients]) == (
        "complaint",
        ["ann@lead.example"],
    )


UNAVAILABLE = "550 Requested action not taken: mailbox unavailable"
FINAL = {
    "exim": f"A message that you sent could not be delivered to one or more of its recipients. This is a permanent error. The following address(es) failed:\n\n  ann@lead.example\n    host mx.lead.example [10.0.0.1]\n    SMTP error from remote mail server after RCPT TO:<ann@lead.example>:\n    {UNAVAILABLE}\n",
    "postfix": "This is the mail system at host mx.home.example.\n\nI'm sorry to have to inform you that your message could not be delivered.\n\n<ann@lead.example>: host mx.lead.example[10.0.0.1] said: 550 ann@lead.example does not accept mail (in reply to RCPT TO command)\n",
    "qmail": f"Hi. This is the qmail-send program. I'm afraid I wasn't able to deliver your message.\n\n<ann@lead.example>:\n10.0.0.1 does not like recipient.\nRemote host said: {UNAVAILABLE}\nGiving up on 10.0.0.1.\n",
    "ionos": f"This message was created automatically by mail delivery software.\n\nUnfortunately, your mail could not be delivered.\n\nann@lead.example:\nSMTP error from remote server for RCPT TO command, host: mx.lead.example (10.0.0.1) reason: {UNAVAILABLE}\n",
    "yahoo": f"Sorry, we were unable to deliver your message to the following address.\n\n<ann@lead.example>:\n{UNAVAILABLE}\n",
    "zoho": "This message was created automatically by mail delivery software. A message that you sent could not be delivered to one or more of its recipients.\n\nann@lead.example, ERROR CODE :550 - Requested action not taken: mailbox unavailable\n",
}  # fmt: skip


@pytest.mark.parametrize("server", FINAL)
@pytest.mark.parametrize("headers", ["", "X-Failed-Recipients: ann@lead.example\n"])
def test_a_mailbox_that_is_unavailable_for_good_is_dead_in_a_notice_too(
    server: str, headers: str
) -> None:
    read = classify(notice(FINAL[server], headers=headers))

    assert (read.kind, read.recipients) == (
        "bounce",
        (Recipient("ann@lead.example", "", "dead"),),
    )


@pytest.mark.parametrize(
    "boilerplate",
    [
        "Security or policy settings of the recipient may be a reason.",
        "This mail was scanned for viruses and spam.",
        "If this was unauthorised, tell us.",
        "Message blocked",
        "Die vollständige Nachricht liegt bei.",
    ],
)
@pytest.mark.parametrize("said", [UNAVAILABLE, "550 This user does not accept email"])
def test_no_boilerplate_knows_better_than_the_server(said: str, boilerplate: str) -> None:
    fields = f"Final-Recipient: rfc822; ann@lead.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; {said}"
    read = classify(report(fields, f"ann@lead.example: {boilerplate}"))

    assert [one.verdict for one in read.recipients] == ["dead"]


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        (UNAVAILABLE, True),
        ("556 Domain does not accept mail", True),
        ("550 Account is not active", False),
        ("mailbox unavailable", False),
        ("see mx-550 for it: mailbox unavailable", False),
    ],
)
def test_a_refusal_for_good_needs_the_servers_code(words: str, tells: bool) -> None:
    assert judge(words).tells is tells


@pytest.mark.parametrize(
    ("subject", "sender"),
    [
        ("[Undelivered] Re: Quick question", "relay@lead.example"),
        ("[Delivery failure] RE: Quick question", "relay@lead.example"),
        ("Ref: 12345 Undelivered mail", "Mail Delivery System <mailer-daemon@lead.example>"),
        ("Res: Undeliverable", "MAILER-DAEMON@lead.example"),
        ("Re: Returned mail", "MAILER-DAEMON@lead.example"),
    ],
)
@pytest.mark.parametrize("text", ["Your mail could not be delivered: user unknown", "550 user unknown"])  # fmt: skip
def test_a_bounce_whose_subject_begins_like_an_answer_is_one(
    subject: str, sender: str, text: str
) -> None:
    """A gateway's mark, a ticket's number: the subject tells of the failure."""
    path = "" if "daemon" in sender.lower() else "Return-Path: <>\n"
    body = f"{text}\n\nReceived: from x\n{RETURNED}"
    read = classify(notice(body, sender=sender, subject=subject, headers=path))

    assert (read.kind, read.recipients) == (
        "bounce",
        (Recipient("ann@lead.example", "", "dead"),),
    )


@pytest.mark.parametrize(
    ("subject", "sender"),
    [
        ("[EXT] Re: Quick question", "jo@lead.example"),
        ("Re: Undelivered mail", "jo@lead.example"),
        ("[Undelivered] Re: Quick question", "jo@lead.example"),
        ("Re: Undelivered mail", "System Administrator <it@lead.example>"),
    ],
)
def test_an_answer_of_a_person_about_a_failure_is_a_reply(subject: str, sender: str) -> None:
    text = "Your mail to Ann came back? She left, write to me."
    assert classify(notice(text, sender=sender, subject=subject)).kind == "reply"
