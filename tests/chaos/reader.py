"""A reader of a mailbox in a process of its own, that can be made to die at any step."""

from uuid import uuid4

from outreach import wiring
from outreach.mailboxes.reader import LEASE_SECONDS, Reader
from outreach.settings import Settings
from outreach.wiring import Services
from tests.chaos.sender import Plan, Steps, Watched, watch_http


def read(settings: Settings, address: str, plan: Plan) -> None:
    """Read this account's mailbox to its end."""
    steps = Steps(plan)
    watch_http(steps)
    with wiring.using(settings) as services:
        transport = Watched(services.store._transport, steps, plan)
        services.store._transport = services.store.mailboxes._transport = transport
        read_now(services, address)


def read_now(services: Services, address: str) -> None:
    """In this process."""
    reader = uuid4()
    for leased in services.store.mailboxes.take(
        reader, lease_seconds=LEASE_SECONDS, rest_seconds=0, most=1, address=address
    ):
        Reader(reader, services.store, services.inbox).read(leased)
