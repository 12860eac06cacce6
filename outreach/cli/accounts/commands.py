"""`outreach accounts`: the Gmail accounts that campaigns are sent from."""

import sys
from typing import Annotated, Any
from uuid import uuid4

import typer

from outreach import commands
from outreach.campaign.models import Account, ListedAccount
from outreach.cli.context import Owner, opened_store
from outreach.cli.lines import note, say
from outreach.cli.numbers import seconds
from outreach.cli.output import AsJson, cell, show_json, show_json_list, show_table
from outreach.delivery.mailbox_health import mailbox_trouble
from outreach.errors import Rejected
from outreach.mail.addresses import is_valid, normalise
from outreach.store import given

COLUMNS = ("email", "sender", "reply to", "status", "pace", "limit", "ramp", "to a domain",
           "last 24 h", "connected", "answered", "bounced", "blocked", "granted", "read at",
           "mailbox")  # fmt: skip

Email = Annotated[str, typer.Argument(metavar="EMAIL")]
SenderName = Annotated[
    str | None, typer.Option(help="What recipients see beside the address; “” for nothing.")
]
ReplyTo = Annotated[
    str | None,
    typer.Option(
        help="Where answers go; “” for the account itself. In another mailbox they are not seen."
    ),
]
Pace = Annotated[float | None, seconds(0, 86400, "Seconds between two of its mails.")]
DailyLimit = Annotated[
    int | None, typer.Option(min=1, max=1_000_000, help="Its mails in any 24 hours.")
]
Ramp = Annotated[
    str | None,
    typer.Option(
        metavar="FROM+STEP",
        help="Begin with FROM mails in 24 hours and add STEP with each day that sent; “off”.",
    ),
]
DomainCap = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=1_000_000,
        help="Mails in any 24 hours to one domain, of all accounts; 0: no cap.",
    ),
]


def add(
    email: Email,
    *,
    refresh_token_stdin: Annotated[
        bool, typer.Option("--refresh-token-stdin", help="Read its refresh token from stdin.")
    ] = False,
    sender_name: SenderName = None,
    reply_to: ReplyTo = None,
    pace: Pace = None,
    daily_limit: DailyLimit = None,
    ramp: Ramp = None,
    domain_cap: DomainCap = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Add an account, or change what is given of one that is there already.

    `outreach accounts connect` does that and asks Google for the refresh token.
    """
    changes = details(sender_name, reply_to, pace, daily_limit, ramp, domain_cap)
    address = address_of(email)
    token = _read_token() if refresh_token_stdin else None
    with opened_store() as store:
        account = store.save_account(uuid4(), address, refresh_token=token, owner=owner, **changes)
        connected = any(one.id == account and one.connected for one in store.list_accounts())
    if as_json:
        show_json({"id": str(account), "email": address, "connected": connected})
    else:
        say(f"{address} is saved.")
    if not connected:
        note(
            f"It cannot send before it is connected: {commands.connect_account(address)}, "
            "or, if you have its refresh token, add it again with --refresh-token-stdin."
        )


def show(*, as_json: AsJson = False) -> None:
    """Show the accounts; never their tokens."""
    with opened_store() as store:
        accounts = list(store.list_accounts())
    if as_json:
        show_json_list(accounts)
    elif accounts:
        show_table(COLUMNS, map(_row, accounts))
    else:
        note(f"There is no account yet; connect one with {commands.CONNECT_ACCOUNT}.")


def wake(email: Email, *, as_json: AsJson = False) -> None:
    """End an account's rest, after Gmail's quota or too many dead addresses.

    Dead addresses count anew from then on.
    """
    with opened_store() as store:
        store.mailboxes.wake_account(email.strip())
    if as_json:
        show_json({"email": email, "rests": False})
    else:
        say(f"{email} rests no more.")


def remove(email: Email, *, as_json: AsJson = False) -> None:
    """Forget an account and its tokens; not while a pending lead is to be mailed by it."""
    with opened_store() as store:
        store.remove_account(email.strip())
    if as_json:
        show_json({"email": email, "status": "removed"})
    else:
        say(f"{email} is removed.")


def details(
    sender_name: str | None,
    reply_to: str | None,
    pace: float | None,
    daily_limit: int | None,
    ramp: str | None,
    domain_cap: int | None,
) -> dict[str, Any]:
    """Validated values of an account, as arguments for the Store. Raises Rejected."""
    return {
        "sender_name": given.sender_name(sender_name),
        "reply_to": address_of(reply_to) if reply_to else reply_to,
        "pace_seconds": given.pace(pace),
        "daily_limit": daily_limit,
        "ramp": given.ramp(ramp),
        "domain_cap": domain_cap,
    }


def address_of(text: str) -> str:
    """The normalised address. Raises Rejected."""
    address = normalise(text)
    if not is_valid(address):
        raise Rejected(f"{text!r} is not a mail address", "write one like ada@example.com")
    return address


def _read_token() -> str:
    """From stdin; from a terminal without echo. Raises Rejected, which never repeats the token."""
    if sys.stdin.isatty():
        from getpass import getpass

        token = getpass("Refresh token: ").strip()
    else:
        token = sys.stdin.read().strip()
    if not token:
        raise Rejected("There is no refresh token on stdin", "write it there, and nothing else")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise Rejected(
            "What is on stdin is not a refresh token", "write it there, and nothing else"
        )
    return token


def _row(account: ListedAccount) -> tuple[object, ...]:
    return (
        account.email,
        account.sender_name,
        account.reply_to,
        _status(account),
        _in_force(account.pace_seconds, account.pace_in_force),
        _in_force(account.daily_limit or account.ramp, account.limit_in_force),
        _ramp(account),
        account.domain_cap,
        account.sent_today,
        account.connected,
        *_mailbox(account),
    )


def _mailbox(account: Account) -> tuple[object, ...]:
    """What came back, what it granted, when it was read, and what keeps it from being read."""
    mailbox = account.mailbox
    trouble = mailbox_trouble(account, can_read=None)
    return (
        mailbox.replied,
        mailbox.bounced,
        mailbox.blocked,
        mailbox.scopes,
        mailbox.read_at,
        trouble and f"{trouble.problem}; {trouble.remedy}",
    )


def _ramp(account: Account) -> str | None:
    """`20+5, day 3`: of the days that sent, the one that is to come or not over."""
    if account.ramp is None:
        return None
    ramp = account.ramp
    frozen = ", stays: mails come back dead" if ramp.frozen else ""
    return f"{ramp.begin}+{ramp.step}, day {ramp.days + 1}{frozen}"


def _in_force(own: object, in_force: float) -> str:
    return cell(in_force) if own is not None else f"{cell(in_force)} (default)"


def _status(account: Account) -> str:
    if account.status_reason:
        return f"{account.status}: {account.status_reason}"
    return account.resting or account.status
