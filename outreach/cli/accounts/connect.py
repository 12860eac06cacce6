"""`outreach accounts connect`: an account's owner allows sending from it, in the browser."""

import webbrowser
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

import typer

from outreach import commands
from outreach.cli.accounts.commands import (
    DailyLimit,
    DomainCap,
    Pace,
    Ramp,
    ReplyTo,
    SenderName,
    address_of,
    details,
)
from outreach.cli.context import Owner, opened_store
from outreach.cli.lines import note, say
from outreach.cli.numbers import seconds
from outreach.cli.output import AsJson, show_json
from outreach.delivery.modes import READ, UNREAD, Delivery, choose_delivery, delivers, named
from outreach.errors import Rejected
from outreach.mail.addresses import mailbox_key

if TYPE_CHECKING:
    from outreach.gmail.consent import Question
    from outreach.gmail.tokens import TokenService
    from outreach.store.store import Store

# Imports are inside the functions: Google's client loads slowly.


@dataclass(frozen=True, slots=True)
class Connected:
    account: UUID
    email: str
    delivery: Delivery
    scopes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.email} is connected: it {delivers(self.delivery, self.scopes)}."


def connect(
    email: Annotated[
        str | None, typer.Argument(metavar="EMAIL", help="Let this account alone be chosen.")
    ] = None,
    *,
    send_only: Annotated[
        bool,
        typer.Option(
            "--send-only", help="Ask for gmail.send alone: at most once instead of exactly once."
        ),
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Show the address to open, and open none.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the browser comes back to; 0: a free one.")
    ] = 0,
    wait: Annotated[float, seconds(1, 86400, "Seconds in which to allow it.")] = 300,
    sender_name: SenderName = None,
    reply_to: ReplyTo = None,
    pace: Pace = None,
    daily_limit: DailyLimit = None,
    ramp: Ramp = None,
    domain_cap: DomainCap = None,
    owner: Owner = None,
    as_json: AsJson = False,
) -> None:
    """Connect an account, new or known: its owner allows it on Google's page, in the browser."""
    from outreach import settings as settings_module
    from outreach import wiring
    from outreach.cli.accounts.loopback import Query, Visit, listening
    from outreach.gmail.consent import Question
    from outreach.gmail.tokens import TokenService

    wanted = address_of(email) if email else None
    changes = details(sender_name, reply_to, pace, daily_limit, ramp, domain_cap)
    given = {**changes, "owner": owner}
    settings = settings_module.load()
    wiring.refuse_half_a_consent(settings)

    with (
        opened_store() as store,
        closing(TokenService(settings)) as tokens,
        listening(port) as here,
    ):
        unusable = {mailbox_key(a.email) for a in store.list_accounts() if a.status == "unusable"}
        question = Question(settings, here.address, send_only=send_only, hint=wanted)

        def conclude(query: Query) -> Connected:
            return _saved(query, question, tokens, store, given)

        _send_there(question.address, here.server_port, no_browser=no_browser)
        try:
            connected = here.wait_for(Visit(question.is_answered_by, conclude, str), wait)
        except TimeoutError:
            raise Rejected(
                f"Nobody answered on Google's page within {wait:g} s",
                "connect again. If it showed "
                "redirect_uri_mismatch, GOOGLE_CLIENT_ID is not that of a desktop app",
            ) from None
    _show(connected, as_json=as_json)
    if mailbox_key(connected.email) in unusable:
        note(
            f"It was unusable and is active again: {commands.retry_failed('ID')} takes up the "
            "leads that failed meanwhile."
        )


def _saved(
    query: Mapping[str, str],
    question: "Question",
    tokens: "TokenService",
    store: "Store",
    given: dict[str, Any],
) -> Connected:
    """The account that consented, stored; an error stores nothing."""
    granted = question.redeem(query, tokens)
    if question.hint and mailbox_key(granted.email) != mailbox_key(question.hint):
        raise Rejected(
            f"{granted.email} was chosen on Google's page instead of {question.hint}, and nothing "
            "is stored",
            "connect again and choose that one, or name the other",
        )
    delivery = choose_delivery(question.settings.gmail_delivery, granted.scopes)
    token = granted.refresh_token.get_secret_value()
    account = store.save_account(uuid4(), granted.email, refresh_token=token, **given)
    return Connected(account, granted.email, delivery, granted.scopes)


def _send_there(address: str, port: int, *, no_browser: bool) -> None:
    if no_browser or not _has_browser():
        note(
            "Open this address in a browser of this machine; for one elsewhere, first forward "
            f"the port from there: ssh -L {port}:127.0.0.1:{port} …"
        )
    else:
        note("Google's page opens in your browser; if it does not, open this address there:")
        # Some browsers return only when they are closed.
        Thread(target=webbrowser.open, args=[address], daemon=True).start()
    note(address)


def _has_browser() -> bool:
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _show(connected: Connected, *, as_json: bool) -> None:
    from outreach.gmail.consent import verification

    if as_json:
        show_json(
            {
                "id": str(connected.account),
                "email": connected.email,
                "connected": True,
                "delivery": connected.delivery,
                "scopes": named(connected.scopes),
            }
        )
    else:
        say(str(connected))
    note(verification(connected.scopes))
    if not connected.scopes & READ:
        note(f"{UNREAD}.")
