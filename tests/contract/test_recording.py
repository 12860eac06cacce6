"""An outcome that is known is recorded, also where the run is told to stop meanwhile."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from outreach.campaign.models import Claim
from outreach.delivery import sender
from outreach.delivery.mailer import Prepared
from outreach.errors import StoreUnavailable, TemporarilyUnavailable
from tests.contract.mailed import Mailed

JO = "jo@lead.example"


def away(mailed: Mailed, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The database is away for so many calls; who noticed it first was told to stop."""
    record: Callable[..., Any] = mailed.store.record_outcome
    calls = iter(range(times))

    def record_outcome(*arguments: Any, **more: Any) -> Any:
        if next(calls, None) is None:
            return record(*arguments, **more)
        mailed.stopped = True
        raise StoreUnavailable("The database is away.")

    monkeypatch.setattr(mailed.store, "record_outcome", record_outcome)


def recorded(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        "select l.status::text, s.outcome from campaign_leads l join send_attempts s on s.campaign_lead_id = l.id"
    ).fetchall()


@pytest.mark.parametrize("times", [1, 3])
def test_a_stopped_run_still_records_what_became_of_its_mail(
    mailed: Mailed, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    away(mailed, monkeypatch, times)
    mailed.campaign(JO, scopes="send")
    assert recorded(db) == [("sent", "sent")]


def test_a_stopped_run_ends_when_the_database_stays_away(
    mailed: Mailed, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its attempt stays open; the next run finds out."""
    monkeypatch.setattr(sender, "STOPPED_SECONDS", 0.3)
    away(mailed, monkeypatch, 1000)
    mailed.campaign(JO, scopes="send")
    assert recorded(db) == [("pending", None)]
    assert len(mailed.mails(JO)) == 1


ADDRESS = "update leads set email = 'corrected@lead.example'"


def draft_left(mailed: Mailed, db: psycopg.Connection, corrected: str | None = ADDRESS) -> UUID:
    """A campaign whose mail was refused for now, with its draft kept; then something is corrected."""
    refuse(mailed, "rate_limit_429", "drafts.send")
    campaign = mailed.campaign(JO, expected="deferred")
    if corrected:
        db.execute(corrected)
    due_again(db)
    return campaign


def refuse(mailed: Mailed, fault: str, on: str) -> None:
    body = {"fault": fault, "on": on, "times": 1}
    assert mailed.gmail.post("/sandbox/faults", json=body).is_success


def due_again(db: psycopg.Connection) -> None:
    db.execute("update accounts set paused_until = null")
    db.execute("update campaign_leads set next_attempt_at = now() - interval '1 second'")


def drafts(mailed: Mailed) -> list[str]:
    (account,) = mailed.store.list_accounts()
    return [draft.search_token for draft in mailed.services.mailer.drafts(account.id)]


def test_a_draft_whose_mail_is_still_right_is_sent(mailed: Mailed, db: psycopg.Connection) -> None:
    campaign = draft_left(mailed, db, corrected=None)
    (token,) = drafts(mailed)
    assert [one.kind for one in mailed.send(campaign)] == ["sent"]
    assert drafts(mailed) == []
    used = db.execute("select distinct search_token from send_attempts where search_token <> ''")
    assert used.fetchall() == [(token,)]


@pytest.mark.parametrize(
    ("corrected", "shown"),
    [
        (ADDRESS, b"corrected@lead.example"),
        ("update companies set email_subject = 'Corrected'", b"Subject: Corrected"),
        ("update leads set email_template = 'Its own text.'", b"Its own text."),
        ("update accounts set sender_name = 'Grace Hopper'", b"From: Grace Hopper"),
    ],
)
def test_a_draft_is_made_anew_after_a_correction(
    mailed: Mailed, db: psycopg.Connection, corrected: str, shown: bytes
) -> None:
    campaign = draft_left(mailed, db, corrected)
    assert [one.kind for one in mailed.send(campaign)] == ["sent"]
    (mail,) = mailed.gmail.get("/sandbox/mails").json()
    assert shown in mailed.gmail.get(f"/sandbox/mails/{mail['id']}/raw").content
    assert drafts(mailed) == []


def test_a_draft_that_was_replaced_is_forgotten_where_the_new_one_may_not_go_yet(
    mailed: Mailed, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that took the deleted one up again would be in doubt, though nothing ever left."""
    campaign = draft_left(mailed, db)
    forgets = mailed.store.forget_draft

    def paused_meanwhile(claim: Claim, search_token: str) -> None:
        forgets(claim, search_token)
        db.execute("update accounts set paused_until = now() + interval '1 hour'")

    monkeypatch.setattr(mailed.store, "forget_draft", paused_meanwhile)
    assert [one.kind for one in mailed.send(campaign)] == ["deferred"]
    assert drafts(mailed) == []
    due_again(db)
    assert [one.kind for one in mailed.send(campaign)] == ["sent"]
    assert len(mailed.gmail.get("/sandbox/mails").json()) == 1


def test_a_draft_that_cannot_be_replaced_now_is_replaced_later(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    """It is deleted only once the new one is there."""
    campaign = draft_left(mailed, db)
    refuse(mailed, "rate_limit_429", "drafts.create")
    assert [one.kind for one in mailed.send(campaign)] == ["deferred"]
    assert len(drafts(mailed)) == 1
    due_again(db)
    assert [one.kind for one in mailed.send(campaign)] == ["sent"]
    sent = [mail["to"] for mail in mailed.gmail.get("/sandbox/mails").json()]
    assert sent == ["corrected@lead.example"]


def test_a_draft_that_left_meanwhile_is_not_made_anew(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    """By a sender that was thought dead: a second mail would be one too many."""
    campaign = draft_left(mailed, db)
    (account,) = mailed.store.list_accounts()
    (draft,) = mailed.services.mailer.drafts(account.id)
    mailed.services.mailer.commit(Prepared(account.id, draft.search_token, draft.id))
    outcomes = mailed.send(campaign)
    assert [one.kind for one in outcomes] in (["sent"], ["open"])
    assert len(mailed.gmail.get("/sandbox/mails").json()) == 1


@pytest.mark.parametrize("fault", ["accept_then_503"])
def test_a_draft_whose_deletion_was_not_confirmed_is_replaced_all_the_same(
    mailed: Mailed, db: psycopg.Connection, fault: str
) -> None:
    """It is gone, and was never sent: the same claim is tried again."""
    campaign = draft_left(mailed, db)
    refuse(mailed, fault, "drafts.delete")
    run = uuid4()
    sending = mailed.sending(campaign, run)
    (claim,) = mailed.store.claim_leads(uuid4(), campaign, run, 1).claims
    with pytest.raises(TemporarilyUnavailable):
        sending.send(claim)
    assert sending.send(claim).kind == "sent"
    sent = [mail["to"] for mail in mailed.gmail.get("/sandbox/mails").json()]
    assert sent == ["corrected@lead.example"]


def test_who_holds_the_claim_no_more_deletes_no_draft(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    """Another sender may be about to send it."""
    campaign = draft_left(mailed, db)
    run = uuid4()
    sending = mailed.sending(campaign, run)
    (claim,) = mailed.store.claim_leads(uuid4(), campaign, run, 1).claims
    db.execute("update campaign_leads set claim_token = gen_random_uuid()")
    assert sending.send(claim).kind == "not_ours"
    assert len(drafts(mailed)) == 1
