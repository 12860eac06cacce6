"""Reads an account's mailbox at once, whenever it was read last."""

from collections.abc import Iterator
from uuid import UUID, uuid4

from outreach.mailboxes.inbox import Inbox
from outreach.mailboxes.reader import LEASE_SECONDS, Reader, Reading
from outreach.store.store import Store

MOST = 100
"""Accounts of one address: each user of a web app may have it."""


def read_now(store: Store, inbox: Inbox, address: str) -> Iterator[Reading]:
    """A reading for each account of this address; none of those that another process reads.

    Raises StoreUnavailable.
    """
    reader = uuid4()
    leased = store.mailboxes.take(
        reader, lease_seconds=LEASE_SECONDS, rest_seconds=0, most=MOST, address=address
    )
    for one in leased:
        yield Reader(reader, store, inbox).read(one)


def read_account_now(store: Store, inbox: Inbox, account: UUID) -> None:
    """Read one account's mailbox, unless another process does. Raises StoreUnavailable."""
    reader = uuid4()
    for leased in store.mailboxes.take(
        reader, lease_seconds=LEASE_SECONDS, rest_seconds=0, most=1, account=account
    ):
        Reader(reader, store, inbox).read(leased)
