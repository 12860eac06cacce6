"""Opens what a command needs, and closes it again; parses ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from outreach import commands
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.store.store import Store
    from outreach.wiring import Services

Owner = Annotated[
    UUID | None, typer.Option("--user-id", help="The owner of what is made, in the web app.")
]

# Each import below loads clients for half a second, which `--help` does not need.


@contextmanager
def opened_store() -> "Iterator[Store]":
    """The Store of this process's settings. Raises ConfigurationError."""
    from outreach import settings, wiring

    found = settings.load()
    wiring.refuse_mixed_worlds(found)
    store = wiring.open_store(found)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def opened_services() -> "Iterator[Services]":
    """All services for sending, also for flows in this process. Raises ConfigurationError."""
    from outreach import settings, wiring

    with wiring.using(settings.load()) as services:
        yield services


def campaign_id(text: str) -> UUID:
    """Raises Rejected."""
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(
            f"{text!r} is not a campaign id", f"{commands.LIST_CAMPAIGNS} shows them"
        ) from None
