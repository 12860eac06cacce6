"""Follow-ups through Gmail: in the same thread, once, and never to who answered."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID, uuid4

import psycopg
import pytest

from outreach.campaign.models import Deferred
from outreach.errors import TemporarilyUnavailable
from outreach.mail.mime import Mail
from outreach.mailboxes import received
from tests.contract.mailed import ADA, Mailed

JO = "jo@lead.example"
DELIVERIES = pytest.mark.parametrize("scopes", ["modify", "send,readonly"])


def follow(mailed: Mailed, root: UUID, **more: object) -> UUID:
    """A step that is due a second after the mail before it."""
    step = uuid4()
    mailed.store.add_step(root, step, seconds=1, template="<p>Grüße, once more</p>", **more)  # type: ignore[arg-type]
    return step


def plan(mailed: Mailed, db: psycopg.Connection) -> int:
    """Time goes by."""
    db.execute("update campaign_leads set sent_at = sent_at - interval '2 seconds'")
    db.execute(
        "update campaigns set next_follow_at = null, scheduled_at = now() - interval '1 minute'"
    )
    planned = mailed.store.plan_steps()
    db.execute(
        "update campaign_leads set next_attempt_at = now() - interval '1 second' where status = 'pending'"
    )
    return planned


def mails(mailed: Mailed) -> list[EmailMessage]:
    """As they left, read by an independent parser."""
    ids = mailed.mails(JO)
    raws = [mailed.gmail.get(f"/sandbox/mails/{one}/raw").content for one in ids]
    return [message_from_bytes(raw, policy=policy.default) for raw in raws]  # type: ignore[arg-type]


def threads(mailed: Mailed) -> list[str]:
    return [mail["thread_id"] for mail in mailed.gmail.get("/sandbox/mails").json()]


@DELIVERIES
def test_three_mails_are_one_thread(mailed: Mailed, db: psycopg.Connection, scopes: str) -> None:
    """By Gmail's three rules: the thread's id, In-Reply-To and References, the subject."""
    root = mailed.campaign(JO, scopes=scopes)
    for _ in range(2):
        step = follow(mailed, root)
        plan(mailed, db)
        assert [one.kind for one in mailed.send(step)] == ["sent"]
    first, second, third = mails(mailed)
    assert len(set(threads(mailed))) == 1
    assert [one["Subject"] for one in (first, second, third)] == [
        "A deck",
        "Re: A deck",
        "Re: A deck",
    ]
    assert (second["In-Reply-To"], third["In-Reply-To"]) == (
        first["Message-ID"],
        second["Message-ID"],
    )
    assert third["References"].split() == [first["Message-ID"], second["Message-ID"]]
    body = second.get_body()
    assert body is not None
    assert "Grüße" in body.get_content()


@pytest.mark.parametrize(
    "subject",
    [
        "Prêt pour 2027\u00a0?",
        "Une idée\u202f!",
        "To the moon \U0001f469\u200d\U0001f680",
        "Donau\u00addampfer",
        "A\u200bdeck",
        "A deck for everybody at Acme " * 5 + "and beyond",
    ],
)
def test_a_subject_is_answered_as_it_is(
    mailed: Mailed, db: psycopg.Connection, subject: str
) -> None:
    """Also one with what does not print, or in several lines: with another one no thread is joined."""
    root = mailed.campaign(JO, subject=subject)
    step = follow(mailed, root)
    plan(mailed, db)
    assert [one.kind for one in mailed.send(step)] == ["sent"]
    assert [one["Subject"] for one in mails(mailed)] == [subject, f"Re: {subject}"]
    assert len(set(threads(mailed))) == 1


def test_a_subject_of_its_own_opens_a_thread_in_which_later_steps_go_on(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    root = mailed.campaign(JO)
    for subject in ("Another idea", None):
        step = follow(mailed, root, subject=subject)
        plan(mailed, db)
        mailed.send(step)
    _, second, third = mails(mailed)
    first_thread, second_thread, third_thread = threads(mailed)
    assert first_thread != second_thread == third_thread
    assert (second["Subject"], second["In-Reply-To"]) == ("Another idea", None)
    assert (third["Subject"], third["In-Reply-To"]) == ("Re: Another idea", second["Message-ID"])


@DELIVERIES
def test_an_answer_that_came_a_moment_ago_stops_it(
    mailed: Mailed, db: psycopg.Connection, scopes: str
) -> None:
    """After it was planned and claimed; its draft is deleted."""
    root = mailed.campaign(JO, scopes=scopes)
    step = follow(mailed, root)
    plan(mailed, db)
    mailed.back("reply", JO)
    assert [one.kind for one in mailed.send(step)] == ["cancelled"]
    assert mailed.gmail.get("/sandbox/drafts").json() == []
    assert len(mailed.mails(JO)) == 1
    [lead] = mailed.store.list_campaign_leads(step)
    assert lead.error
    assert lead.error.startswith("answered on")
    assert [one.saved for one in mailed.store.campaign_status(root).steps] == [1]


def test_an_answer_that_another_reader_has_not_recorded_yet_is_waited_for(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    step = follow(mailed, mailed.campaign(JO))
    plan(mailed, db)
    mailed.read()
    mailed.back("reply", JO)
    account = next(iter(mailed.store.list_accounts())).id
    reader = uuid4()
    assert mailed.store.mailboxes.take(
        reader, lease_seconds=60, rest_seconds=0, most=1, address=None, account=account
    )
    [outcome] = mailed.send(step)
    assert isinstance(outcome, Deferred)
    assert (outcome.reason, outcome.retry_after) == (
        "a new mail in its thread could not be read yet",
        60,
    )
    db.execute("update mailboxes set lease_until = now()")
    db.execute("update campaign_leads set next_attempt_at = now() where status = 'pending'")
    assert [one.kind for one in mailed.send(step)] == ["cancelled"]


def test_an_answer_that_the_database_does_not_take_is_waited_for(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    step = follow(mailed, mailed.campaign(JO))
    plan(mailed, db)
    mailed.read()
    mailed.back("reply", JO)
    db.execute(
        "create function refuses() returns trigger language plpgsql as"
        " $$ begin if new.kind = 'reply' then raise 'no'; end if; return new; end $$;"
        "create trigger refuses before insert on inbound for each row execute function refuses()"
    )
    assert [one.kind for one in mailed.send(step)] == ["deferred"]
    assert len(mailed.mails(JO)) == 1


@pytest.mark.parametrize("is_parsed", [True, False])
def test_an_answer_that_cannot_be_read_stops_it(
    mailed: Mailed, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, is_parsed: bool
) -> None:
    """Nobody knows what it says: its sender has a name of 3,000 letters, or the parser fails."""
    root = mailed.campaign(JO)
    step = follow(mailed, root)
    plan(mailed, db)
    answered = mails(mailed)[0]["Message-ID"]
    mailed.receive(
        f"From: {'Jo ' * 1000}<{JO}>\nTo: {ADA}\nSubject: Re: A deck\nIn-Reply-To: {answered}\n"
        f"References: {answered}\n\nPlease stop.\n".encode()
    )
    if not is_parsed:
        monkeypatch.setattr(received, "parse", lambda _: None)
    assert [one.kind for one in mailed.send(step)] == ["cancelled"]
    assert mailed.replies(root) == [(JO, "unreadable", "none")]


def test_who_was_written_to_by_hand_is_left_to_the_sender(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    step = follow(mailed, mailed.campaign(JO))
    plan(mailed, db)
    write_by_hand(mailed, mails(mailed)[0], threads(mailed)[0])
    assert [one.kind for one in mailed.send(step)] == ["cancelled"]
    [lead] = mailed.store.list_campaign_leads(step)
    assert lead.error == "the sender wrote to it by hand"


def write_by_hand(mailed: Mailed, first: EmailMessage, thread: str) -> None:
    """As the account's owner does in Gmail."""
    written = EmailMessage()
    written["From"], written["To"], written["Subject"] = ADA, JO, "Re: A deck"
    written["In-Reply-To"] = first["Message-ID"]
    written.set_content("Shall we talk?")
    account = next(iter(mailed.store.list_accounts())).id
    requests = mailed.services.mailer.requests
    about = {"threadId": thread}
    request = requests.api.uploading(requests.api.messages.send, Mail(bytes(written)), about)
    assert requests.execute(account, request, "send")["threadId"] == thread


