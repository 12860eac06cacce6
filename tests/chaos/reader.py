"""A reader of a mailbox in a process of its own, that can be made to die at any step."""

from outreach import wiring
from outreach.mailboxes.now import read_now
from outreach.settings import Settings
from tests.chaos.sender import Plan, Steps, Watched, watch_http


def read(settings: Settings, address: str, plan: Plan) -> None:
    """Read this account's mailbox to its end."""
    steps = Steps(plan)
    watch_http(steps)
    with wiring.using(settings) as services:
        transport = Watched(services.store._transport, steps, plan)
        services.store._transport = services.store.mailboxes._transport = transport
        read_now(services.store, services.inbox, address=address)
