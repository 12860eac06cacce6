"""Pure: a mail that answers another one, in its thread."""

from outreach.campaign.models import ReplyTo
from outreach.mail.headers import LONGEST_TEXT

UNKNOWN = ReplyTo(
    thread_id="", subject="", message_id="<the-mail-before@preview.invalid>", references=[]
)
"""Stands for the mail before in a preview and in a test, where no mail of the chain was sent."""


def subject_of_answer(subject: str) -> str:
    """Gmail joins a thread by its subject: as it was, after one `Re:`."""
    if subject.lower().startswith("re:"):
        return subject
    return f"Re: {subject}"[:LONGEST_TEXT]
