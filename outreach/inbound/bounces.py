"""Bounces, delays and notices of delivery: which mails are some, and what they report."""

from outreach.inbound.about import message_ids, token
from outreach.inbound.absence_words import AUTOMATIC_SUBJECTS
from outreach.inbound.bounce_words import ANSWERS, CERTAIN, DELAYS, PHRASES, SUBJECTS
from outreach.inbound.bounced import recipients
from outreach.inbound.daemons import (
    has_null_sender,
    is_daemon,
    is_unread_daemon,
    may_be_automatic,
    reads_no_answers,
)
from outreach.inbound.message import Headers, Mail
from outreach.inbound.notice import Notice
from outreach.inbound.own_words import own_words
from outreach.inbound.reading import Kind, Reading, Recipient


def read(mail: Mail, said: Notice) -> Reading | None:
    """The reading of a bounce, delay or notice of delivery; None when the mail is none."""
    why = _why(mail, said)
    if not why:
        return None
    returned = [*mail.returned, said.returned]
    if any(map(_is_bounce, returned)):
        return Reading("other", why="a bounce of a bounce")
    delayed = _is_delay(mail, said)
    found = recipients(mail, said, delayed=delayed)
    kind = _kind(found.recipients, delayed=delayed)
    return Reading(
        kind,
        found.recipients,
        message_ids=message_ids(mail, said),
        is_original_inferred=found.is_original_inferred,
        token=token(mail, said),
        why="; ".join(filter(None, (why, found.why))),
    )


def _why(mail: Mail, said: Notice) -> str:
    """The evidence that this is about a delivery; empty when there is none."""
    if mail.status:
        return "a delivery status"
    if mail.report_type == "delivery-status":
        return "a report of a delivery"
    if "x-failed-recipients" in mail.headers:
        return "X-Failed-Recipients"
    subject = mail.subject.lower()
    failure = _tells_of_failure(subject)
    answers = _answers(mail)
    returned = bool(mail.returned or said.returned)
    text = own_words(mail).text.lower() if answers else said.unquoted()
    if answers and not may_be_automatic(mail):
        return ""  # a person, who may quote a disclaimer or tell of a parcel
    says = _says(text, CERTAIN + PHRASES)
    if is_daemon(mail) and (says or (not answers and (failure or returned))):
        return "a mail server's notice"
    # An away notice may have a disclaimer in words of a mail server, and return our mail.
    tells = _says(text, CERTAIN) if subject.startswith(AUTOMATIC_SUBJECTS) else says
    if not answers and tells and has_null_sender(mail.headers) and (failure or returned):
        return "a notice without a return path"
    if reads_no_answers(mail) and (_says(text, CERTAIN) or (failure and says)):
        return "a program's notice of a failed delivery"
    return ""


def _answers(mail: Mail) -> bool:
    """Whether its subject is that of an answer: `Re:`, and not `[Undelivered] Re:`."""
    begins = ANSWERS.match(mail.subject)
    if not begins or _tells_of_failure(begins[0].lower()):
        return False
    return not (_tells_of_failure(mail.subject.lower()) and is_unread_daemon(mail))


def _tells_of_failure(subject: str) -> bool:
    return any(map(subject.__contains__, SUBJECTS))


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(map(" ".join(text.split()).__contains__, phrases))


def _is_delay(mail: Mail, said: Notice) -> bool:
    return any(map(f"{mail.subject.lower()}\n{said.lower}".__contains__, DELAYS))


def _kind(found: tuple[Recipient, ...], *, delayed: bool) -> Kind:
    verdicts = {one.verdict for one in found}
    if verdicts & {"dead", "block", "soft"}:
        return "bounce"
    if "delay" in verdicts or (not found and delayed):
        return "delay"
    return "other" if found else "bounce"


def _is_bounce(returned: Headers) -> bool:
    """Whether a returned mail is a bounce itself: we send none."""
    return (
        "x-failed-recipients" in returned
        or "delivery-status" in returned.get("content-type", "").lower()
        or ("mailer-daemon" in returned.get("from", "").lower() and has_null_sender(returned))
    )
