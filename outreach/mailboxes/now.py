"""Reads an account's mailbox at once, whenever it was read last."""

from uuid import UUID, uuid4

from outreach.mailboxes.inbox import Inbox
from outreach.mailboxes.reader import LEASE_SECONDS, Reader, ReadMailbox
from outreach.store.store import Store

MOST = 100
"""Accounts of one address: each user of a web app may have it."""


def read_now(
    store: Store, inbox: Inbox, *, address: str | None = None, account: UUID | None = None
) -> list[ReadMailbox]:
    """A reading of this account, or of each with this address; none of what another process reads.

    Raises StoreUnavailable.
    """
    identity = uuid4()
    reader = Reader(identity, store, inbox)
    leased = store.mailboxes.take(
        identity,
        lease_seconds=LEASE_SECONDS,
        rest_seconds=0,
        most=MOST,
        address=address,
        account=account,
    )
    return [reader.read(one) for one in leased]


def read_whole(store: Store, inbox: Inbox, account: UUID) -> bool | None:
    """Whether it was read to its end now; None while another reader has it.

    Raises StoreUnavailable.
    """
    readings = read_now(store, inbox, account=account)
    return all(one.is_whole for one in readings) if readings else None
