"""Gmail's rule for threads: a mail joins the thread that it answers."""

import re
from collections.abc import Collection

from gmail_sandbox.envelope import Envelope
from gmail_sandbox.mail import Message

IDENTITY = re.compile(r"<[^<>\s]+>")
ANSWERS = re.compile(r"(?:re\s*(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)


def joins(envelope: Envelope, thread: Collection[Message]) -> bool:
    """Whether a mail of ours belongs to the thread that was asked for.

    In-Reply-To or References names a mail of it, and the subject is the thread's, `Re:` aside. A
    draft has no Message-ID that an answer could name.
    """
    mails = [message for message in thread if not message.is_draft]
    known = {message.message_id for message in mails}
    subjects = {_essence(message.subject) for message in mails}
    return not known.isdisjoint(named(envelope)) and _essence(envelope.subject()) in subjects


def named(envelope: Envelope) -> list[str]:
    """The Message-IDs that a mail answers, the nearest first."""
    answered = _identities(envelope, "in-reply-to")
    return answered + _identities(envelope, "references")[::-1]


def _identities(envelope: Envelope, name: str) -> list[str]:
    return IDENTITY.findall(" ".join(value for field, value in envelope.fields if field == name))


def _essence(subject: str) -> str:
    text = " ".join(subject.split())
    prefix = ANSWERS.match(text)
    return text[prefix.end() :] if prefix else text
