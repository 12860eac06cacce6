"""Reads the mailboxes that are due, and tells people and Prefect what came back."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4, uuid5

from prefect import task
from prefect.events import emit_event

from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.gmail.tokens import app_of
from outreach.mail.addresses import mask, masked
from outreach.mailboxes.reader import LEASE_SECONDS, Reader, ReadMailbox
from outreach.store.mailboxes import Unannounced
from outreach.wiring import Services, current
from tasks.events import What, announce
from tasks.log import run_log
from tasks.retries import PHASE

READERS = 2
"""Threads: a mailbox that answers slowly holds up no other."""
ROUND_SECONDS = 1800.0
"""After which a round takes no further mailbox."""
BETWEEN_SECONDS = 5.0
"""A round comes a little earlier or later: it takes a mailbox that is due within this time."""

EVENTS: dict[str, What] = {
    "reply": "reply",
    "bounce": "bounce",
    "unsubscribe": "unsubscribe",
    "complaint": "unsubscribe",
}
"""What people are told of, by the kind of the mail."""


@task(**PHASE)
def read_due(stopped: Callable[[], bool] = lambda: False) -> int:
    """Read every mailbox that is due; returns how many mails were recorded."""
    parts = current()
    if not parts.settings.mailbox_seconds:
        return 0
    try:
        app_of(parts.settings)
    except ConfigurationError as error:
        run_log().warning("No mailbox is read: %s", error)  # none of them has the fault
        return 0
    readings = list(_read_all(parts, stopped))
    for reading in readings:
        if reading.is_new:
            _tell_problem(reading)
    return sum(reading.recorded for reading in readings)


def _read_all(parts: Services, stopped: Callable[[], bool]) -> Iterator[ReadMailbox]:
    with ThreadPoolExecutor(READERS, thread_name_prefix="mailbox") as pool:
        for readings in pool.map(lambda _: list(_read_some(parts, stopped)), range(READERS)):
            yield from readings


def _read_some(parts: Services, stopped: Callable[[], bool]) -> Iterator[ReadMailbox]:
    """Read one mailbox after another, until none is due; of very many, the next round goes on."""
    identity, boxes = uuid4(), parts.store.mailboxes
    reader = Reader(identity, parts.store, parts.inbox)
    rest = max(parts.settings.mailbox_seconds - BETWEEN_SECONDS, 0.0)
    until = time.monotonic() + ROUND_SECONDS
    while not stopped() and time.monotonic() < until:
        leased = boxes.take(identity, lease_seconds=LEASE_SECONDS, rest_seconds=rest, most=1)
        if not leased:
            return
        try:
            reading = reader.read(leased[0])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one mailbox keeps no other from being read
            run_log().warning("%s: not read (%s)", mask(leased[0].email), type(error).__name__)
            # Given back, or it would be taken again at once: it is this reader's until then.
            boxes.fail(leased[0].account, identity, f"an error of ours ({type(error).__name__})")
        else:
            yield reading


def _tell_problem(reading: ReadMailbox) -> None:
    run_log().warning("%s: %s", mask(reading.email), masked(reading.problem or ""))
    if not reading.needs_person:
        return
    emit_event(
        "account.unusable",
        resource={"prefect.resource.id": f"account.{reading.account}"},
        payload={"account_id": str(reading.account), "reason": masked(reading.problem or "")},
    )


@task(**PHASE)
def guard() -> None:
    """Pause campaigns that meet too many dead addresses, and let such accounts rest."""
    parts = current()
    share, least = parts.settings.guard_dead_share, parts.settings.guard_least_mails
    if not share:
        return
    for campaign in parts.store.mailboxes.guard_campaigns(share, least):
        counts = {"dead": campaign.dead, "sent": campaign.sent}
        announce("paused", campaign.campaign, uuid4(), campaign.name, **counts)
        run_log().warning(
            "%s is paused: %d of its last %d mails met dead addresses",
            campaign.name,
            campaign.dead,
            campaign.sent,
        )
    for account in parts.store.mailboxes.guard_accounts(share, least):
        emit_event(
            "account.paused",
            resource={"prefect.resource.id": f"account.{account.account}"},
            payload={
                "account_id": str(account.account),
                "dead": account.dead,
                "sent": account.sent,
            },
        )
        run_log().warning("%s rests for a day: %s", mask(account.email), account.reason)


@task(**PHASE)
def tell_returned() -> None:
    """Publish an event for each reply, bounce and opt-out; a repeated one has the same id."""
    boxes = current().store.mailboxes
    while told := boxes.unannounced():
        for one in told:
            _announce(one)
        boxes.note_announced(list({one.id for one in told}))


def _announce(one: Unannounced) -> None:
    if one.campaign is None:
        return
    announce(
        EVENTS[one.kind],
        one.campaign,
        uuid5(one.id, str(one.lead)),
        one.name or str(one.campaign),
        kind=one.kind,
        at=one.at.isoformat(),
        lead=str(one.lead),
        account=str(one.account),
        verdict=one.verdict,
        status=one.status,
        via=one.via,
    )