def test_a_look_that_fails_defers_and_never_fails(mailed: Mailed, db: psycopg.Connection) -> None:
    step = follow(mailed, mailed.campaign(JO))
    plan(mailed, db)
    body = {"fault": "unauthorized_401", "on": "threads.get"}
    assert mailed.gmail.post("/sandbox/faults", json=body).is_success
    assert [one.kind for one in mailed.send(step)] == ["deferred"]
    mailed.gmail.delete("/sandbox/faults")
    plan(mailed, db)
    assert [one.kind for one in mailed.send(step)] == ["sent"]


def test_a_day_of_failed_looks_fails_no_follow_up(mailed: Mailed, db: psycopg.Connection) -> None:
    """Only how late it may be ends it."""
    step = follow(mailed, mailed.campaign(JO))
    for _ in range(2):
        plan(mailed, db)
        run = uuid4()
        sending = mailed.sending(step, run)
        [claim] = mailed.store.claim_leads(uuid4(), step, run, 1).claims
        sending.give_up(claim, TemporarilyUnavailable("Gmail is away."))
        mailed.store.finish_run(step, run, None, None)
        db.execute("update send_attempts set started_at = started_at - interval '25 hours'")
    [lead] = mailed.store.list_campaign_leads(step)
    assert (lead.status, lead.error) == ("pending", None)


