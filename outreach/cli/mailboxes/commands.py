"""`outreach mailboxes read` and `list`: reads what came back, and shows when that was done."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from outreach import commands
from outreach.campaign.mailboxes import ListedMailbox, ReadMailbox
from outreach.cli.context import opened_services, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, progress, show_json_list, show_table
from outreach.errors import Rejected
from outreach.mail.addresses import mailbox_key

if TYPE_CHECKING:
    from outreach.store.store import Store
    from outreach.wiring import Services

COLUMNS = ("email", "status", "read at", "problem", "granted", "answered", "bounced", "blocked",
           "gap from", "gap until")  # fmt: skip


def read(
    *,
    account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Only the mailbox of this account.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read now what came back to the accounts: replies, bounces, away notices, opt-outs.

    Workers do that by themselves every minute or two. Status 1 if a mailbox could not be read.
    """
    from outreach.gmail.tokens import app_of

    with opened_services() as services:
        app_of(services.settings)  # else each account would be said to have the fault
        addresses = _connected(services.store, account)
        with progress("Reading") as news:
            done = list(_read(services, addresses, news))
    if as_json:
        show_json_list(done)
    else:
        for one in done:
            say(f"{one.email}: {_told(one)}")
    if any(one.problem for one in done):
        raise typer.Exit(1)


def show(*, as_json: AsJson = False) -> None:
    """Show when each mailbox was read, and what keeps it from being read."""
    with opened_store() as store:
        mailboxes = list(store.mailboxes.all())
    if as_json:
        show_json_list(mailboxes)
    elif mailboxes:
        show_table(COLUMNS, map(_row, mailboxes))
    else:
        note(f"There is no account yet; connect one with {commands.CONNECT_ACCOUNT}.")


def _connected(store: "Store", wanted: str | None) -> list[str]:
    """Addresses of the accounts to read. Raises Rejected for one that cannot be read."""
    accounts = [
        one
        for one in store.mailboxes.all()
        if wanted is None or mailbox_key(one.email) == mailbox_key(wanted)
    ]
    if wanted is not None and not accounts:
        raise Rejected(
            f"There is no account {wanted}", f"{commands.LIST_ACCOUNTS} shows those that exist"
        )
    addresses = list(dict.fromkeys(one.email for one in accounts if one.connected))
    if not addresses:
        raise Rejected(
            f"{wanted} is not connected" if wanted else "No account is connected",
            f"connect it with {commands.connect_account(wanted or 'EMAIL')}",
        )
    return addresses


def _read(
    services: "Services", addresses: list[str], news: Callable[[str], None]
) -> Iterator[ReadMailbox]:
    """In turn: one mail at a time is in memory."""
    from outreach.mailboxes.now import read_now

    for number, address in enumerate(addresses, 1):
        news(f"{number} of {len(addresses)}")
        found = read_now(services.store, services.inbox, address=address)
        for one in found:
            yield ReadMailbox(email=one.email, recorded=one.recorded, problem=one.problem)
        if not found:
            yield ReadMailbox(email=address, busy=True)


def _told(one: ReadMailbox) -> str:
    if one.busy:
        return "another process reads it at this moment"
    recorded = f"{one.recorded} mail(s) recorded"
    return f"{recorded}; {one.problem}" if one.problem else recorded


def _row(one: ListedMailbox) -> tuple[object, ...]:
    return (
        one.email,
        one.status if one.connected else "not connected",
        one.read_at,
        one.problem,
        one.scopes,
        one.replied,
        one.bounced,
        one.blocked,
        one.gap_from,
        one.gap_until,
    )
