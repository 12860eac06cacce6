"""Automatic answers: away notices, receipts, tickets. Told by their headers, else their subject.

Not told by `X-MS-Exchange-Inbox-Rules-Loop`, `Precedence: bulk` and an empty Return-Path: people's
own mails carry them.
"""

from datetime import date

from outreach.inbound.about import message_ids
from outreach.inbound.absence_words import ABSENCE, AUTOMATIC_SUBJECTS
from outreach.inbound.message import Headers, Mail
from outreach.inbound.own_words import own_words
from outreach.inbound.reading import Reading
from outreach.inbound.return_dates import back_on

_PRESENT = (
    "x-autoreply",
    "x-auto-reply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoreply-from",
    "x-autoreply-domain",
    "x-mail-autoreply",
    "x-vacation",
    "x-vacation-reply",
    "x-fc-machinegenerated",
    "x-out-of-office",
    "x-amazon-auto-reply",
    "x-autosender",
)
"""Headers that only automatic answers have, whatever they say but "no"."""
_INVITING = frozenset({"REQUEST", "REPLY", "COUNTER"})
"""Of a calendar: a person invites to a meeting, answers an invitation, proposes another time."""
_SUPPRESS = frozenset({"all", "oof", "autoreply"})
_PRECEDENCE = frozenset({"auto_reply", "auto-reply", "autoreply", "vacation"})


def read(mail: Mail, sent: date | None) -> Reading | None:
    """The reading of an automatic answer; None when the mail is none. `sent` is its day."""
    why = _why(mail)
    if not why:
        return None
    text = own_words(mail).text
    lower = text.lower()
    subject = mail.subject.lower()
    away = _is_vacation(mail.headers) or any(one in subject or one in lower for one in ABSENCE)
    return Reading(
        "away" if away else "auto",
        message_ids=message_ids(mail),
        back_on=back_on(f"{text}\n{mail.subject}", sent) if away and sent else None,
        why=why,
    )


def _why(mail: Mail) -> str:
    headers = mail.headers
    # A calendar writes for a person: the mail is made by a program, and answers nothing by itself.
    is_persons = mail.calendar_method in _INVITING
    submitted = _first_word(headers.get("auto-submitted", "no"))
    if submitted not in {"no", ""} and not (is_persons and submitted == "auto-generated"):
        return "Auto-Submitted"
    suppressed = headers.get("x-auto-response-suppress", "").lower()
    if not is_persons and not _SUPPRESS.isdisjoint(suppressed.replace(",", " ").split()):
        return "X-Auto-Response-Suppress"
    for name in _PRESENT:
        if _first_word(headers.get(name, "no")) != "no":
            return "-".join(word.capitalize() for word in name.split("-"))
    if _is_vacation(headers):
        return "X-Apple-Action"
    if _first_word(headers.get("precedence", "")) in _PRECEDENCE:
        return "Precedence"
    if _first_word(headers.get("x-precedence", "")) in _PRECEDENCE:
        return "X-Precedence"
    if mail.report_type == "disposition-notification":
        return "a receipt (RFC 8098)"
    if mail.subject.lower().lstrip("*[(<« ").startswith(AUTOMATIC_SUBJECTS):
        return "the subject of an automatic answer"
    return ""


def _is_vacation(headers: Headers) -> bool:
    return (
        headers.get("x-apple-action", "").strip().upper() == "VACATION" or "x-vacation" in headers
    )


def _first_word(value: str) -> str:
    return value.replace(";", " ").replace("(", " ").strip().lower().partition(" ")[0]
