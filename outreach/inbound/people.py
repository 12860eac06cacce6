"""Mails of people: replies and opt-outs."""

from collections.abc import Sequence

from outreach.inbound import opt_out
from outreach.inbound.about import message_ids
from outreach.inbound.found_addresses import first
from outreach.inbound.message import Mail
from outreach.inbound.own_words import own_words
from outreach.inbound.reading import Kind, Reading, Recipient, Verdict

_OUR_LINK = "/api/unsubscribe/"
"""In the footer of a mail of ours: the page to opt out."""
_SHORTEST_FOOTER = 12
"""Characters of a footer's line that is no common word."""


def click(mail: Mail) -> Reading | None:
    """An opt-out that a mail program wrote for a click; None when the mail is none."""
    if not opt_out.is_click(mail.subject):
        return None
    return _reading(mail, "unsubscribe", "the subject of a click on “unsubscribe”")


def read(mail: Mail, footers: Sequence[str]) -> Reading:
    """A reply or an opt-out; `footers` are texts that our mails end with."""
    own = own_words(mail).text
    if opt_out.is_opt_out(own) or opt_out.is_opt_out(f"{mail.subject}\n{own}"):
        return _reading(mail, "unsubscribe", "an opt-out is all that it says", own)
    if _has_footer(own, footers):
        return _reading(mail, "reply", "our footer is in it, without a border of a quote", own)
    if said := opt_out.beside_other_words(own, mail.subject):
        return _reading(mail, "reply", f"“{said}” beside other words", own)
    return Reading(
        "reply",
        message_ids=message_ids(mail),
        own_words=own,
        why="no sign of a bounce, a complaint, an automatic answer or an opt-out",
    )


def _reading(mail: Mail, kind: Kind, why: str, own: str | None = None) -> Reading:
    verdict: Verdict = "held" if kind == "reply" else "none"
    writer = first(mail.sender)
    return Reading(
        kind,
        (Recipient(writer, "", verdict),) if writer else (),
        message_ids=message_ids(mail),
        own_words=own,
        why=why,
    )


def _has_footer(text: str, footers: Sequence[str]) -> bool:
    if _OUR_LINK in text:
        return True
    written = " ".join(text.split())
    lines = {" ".join(line.split()) for footer in footers for line in footer.splitlines()}
    return any(len(line) >= _SHORTEST_FOOTER and line in written for line in lines)
