"""What a received mail is: bounce, complaint, automatic answer, or a person's, in this order.

Google's bounces say `Auto-Submitted: auto-replied`, so a bounce comes before an automatic answer.
Nothing here reads or writes anything; the work is bounded on any input, and no input raises.
"""

from collections.abc import Sequence
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from outreach.inbound import auto_replies, bounces, complaints, json_notices, notice, people
from outreach.inbound.found_addresses import first
from outreach.inbound.message import Mail, parse
from outreach.inbound.reading import Reading

_CREDIBLE = (1990, 2200)
"""Years of a mail's own date."""
UNREADABLE = Reading("other", why="the mail cannot be read")


def classify(
    raw: bytes, *, received: datetime | None = None, footers: Sequence[str] = ()
) -> Reading:
    """The reading of a mail as it was received.

    `received` is when it arrived; without it the mail's own date counts, for a return date without
    a year. `footers` are texts that our own mails end with.
    """
    mail = parse(raw)
    return read(mail, received=received, footers=footers) if mail else UNREADABLE


def read(mail: Mail, *, received: datetime | None = None, footers: Sequence[str] = ()) -> Reading:
    """The same of a mail that is parsed."""
    try:
        return _read(mail, received, footers)
    except Exception:  # noqa: BLE001 - a mail that breaks a rule stops no mailbox
        return UNREADABLE


def _read(mail: Mail, received: datetime | None, footers: Sequence[str]) -> Reading:
    said = notice.split(mail.text)
    return (
        bounces.read(mail, said)
        or json_notices.read(mail)
        or complaints.read(mail, said)
        or people.click(mail)
        or auto_replies.read(mail, _day(mail, received))
        or _of_nobody(mail)
        or people.read(mail, footers)
    )


def _of_nobody(mail: Mail) -> Reading | None:
    """A mail of no person: without a sender, or a newsletter that answers no mail."""
    headers = mail.headers
    answers = "in-reply-to" in headers or "references" in headers
    if not first(mail.sender):
        return UNREADABLE if answers else Reading("other", why="the mail names no sender")
    if answers or not {"list-unsubscribe", "list-id"} & headers.keys():
        return None
    return Reading("other", why="a newsletter or a mailing list's mail")


def _day(mail: Mail, received: datetime | None) -> date | None:
    if received:
        return received.date()
    try:
        day = parsedate_to_datetime(mail.headers.get("date", "")).date()
    except (ValueError, TypeError, OverflowError):
        return None
    return day if _CREDIBLE[0] < day.year < _CREDIBLE[1] else None