def test_an_account_that_cannot_read_sends_no_follow_up(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    step = follow(mailed, mailed.campaign(JO, scopes="compose"))
    plan(mailed, db)
    assert [one.kind for one in mailed.send(step)] == ["deferred"]
    assert len(mailed.mails(JO)) == 1


def test_a_thread_that_is_gone_is_followed_by_a_new_one(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    step = follow(mailed, mailed.campaign(JO))
    plan(mailed, db)
    body = {"fault": "not_found_404", "on": "threads.get"}
    assert mailed.gmail.post("/sandbox/faults", json=body).is_success
    assert [one.kind for one in mailed.send(step)] == ["sent"]
    mailed.gmail.delete("/sandbox/faults")
    assert len(set(threads(mailed))) == 2


@DELIVERIES
def test_a_lost_follow_up_is_never_taken_for_the_mail_before_it(
    mailed: Mailed, db: psycopg.Connection, scopes: str
) -> None:
    """Its thread holds another mail that was sent."""
    step = follow(mailed, mailed.campaign(JO, scopes=scopes))
    plan(mailed, db)
    on = "drafts.send" if scopes == "modify" else "messages.send"
    body = {"fault": "reset", "on": on}
    answer = mailed.gmail.post("/sandbox/faults", json=body)
    assert answer.is_success, answer.text
    kinds = [one.kind for one in mailed.send(step)]
    mailed.gmail.delete("/sandbox/faults")
    assert kinds != ["sent"]
    assert len(mailed.mails(JO)) == 1
    assert mailed.store.campaign_status(step).leads.sent == 0


@pytest.mark.parametrize("apart", ["3 days", "-3 days"])
def test_only_the_clock_of_the_database_counts(
    mailed: Mailed, db: psycopg.Connection, apart: str
) -> None:
    """The clocks of the sender's machine and of Gmail are days apart from it."""
    _put_clock_of_database(db, apart)
    root, step = mailed.campaign(JO, "ann@lead.example"), uuid4()
    mailed.back("reply", "ann@lead.example")
    mailed.store.add_step(root, step, seconds=3600, template="<p>Once more</p>")
    early = mailed.store.plan_steps()
    db.execute("update campaign_leads set sent_at = sent_at - interval '1 hour'")
    db.execute("update campaigns set next_follow_at = null")
    planned = mailed.store.plan_steps()
    mailed.send(step)
    assert (early, planned) == (0, 2)
    assert [len(mailed.mails(email)) for email in (JO, "ann@lead.example")] == [2, 1]
    leads = {lead.email: lead.error for lead in mailed.store.list_campaign_leads(step)}
    assert leads[JO] is None
    assert str(leads["ann@lead.example"]).startswith("answered on")


def _put_clock_of_database(db: psycopg.Connection, apart: str) -> None:
    """What its functions take for the time."""
    for (source,) in db.execute(
        "select pg_get_functiondef(oid) from pg_proc"
        " where pronamespace = 'public'::regnamespace and prosrc like '%clock_timestamp()%'"
    ).fetchall():
        db.execute(
            source.replace(
                "clock_timestamp()", f"(clock_timestamp() + interval '{apart}')"
            ).encode()
        )
