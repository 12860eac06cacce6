"""Reading mailboxes: what comes back, to which lead, and what follows."""

import re
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from gmail_sandbox import threads
from gmail_sandbox.server import Sandbox
from outreach.mailboxes.inbox import Listed
from outreach.settings import Settings
from outreach.wiring import open_services
from tests.contract.mailed import ADA, Mailed
from tests.inbound_mails import mail

JO, KIM = "jo@lead.example", "kim@lead.example"
TOKEN_OF_CLICK = re.compile(r"unsubscribe-\w+")


@pytest.fixture
def settings(database: SecretStr, shared_sandbox: Sandbox, tmp_path: Path) -> Settings:
    return Settings.only(
        database_url=database,
        outreach_home=tmp_path,
        gmail_api_url=shared_sandbox.url,
        google_token_url=shared_sandbox.token_url,
        send_pace_seconds=0,
        attachment_pdf="",
    )


@pytest.fixture
def mailed(settings: Settings, shared_sandbox: Sandbox) -> Iterator[Mailed]:
    shared_sandbox.state.reset()
    services = open_services(settings)
    with httpx.Client(base_url=shared_sandbox.url) as gmail:
        yield Mailed(services, gmail)
    services.close()


def test_each_kind_reaches_its_lead(mailed: Mailed) -> None:
    owner = uuid4()
    emails = [
        f"{kind}@lead.example" for kind in ("reply", "bounce", "away", "unsubscribe", "complaint")
    ]
    campaign = mailed.campaign(*emails, owner=owner)
    for email in emails:
        mailed.back(email.partition("@")[0], email)

    told = mailed.read()

    assert (told.recorded, told.problem) == (5, None)
    assert mailed.replies(campaign) == [
        ("away@lead.example", "away", "none"),
        ("bounce@lead.example", "bounce", "dead"),
        ("complaint@lead.example", "complaint", "none"),
        ("reply@lead.example", "reply", "none"),
        ("unsubscribe@lead.example", "unsubscribe", "none"),
    ]
    assert mailed.suppressed() == {
        ("bounce@lead.example", "dead", None),
        ("complaint@lead.example", "complaint", None),
        ("unsubscribe@lead.example", "opt_out", owner),
    }
    assert mailed.read().recorded == 0


# --- which lead ---------------------------------------------------------------------------------


def sent_headers(mailed: Mailed, email: str) -> Message:
    """The last mail to the address, as it left."""
    raw = mailed.gmail.get(f"/sandbox/mails/{mailed.mails(email)[-1]}/raw").content
    return message_from_bytes(raw)


def bounce_of(returned: str, recipient: str, status: str = "5.1.1") -> bytes:
    """A report of a server on the other side; `returned`: the header of the mail that it returns."""
    final = f"Final-Recipient: rfc822; {recipient}\n" if recipient else ""
    return (
        "From: Mail Delivery System <mailer-daemon@lead.example>\n"
        f"To: {ADA}\n"
        "Subject: Undelivered Mail Returned to Sender\n"
        "Auto-Submitted: auto-replied\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThe mail could not be delivered.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.lead.example\n\n"
        f"{final}Action: failed\nStatus: {status}\n\n"
        f"--b\nContent-Type: text/rfc822-headers\n\n{returned}\n--b--\n"
    ).encode()


def test_a_reply_from_another_address_is_the_lead_s_of_the_thread(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO)
    mailed.back("reply", JO, sender="office@elsewhere.example")
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "reply", "none")]


def test_a_reply_under_another_subject_is_found_by_the_mail_that_it_answers(mailed: Mailed) -> None:
    """It opens a thread of its own, and its writer was never written to."""
    campaign = mailed.campaign(JO)
    answered = sent_headers(mailed, JO)["Message-ID"]
    headers = {"In-Reply-To": answered}
    raw = mail("Yes.", subject="New", sender="x@other.example", headers=headers, answers=False)
    mailed.receive(raw)
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "reply", "none")]


FORWARDS = [f"<{number}.{uuid4().hex}@mail.gmail.com>" for number in range(9)]
"""A mail and its answers that only the lead and the colleagues have."""


