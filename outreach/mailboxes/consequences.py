"""What follows from a received mail for the addresses that it is about."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from outreach.mail.addresses import is_valid, mailbox_key
from outreach.mailboxes.attribution import About, Attribution
from outreach.store.mailboxes import SentMail

ORIGIN = "mail"
SOFTS = 3
"""Soft bounces within 30 days that make an address count as dead."""


class Entry(NamedTuple):
    """An address to suppress, for an owner's campaigns or, with None, for everybody's."""

    key: str
    cause: str
    owner: UUID | None
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        return {"key": self.key, "cause": self.cause, "reason": self.reason}


def suppressions(attribution: Attribution, writer: str, thread: str | None) -> list[Entry]:
    """Repeatable: the same mail gives the same entries. `thread`: Gmail's id of the mail's own.

    What a server reports holds for everybody, what a person wants for the owner. A report that
    names a recipient but no mail suppresses nothing: anybody could have written it.
    """
    key = mailbox_key(writer)
    entries: list[Entry] = []
    for about in attribution.about:
        is_leads = about.mail.address == key or _is_of_the_lead(about.mail, thread)
        entries += _of_one(about, attribution.kind, is_leads=is_leads)
    if attribution.kind == "unsubscribe":
        owners = {about.mail.owner for about in attribution.about}
        entries += [Entry(key, "opt_out", owner) for owner in owners]
    return list({entry[:3]: entry for entry in entries if is_valid(entry.key)}.values())


def _is_of_the_lead(mail: SentMail, thread: str | None) -> bool:
    """Whether who writes from another address is taken for the lead.

    So in the lead's thread, or with the token of our mail. Behind a forward it is a third person,
    who says no for the lead's own address only perhaps.
    """
    return mail.by == "token" or (thread is not None and mail.thread == thread)


def _of_one(about: About, kind: str, *, is_leads: bool) -> Iterable[Entry]:
    address, owner = about.mail.address, about.mail.owner
    if kind == "unsubscribe":
        yield Entry(address, "opt_out" if is_leads else "hold", owner)
    elif kind == "reply" and about.verdict == "held":
        yield Entry(address, "hold", owner)
    elif not about.is_proven:
        return
    elif kind == "complaint":
        yield Entry(address, "complaint", None)
    elif kind == "bounce" and about.verdict == "dead":
        yield Entry(address, "dead", None, about.status or None)
    elif kind == "bounce" and about.verdict == "soft" and about.mail.softs + 1 >= SOFTS:
        yield Entry(address, "dead", None, f"{SOFTS} soft bounces in 30 days")
