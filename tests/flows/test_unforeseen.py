"""An error of a send that nobody foresaw ends the run: the same would come of each lead."""

import psycopg
import pytest

from flows.send_campaign import send_campaign
from outreach.delivery.sender import Sending
from outreach.errors import ConfigurationError
from tests.flows.conftest import NewCampaign


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError"),
        (ConfigurationError("Enable the Gmail API."), "Enable the Gmail API."),
    ],
)
def test_an_unforeseen_error_of_a_send_ends_the_campaign_in_error(
    db: psycopg.Connection,
    new_campaign: NewCampaign,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: str,
) -> None:
    """No lead is lost: each is pending still."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Sending, "send", fail)

    state = send_campaign(new_campaign(leads=3), return_state=True)

    assert state.is_failed()
    found = db.execute("select status, error from campaigns").fetchone()
    assert found is not None
    assert found[0] == "error"
    assert told in found[1]
    assert db.execute("select distinct status from campaign_leads").fetchall() == [("pending",)]