@pytest.mark.parametrize(
    ("in_reply_to", "references"),
    [
        ("<fwd1@lead.example>", "{ours} <fwd1@lead.example>"),
        ("<fwd1@lead.example> {ours}", ""),
        ("{bare}", ""),
        ("<fwd1@lead.example>", f"{{ours}}\n {' '.join(FORWARDS)} <fwd1@lead.example>"),
    ],
    ids=["behind a forward", "among several", "without brackets", "behind many of Gmail's"],
)
def test_a_colleague_s_answer_to_a_forward_is_found_by_what_began_it(
    mailed: Mailed, monkeypatch: pytest.MonkeyPatch, in_reply_to: str, references: str
) -> None:
    """Gmail joins it to no thread of ours, and the colleague was never written to."""
    monkeypatch.setattr(threads, "named", lambda _: [])  # Gmail's: by the subject, too
    campaign = mailed.campaign(JO)
    ours = sent_headers(mailed, JO)["Message-ID"]
    names = {
        name: value.format(ours=ours, bare=ours.strip("<>"))
        for name, value in (("In-Reply-To", in_reply_to), ("References", references))
        if value
    }
    header = "".join(f"{name}: {value}\n" for name, value in names.items())
    mailed.receive(
        f"From: Ann <ann@lead.example>\nTo: {ADA}\nSubject: AW: WG: A deck\n{header}\nYes.\n".encode()
    )
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "reply", "none")]


