"""Mailboxes and what came back, through the Store, over either transport."""

from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from outreach.errors import Rejected
from outreach.store.mailboxes import AboutMail, LeasedMailbox, Mailboxes
from outreach.store.store import Store

ANN, BOB = "ann@us.test", "bob@acme.test"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


class World(NamedTuple):
    campaign: UUID
    attempt: UUID
    reader: UUID
    leased: LeasedMailbox


@pytest.fixture
def boxes(store: Store) -> Mailboxes:
    return store.mailboxes


@pytest.fixture
def world(store: Store, boxes: Mailboxes) -> World:
    """A mail that was sent, and a reader that has its sender's mailbox."""
    account = store.save_account(uuid4(), ANN, refresh_token="t")
    store.import_leads([{"email": BOB}], "spring")
    campaign, run, attempt, reader = uuid4(), uuid4(), uuid4(), uuid4()
    store.create_campaign(
        campaign, "Spring", [ANN], tag="spring", footer="Acme, {{ unsubscribe_url }}"
    )
    store.start_campaign(campaign)
    store.begin_run(campaign, run, 60)
    [claim] = store.claim_leads(uuid4(), campaign, run, 2).claims
    store.begin_attempt(attempt, claim, run, "t0", None, None)
    store.record_outcome(attempt, "sent", message_id="m1", thread_id="t1")
    [leased] = boxes.take(reader, lease_seconds=60, rest_seconds=60, most=5)
    assert (leased.account, leased.email, leased.history_id) == (account, ANN, None)
    assert leased.footers == ["Acme, {{ unsubscribe_url }}"]
    return World(campaign, attempt, reader, leased)


def record(boxes: Mailboxes, world: World, gmail_id: str, kind: str, verdict: str = "none") -> str:
    return boxes.record(
        world.leased.account,
        world.reader,
        gmail_id=gmail_id,
        thread="t1",
        kind=kind,
        received=NOW,
        back_on=date(2026, 12, 1) if kind == "away" else None,
        mails=[AboutMail(world.attempt, verdict, "5.1.1" if kind == "bounce" else "")],
    )


def test_a_mailbox_is_leased_kept_and_given_back(boxes: Mailboxes, world: World) -> None:
    account, reader = world.leased.account, world.reader
    asked_again = boxes.take(reader, lease_seconds=60, rest_seconds=60, most=5)
    others = boxes.take(uuid4(), lease_seconds=60, rest_seconds=60, most=5)
    kept = boxes.keep(account, reader, 60, "41")
    finished = boxes.finish(account, reader, "42", scopes="modify", gap_since=NOW)
    late = boxes.keep(account, reader, 60, "43")
    [again] = boxes.take(reader, lease_seconds=60, rest_seconds=60, most=5, address="Ann@us.test")
    assert ([one.account for one in asked_again], others) == ([account], [])
    assert (kept, finished, late, again.history_id) == (True, True, False, "42")
    [listed] = boxes.all()
    assert (listed.email, listed.can_read, listed.scopes) == (ANN, True, "modify")
    assert (listed.gap_from, listed.gap_until == listed.read_at) == (NOW, True)


def test_a_problem_is_new_once(boxes: Mailboxes, world: World) -> None:
    account = world.leased.account
    told = []
    for why in ("No.", "No.", "Never."):
        told.append(boxes.fail(account, world.reader, why, readable=False, scopes="send"))
        boxes.take(world.reader, lease_seconds=60, rest_seconds=0, most=1, address=ANN)
    [listed] = boxes.all()
    assert told == [True, False, True]
    assert (listed.problem, listed.can_read, listed.scopes) == ("Never.", False, "send")


def test_what_concerns_us_is_picked(boxes: Mailboxes, world: World) -> None:
    record(boxes, world, "known", "reply")
    mails: list[dict[str, str | None]] = [
        {"id": "known", "thread": "t1"},
        {"id": "in our thread", "thread": "t1"},
        {"id": "of a lead", "thread": "t2", "sender": "Bob@Acme.test"},
        {"id": "of a stranger", "thread": "t2", "sender": "eve@acme.test"},
        {"id": "m1", "thread": "t1"},
    ]
    picked = boxes.pick(world.leased.account, mails)
    assert (picked.ours, picked.known) == ({"in our thread", "of a lead"}, {"known", "m1"})


def test_mails_are_found_by_token_thread_and_address(boxes: Mailboxes, world: World) -> None:
    asked = {"token": None, "threads": [], "addresses": [], "received": NOW}
    found = [
        [one.by for one in boxes.find(world.leased.account, **{**asked, **more})]
        for more in (
            {"token": "t0"},
            {"threads": ["t1", "t9"]},
            {"addresses": ["BOB@acme.test"]},
            {},
        )
    ]
    assert found == [["token"], ["thread"], ["address"], []]
    assert boxes.find(uuid4(), **{**asked, "token": "t0"}) == []


def test_what_came_back_is_recorded_once_and_counted_everywhere(
    boxes: Mailboxes, world: World
) -> None:
    answers = [record(boxes, world, "g1", "bounce", "dead") for _ in range(2)]
    answers += [record(boxes, world, "g2", "away"), record(boxes, world, "g3", "reply")]
    other = world._replace(reader=uuid4())
    assert [*answers, record(boxes, other, "g4", "reply")] == [
        "recorded",
        "known",
        "recorded",
        "recorded",
        "not_ours",
    ]
    rows = [
        (one.email, one.kind, one.verdict, one.status, one.account)
        for one in boxes.replies(world.campaign)
    ]
    assert rows == [
        (BOB, "bounce", "dead", "5.1.1", ANN),
        (BOB, "away", "none", "", ANN),
        (BOB, "reply", "none", "", ANN),
    ]
    told = boxes.unannounced()
    assert [(one.kind, one.campaign) for one in told] == [
        ("bounce", world.campaign),
        ("reply", world.campaign),
    ]
    boxes.note_announced([one.id for one in told])
    assert boxes.unannounced() == []
    assert boxes.guard_campaigns(0.05, 1)[0].dead == 1
    assert boxes.guard_accounts(0.05, 1)[0].email == ANN
    boxes.wake_account(ANN)


def test_an_answer_by_telephone_is_noted_in_somebody_s_name(boxes: Mailboxes, world: World) -> None:
    assert boxes.note_answer("BOB@acme.test", "Ann") == (1, 0)
    assert boxes.note_answer(BOB, "Ann", world.campaign) == (0, 1)
    [row] = boxes.replies(world.campaign)
    assert (row.kind, row.via) == ("reply", "person")
    for address, by in ((BOB, " "), ("eve@acme.test", "Ann")):
        with pytest.raises(Rejected):
            boxes.note_answer(address, by)


def test_a_mail_that_fails_is_counted(boxes: Mailboxes, world: World) -> None:
    assert [boxes.note_unread(world.leased.account, "g1") for _ in range(3)] == [1, 2, 3]
