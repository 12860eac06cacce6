"""What follows from a received mail for the addresses that it is about."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from outreach.mail.addresses import is_valid, mailbox_key
from outreach.mailboxes.attribution import About, Attribution

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


def suppressions(attribution: Attribution, writer: str) -> list[Entry]:
    """Repeatable: the same mail gives the same entries.

    What a server reports holds for everybody, what a person wants for the owner. A report that
    names a recipient but no mail suppresses nothing: anybody could have written it.
    """
    entries = [entry for about in attribution.about for entry in _of_one(about, attribution.kind)]
    if attribution.kind == "unsubscribe":
        owners = {about.mail.owner for about in attribution.about}
        entries += [Entry(mailbox_key(writer), "opt_out", owner) for owner in owners]
    return list({entry[:3]: entry for entry in entries if is_valid(entry.key)}.values())


def _of_one(about: About, kind: str) -> Iterable[Entry]:
    address, owner = about.mail.address, about.mail.owner
    if kind == "unsubscribe":
        yield Entry(address, "opt_out", owner)
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
