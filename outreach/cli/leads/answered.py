"""`outreach leads answered`: notes an answer that came by telephone, or on another way."""

from typing import Annotated

import typer

from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import say
from outreach.cli.output import AsJson, show_json
from outreach.errors import Rejected
from outreach.mail.addresses import is_valid, mailbox_key


def answered(
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who took the answer; noted.")],
    campaign: Annotated[
        str | None, typer.Option(metavar="ID", help="An answer to this campaign's mail alone.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Note that a lead answered by telephone: its mails count as answered."""
    email, found = mailbox_key(address), None if campaign is None else campaign_id(campaign)
    if not is_valid(email):
        raise Rejected(f"{address!r} is not a mail address", "write one like mia@acme.com")
    with opened_store() as store:
        noted, known = store.mailboxes.note_answer(email, by, found)
    if as_json:
        show_json({"email": email, "noted": noted, "known": known})
    elif noted:
        say(f"{noted} mail(s) to {email} count as answered, in the name of {by.strip()}.")
    else:
        say(f"{email} had answered already.")
