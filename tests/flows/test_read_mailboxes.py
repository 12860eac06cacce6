"""The flow that reads mailboxes, on real parts: what it records, and what Prefect is told."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from flows.read_mailboxes import read_mailboxes
from flows.send_campaign import send_campaign
from outreach import wiring
from outreach.mailboxes.reader import Reader, ReadMailbox
from outreach.settings import Settings
from outreach.store.mailboxes import LeasedMailbox
from outreach.store.store import Store
from tasks.mailboxes import read_due
from tests.flows.conftest import NewCampaign

Told = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def campaign(new_campaign: NewCampaign, gmail: httpx.Client) -> UUID:
    """Sent to three leads, one of which answers, and one does not exist."""
    made = new_campaign(leads=3)
    send_campaign(made, return_state=True)
    first, second, _ = gmail.get("/sandbox/mails").json()
    for kind, mail in (("reply", first), ("bounce", second)):
        gmail.post("/sandbox/inbound", json={"kind": kind, "mail": mail["id"]}).raise_for_status()
    return made


@pytest.fixture
def told(prefect_api: str) -> Told:
    """The payload of the event of this name about this id; Prefect writes them in batches."""

    def payload(name: str, about: str) -> dict[str, Any]:
        while True:
            chosen = {"filter": {"event": {"name": [name]}}}
            events = httpx.post(f"{prefect_api}/events/filter", json=chosen).json()["events"]
            for event in events:
                if about in event["payload"].values():
                    return dict(event["payload"])

    return payload


def test_it_records_what_came_back_and_tells_prefect(
    store: Store, campaign: UUID, told: Told
) -> None:
    """Once: a second round finds nothing new."""
    recorded = [read_mailboxes(), read_mailboxes()]
    kinds = {one.kind: one.email for one in store.mailboxes.replies(campaign)}
    reply, bounce = (told(f"campaign.{what}", str(campaign)) for what in ("reply", "bounce"))
    assert (recorded, kinds.keys()) == ([2, 0], {"reply", "bounce"})
    assert (reply["name"], reply["kind"], bounce["verdict"]) == ("Spring", "reply", "dead")
    assert not any("@" in str(value) for value in [*reply.values(), *bounce.values()])


def test_the_guard_pauses_a_campaign_that_meets_dead_addresses(
    store: Store, settings: Settings, campaign: UUID, db: psycopg.Connection, told: Told
) -> None:
    db.execute("update campaigns set status = 'running'")
    with wiring.using(settings.model_copy(update={"guard_least_mails": 3})):
        read_mailboxes()
    status = store.campaign_status(campaign)
    [account] = store.list_accounts()
    paused = told("campaign.paused", str(campaign))
    assert status.waiting_for == "a person to resume it: 1 of its last 3 mails met dead addresses"
    assert status.paused_at is not None
    assert account.paused_seconds
    assert (paused["dead"], paused["sent"]) == (1, 3)


@pytest.mark.usefixtures("campaign")
def test_a_mailbox_that_breaks_the_reading_is_given_back(
    settings: Settings, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader would be handed it again at once, for ever; and the others wait for no lease."""
    taken: list[UUID] = []

    def breaking(_: Reader, leased: LeasedMailbox) -> ReadMailbox:
        taken.append(leased.account)
        raise ValueError("not foreseen")

    monkeypatch.setattr(Reader, "read", breaking)
    with wiring.using(settings):
        assert read_due.fn(lambda: len(taken) > 3) == 0
    [account] = taken
    told = "select problem from mailboxes where account_id = %s and reader is null"
    assert db.execute(told, (account,)).fetchone() == ("an error of ours (ValueError)",)


def test_an_account_that_cannot_be_read_is_told(
    store: Store, gmail: httpx.Client, settings: Settings, campaign: UUID, told: Told
) -> None:
    gmail.post("/sandbox/revoke", json={"account": "sender0@ours.example"}).raise_for_status()
    with wiring.using(settings):
        read_mailboxes()
    [account] = store.list_accounts()
    event = told("account.unusable", str(account.id))
    assert "reconnect" in event["reason"]
    assert "sender0@" not in str(event)
    assert campaign


def test_with_no_seconds_between_readings_nothing_is_read(
    store: Store, settings: Settings, campaign: UUID
) -> None:
    with wiring.using(settings.model_copy(update={"mailbox_seconds": 0})):
        assert read_mailboxes() == 0
    assert list(store.mailboxes.replies(campaign)) == []
