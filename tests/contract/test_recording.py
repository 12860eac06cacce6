"""An outcome that is known is recorded, also where the run is told to stop meanwhile."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from outreach.delivery import sender
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
