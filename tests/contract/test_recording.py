"""An outcome that is known is recorded, also where the run is told to stop meanwhile."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from outreach.delivery import sender
from outreach.delivery.mailer import Prepared
from outreach.errors import StoreUnavailable
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


def draft_left(mailed: Mailed, db: psycopg.Connection) -> UUID:
    """A campaign whose mail was refused for now, with its draft kept; then its address is corrected."""
    fault = {"fault": "rate_limit_429", "on": "drafts.send", "times": 1}
    assert mailed.gmail.post("/sandbox/faults", json=fault).is_success
    campaign = mailed.campaign(JO, expected="deferred")
    db.execute("update leads set email = 'corrected@lead.example'")
    db.execute("update accounts set paused_until = null")
    db.execute("update campaign_leads set next_attempt_at = now() - interval '1 second'")
    return campaign


def test_a_draft_to_an_address_that_was_corrected_is_made_anew(
    mailed: Mailed, db: psycopg.Connection
) -> None:
    campaign = draft_left(mailed, db)
    assert [one.kind for one in mailed.send(campaign)] == ["sent"]
    sent = [mail["to"] for mail in mailed.gmail.get("/sandbox/mails").json()]
    assert sent == ["corrected@lead.example"]
    (account,) = mailed.store.list_accounts()
    assert list(mailed.services.mailer.drafts(account.id)) == []


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
