"""Validates input of operators and programs; Rejected says what to write instead."""

from math import isfinite

from outreach.campaign.models import LONGEST_NAME, SLOWEST
from outreach.errors import Rejected
from outreach.mail.headers import breaks_a_header


def campaign_name(text: str) -> str:
    if not text.strip() or breaks_a_header(text) or len(text) > LONGEST_NAME:
        raise Rejected(
            f"A campaign needs a name of one line, of at most {LONGEST_NAME} characters",
            "give it with --name",
        )
    return text.strip()


def sender_name(text: str | None) -> str | None:
    """None leaves the name unchanged, an empty one removes it. Raises Rejected."""
    if text is not None and breaks_a_header(text):
        raise Rejected("The sender's name may not hold a line break or control character.")
    if text is not None and len(text) > LONGEST_NAME:
        raise Rejected(f"The sender's name may not be longer than {LONGEST_NAME} characters.")
    return text.strip() if text else text


def pace(seconds: float | None) -> float | None:
    """Seconds; None leaves it unchanged. Raises Rejected."""
    if seconds is not None and not (isfinite(seconds) and 0 <= seconds <= SLOWEST):
        raise Rejected("A pace is a number of seconds from 0 to 86400", "give it with --pace")
    return seconds