def test_of_a_mail_that_names_many_few_are_searched_for(
    mailed: Mailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wrote it; and it is kept only where one of them is ours."""
    mailed.campaign(JO)
    searched: list[str] = []
    named = mailed.services.inbox.named

    def counted(account: UUID, message_id: str) -> Listed | None:
        searched.append(message_id)
        return named(account, message_id)

    monkeypatch.setattr(mailed.services.inbox, "named", counted)
    names = {"In-Reply-To": FORWARDS[-1], "References": " ".join(FORWARDS)}
    sender = "friend@home.example"
    mailed.receive(mail("Lunch?", subject="Re: Lunch", sender=sender, headers=names, answers=False))

    assert mailed.read().recorded == 0
    assert searched == [FORWARDS[one].strip("<>") for one in (-1, -2, 0)]


def test_a_mail_that_answers_none_counts_for_the_last_one_to_its_writer(mailed: Mailed) -> None:
    first, second = mailed.campaign(JO), mailed.campaign(JO)
    mailed.receive(mail("Hello again.", subject="Hi", sender=f"Jo <{JO.upper()}>", answers=False))
    mailed.read()
    assert (mailed.replies(first), mailed.replies(second)) == ([], [(JO, "reply", "none")])


def test_a_reply_is_that_campaign_s_whose_mail_it_answers(mailed: Mailed) -> None:
    first, second = mailed.campaign(JO), mailed.campaign(JO)
    body = {"kind": "reply", "mail": mailed.mails(JO)[0]}
    assert mailed.gmail.post("/sandbox/inbound", json=body).is_success
    mailed.read()
    assert (mailed.replies(first), mailed.replies(second)) == ([(JO, "reply", "none")], [])


@pytest.mark.parametrize(("writer", "lead"), [(JO, JO), (KIM, KIM), ("boss@lead.example", KIM)])
def test_of_two_leads_in_a_thread_it_is_the_writer_s_else_whose_mail_it_answers(
    mailed: Mailed, db: psycopg.Connection, writer: str, lead: str
) -> None:
    campaign = mailed.campaign(JO, KIM)
    in_one_thread(db, KIM)
    mailed.back("reply", KIM, sender=writer)
    mailed.read()
    assert mailed.replies(campaign) == [(lead, "reply", "none")]


def test_of_two_leads_in_a_thread_it_is_both_s_where_nothing_tells(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    """It answers the mail of a colleague, who answered ours."""
    campaign = mailed.campaign(JO, KIM)
    in_one_thread(db, KIM)
    mailed.back("reply", KIM, sender="boss@lead.example")
    mailed.read()
    [colleague] = mailed.gmail.get("/sandbox/inbound").json()
    headers = {"In-Reply-To": colleague["message_id_header"]}
    raw = mail("I agree.", sender="cfo@lead.example", headers=headers, answers=False)
    mailed.receive(raw)
    mailed.read()
    assert mailed.replies(campaign) == [
        (JO, "reply", "none"),
        (KIM, "reply", "none"),
        (KIM, "reply", "none"),
    ]


def in_one_thread(db: psycopg.Connection, email: str) -> None:
    """Gmail has put all mails into the thread of this one."""
    db.execute(
        "update send_attempts set thread_id = (select thread_id from send_attempts where address = %s)",
        [email],
    )


def test_a_bounce_without_a_recipient_is_of_the_mail_that_it_names(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO, KIM)
    mailed.receive(bounce_of(f"Message-ID: {sent_headers(mailed, KIM)['Message-ID']}\n", ""))
    mailed.read()
    assert [(email, kind) for email, kind, _ in mailed.replies(campaign)] == [(KIM, "bounce")]


def test_a_bounce_that_names_another_mail_suppresses_nobody(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO)
    ours = sent_headers(mailed, JO)
    strangers = {
        "names a mail that we did not send": bounce_of("Message-ID: <a@b.example>\n", JO),
        "names our mail to another recipient": bounce_of(
            f"Message-ID: {ours['Message-ID']}\n", KIM
        ),
        "copies our header": bounce_of(f"X-Outreach-Token: {ours['X-Outreach-Token']}\n", KIM),
        "returns a bounce": bounce_of("Message-ID: <a@b.example>\n", "mailer-daemon@lead.example"),
        "names a recipient whom we did not mail": bounce_of("", KIM),
    }
    for raw in strangers.values():
        mailed.receive(raw)
    mailed.read()
    assert (mailed.replies(campaign), mailed.suppressed()) == ([], set())


TELLS = "Your sample to sales@lead.example could not be delivered. Ask for Ann."


@pytest.mark.parametrize(
    ("headers", "replies"),
    [
        ({}, [(JO, "reply", "none")]),
        ({"Return-Path": "<>"}, []),
        ({"Auto-Submitted": "auto-generated"}, []),
        ({"X-Failed-Recipients": "sales@lead.example"}, []),
    ],
)
def test_a_person_who_tells_of_another_bounce_in_our_thread_answers(
    mailed: Mailed, headers: dict[str, str], replies: list[tuple[str, str, str]]
) -> None:
    """Unless more than the words shows a program; the word before the subject is of no language."""
    campaign = mailed.campaign(JO)
    names = {"In-Reply-To": sent_headers(mailed, JO)["Message-ID"], **headers}
    raw = mail(
        TELLS, subject="Hm: A deck", sender="admin@lead.example", headers=names, answers=False
    )
    mailed.receive(raw)
    mailed.read()
    assert (mailed.replies(campaign), mailed.suppressed()) == (replies, set())


def test_a_bounce_that_names_a_recipient_and_no_mail_suppresses_nobody(mailed: Mailed) -> None:
    """It is shown; but anybody could have written it."""
    campaign = mailed.campaign(JO)
    mailed.receive(bounce_of("Subject: A deck\n", JO))
    mailed.read()
    assert (mailed.replies(campaign), mailed.suppressed()) == ([(JO, "bounce", "dead")], set())


def test_a_forwarded_mail_bounces_for_whom_it_was_written_to(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO)
    raw = bounce_of(f"Message-ID: {sent_headers(mailed, JO)['Message-ID']}\n", "jo@moved.example")
    mailed.receive(raw.replace(b"Action:", f"Original-Recipient: rfc822; {JO}\nAction:".encode()))
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "bounce", "dead")]
    assert mailed.suppressed() == {(JO, "dead", None)}


def test_so_it_does_where_only_the_returned_mail_names_that_address_but_softly(
    mailed: Mailed,
) -> None:
    """One dead member of a list, or a dead private copy: the lead still reads us.

    What proves the bounce stays our own mark in it, and three are enough.
    """
    for number in range(3):
        assert mailed.suppressed() == set()
        campaign = mailed.campaign(JO)
        token = f"X-Outreach-Token: {sent_headers(mailed, JO)['X-Outreach-Token']}\n"
        mailed.receive(bounce_of(f"{token}To: {JO}\n", f"jo.private{number}@home.example"))
        mailed.read()
        assert mailed.replies(campaign) == [(JO, "bounce", "soft")]
    assert mailed.suppressed() == {(JO, "dead", None)}


def test_whom_a_stranger_s_bounce_returns_a_mail_to_is_no_proof(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO, KIM)
    token = f"X-Outreach-Token: {sent_headers(mailed, JO)['X-Outreach-Token']}\n"
    for mark in ("", "Message-ID: <a@b.example>\n", token):
        mailed.receive(bounce_of(f"{mark}To: {KIM}\n", "x@home.example"))
    mailed.read()
    assert (mailed.replies(campaign), mailed.suppressed()) == ([(KIM, "bounce", "soft")], set())


def test_mails_of_strangers_leave_no_trace(mailed: Mailed, db: psycopg.Connection) -> None:
    mailed.campaign(JO)
    mailed.receive(mail("Lunch?", subject="Lunch", sender="friend@home.example", answers=False))
    mailed.receive(mail("Lunch?", subject="Re: Lunch", sender="friend@home.example"))
    told = mailed.read()
    assert (told.recorded, told.problem) == (0, None)
    assert db.execute("select count(*) from inbound").fetchone() == (0,)


# --- what follows -------------------------------------------------------------------------------


def test_three_soft_bounces_make_an_address_dead_unless_it_answers(mailed: Mailed) -> None:
    for _ in range(2):
        mailed.campaign(JO)
        mailed.back("bounce", JO, status="4.2.2")
    mailed.read()
    mailed.back("reply", JO)
    mailed.read()
    for _ in range(2):
        mailed.campaign(JO)
        mailed.back("bounce", JO, status="4.2.2")
        mailed.read()
    assert mailed.suppressed() == set()
    mailed.campaign(JO)
    mailed.back("bounce", JO, status="4.2.2")
    mailed.read()
    assert mailed.suppressed() == {(JO, "dead", None)}


def test_a_block_is_the_sender_s_problem(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO)
    mailed.back("bounce", JO, status="5.7.1")
    mailed.read()
    assert (mailed.replies(campaign), mailed.suppressed()) == ([(JO, "bounce", "block")], set())
    [box] = mailed.store.mailboxes.all()
    assert (box.blocked, box.bounced) == (1, 0)


def test_words_that_may_be_an_opt_out_hold_the_lead(mailed: Mailed) -> None:
    owner = uuid4()
    campaign = mailed.campaign(JO, owner=owner)
    text = "Thanks for the deck, which I read with interest. But please unsubscribe me from this list. We have a supplier."
    mailed.back("reply", JO, text=text)
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "reply", "held")]
    assert mailed.suppressed() == {(JO, "hold", owner)}


def test_who_writes_stop_is_mailed_by_this_owner_no_more(mailed: Mailed) -> None:
    owner = uuid4()
    mailed.campaign(JO, owner=owner)
    mailed.back("reply", JO, text="Stop", sender="jo@private.example")
    mailed.read()
    assert mailed.suppressed() == {(JO, "opt_out", owner), ("jo@private.example", "opt_out", owner)}


@pytest.mark.parametrize(
    ("writer", "cause"), [("ann@lead.example", "hold"), (JO.upper(), "opt_out")]
)
def test_who_says_stop_behind_a_forward_says_it_for_the_lead_perhaps(
    mailed: Mailed, monkeypatch: pytest.MonkeyPatch, writer: str, cause: str
) -> None:
    """The lead may be interested, and the colleague not; the lead's own word is sure."""
    monkeypatch.setattr(threads, "named", lambda _: [])  # Gmail's: by the subject, too
    owner = uuid4()
    campaign = mailed.campaign(JO, owner=owner)
    names = {"References": f"{sent_headers(mailed, JO)['Message-ID']} <fwd1@lead.example>"}
    raw = mail("Stop", subject="AW: WG: A deck", sender=writer, headers=names, answers=False)
    mailed.receive(raw)
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "unsubscribe", "none")]
    assert mailed.suppressed() == {(JO, cause, owner), (writer.lower(), "opt_out", owner)}


