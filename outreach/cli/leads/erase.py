"""`outreach leads erase`: forgets a person."""

from typing import Annotated

import typer

from outreach.cli.accounts.commands import address_of
from outreach.cli.context import opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json


def erase(
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    *,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for it; noted.")],
    as_json: AsJson = False,
) -> None:
    """Forget a person: address and fields leave every table, and nobody mails them any more.

    Counts stay as they are: a keyed hash stands for the address. Backups and Gmail's own mailboxes
    are not reached.
    """
    with opened_store() as store:
        done = store.erase_person(address_of(address), by)
    if as_json:
        show_json(done)
    elif done.answer == "later":
        note("A mail to this address is on its way; once its outcome is known, the rest is erased.")
    else:
        say(f"Erased: {done.leads} lead(s), {done.mails} mail(s) in the log.")