def test_a_click_whose_subject_a_gateway_changed_unsubscribes_by_its_token(mailed: Mailed) -> None:
    """From another address, in a thread of its own."""
    campaign = mailed.campaign(JO)
    found = TOKEN_OF_CLICK.search(str(sent_headers(mailed, JO)["List-Unsubscribe"]))
    subject = f"[Extérieur] {found[0] if found else ''}"
    sender = "Jo <jo@private.example>"
    mailed.receive(mail("", subject=subject, sender=sender, answers=False))
    mailed.read()
    assert mailed.replies(campaign) == [(JO, "unsubscribe", "none")]
    assert (JO, "opt_out", None) in mailed.suppressed()


def test_who_is_away_is_mailed_later_and_at_once_after_an_answer(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    mailed.campaign(JO)
    mailed.back("away", JO, back_on="2027-01-08")  # a Friday
    mailed.read()
    assert db.execute("select key, until at time zone 'UTC' from absences").fetchone() == (
        JO,
        datetime(2027, 1, 11),  # noqa: DTZ001 - a Monday, as the database has it
    )
    tag = uuid4().hex
    row = {"email": JO, "email_subject": "More", "email_template": "<p>Hi</p>"}
    mailed.store.import_leads([row], tag=tag)
    later = uuid4()
    mailed.store.create_campaign(later, "Later", [ADA], tag=tag)
    mailed.store.start_campaign(later)
    assert [one.kind for one in mailed.send(later)] == ["deferred"]
    mailed.back("reply", JO)
    mailed.read()
    db.execute("update campaign_leads set next_attempt_at = null where status = 'pending'")
    assert [one.kind for one in mailed.send(later)] == ["sent"]


# --- whatever dies ------------------------------------------------------------------------------


def test_a_mail_is_recorded_once_however_often_it_is_read(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    campaign = mailed.campaign(JO)
    mailed.read()
    mailed.back("reply", JO)
    cursor = db.execute("select history_id from mailboxes").fetchone()
    assert cursor
    mailed.read()
    db.execute("update mailboxes set history_id = %s", cursor)
    assert mailed.read().recorded == 0
    assert mailed.replies(campaign) == [(JO, "reply", "none")]


def test_after_expired_history_the_whole_list_is_read_and_the_gap_is_told(mailed: Mailed) -> None:
    campaign = mailed.campaign(JO, KIM)
    mailed.read()
    mailed.back("reply", JO)
    mailed.back("bounce", KIM, spam=True)
    mailed.gmail.post("/sandbox/settings", json={"history_kept": 0})
    assert mailed.read().recorded == 2
    assert len(mailed.replies(campaign)) == 2
    [box] = mailed.store.mailboxes.all()
    assert box.gap_from
    assert box.gap_until
    assert box.gap_from < box.gap_until


def test_no_mail_is_lost_where_every_third_read_fails(mailed: Mailed) -> None:
    emails = [f"lead{number}@lead.example" for number in range(7)]
    campaign = mailed.campaign(*emails)
    mailed.read()
    for email in emails:
        mailed.back("reply", email)
    body = {"fault": "unavailable_503", "on": "read", "every": 3}
    assert mailed.gmail.post("/sandbox/faults", json=body).is_success
    readings = [mailed.read() for _ in range(6)]
    assert mailed.replies(campaign) == [(email, "reply", "none") for email in emails]
    assert any(reading.problem for reading in readings)
    assert not any(reading.needs_person for reading in readings)


def test_a_mail_that_nobody_can_read_is_noted_and_passed_over(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    campaign = mailed.campaign(JO, KIM)
    mailed.read()
    mailed.back("reply", JO)
    [poison] = mailed.gmail.get("/sandbox/inbound").json()
    mailed.back("reply", KIM)
    db.execute(
        "create function refuses() returns trigger language plpgsql as"
        f" $$ begin if new.gmail_id = '{poison['id']}' and new.kind = 'reply' then raise 'no'; end if;"
        " return new; end $$;"
        "create trigger refuses before insert on inbound for each row execute function refuses()"
    )
    problems = [mailed.read().problem for _ in range(3)]
    assert [problem is None for problem in problems] == [False, False, True]
    assert mailed.replies(campaign) == [(JO, "unreadable", "none"), (KIM, "reply", "none")]


def test_an_account_that_is_revoked_between_list_and_get_is_told(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    campaign = mailed.campaign(JO)
    mailed.read()
    mailed.back("reply", JO)
    before = db.execute("select history_id, read_at from mailboxes").fetchone()
    body = {"fault": "unauthorized_401", "on": "messages.get"}
    assert mailed.gmail.post("/sandbox/faults", json=body).is_success
    told = mailed.read()
    assert told.problem
    assert "reconnect" in told.problem
    assert (told.is_new, told.needs_person) == (True, True)
    assert not mailed.read().is_new
    assert db.execute("select history_id, read_at from mailboxes").fetchone() == before
    mailed.gmail.delete("/sandbox/faults")
    assert mailed.read().recorded == 1
    assert mailed.replies(campaign) == [(JO, "reply", "none")]


def test_an_account_that_only_sends_is_told_with_what_mends_it(mailed: Mailed) -> None:
    mailed.campaign(JO, scopes="compose")
    told = mailed.read()
    assert told.problem
    assert f"accounts connect {ADA}" in told.problem
    [box] = mailed.store.mailboxes.all()
    assert (box.can_read, box.scopes) == (False, "compose")


def test_one_reader_at_a_time_has_a_mailbox(mailed: Mailed, db: psycopg.Connection) -> None:
    mailed.campaign(JO)
    boxes, now, late = mailed.store.mailboxes, uuid4(), uuid4()
    [leased] = boxes.take(now, lease_seconds=60, rest_seconds=0, most=9)
    assert boxes.take(late, lease_seconds=60, rest_seconds=0, most=9, address=ADA) == []
    db.execute("update mailboxes set lease_until = now()")
    assert boxes.take(late, lease_seconds=60, rest_seconds=0, most=9, address=ADA)
    assert not boxes.keep(leased.account, now, 60, "1")
    assert not boxes.finish(leased.account, now, "1", scopes="modify")
