"""Validates input of operators and programs; Rejected says what to write instead."""

import re
from math import isfinite

from outreach.campaign.models import LONGEST_NAME, SLOWEST
from outreach.errors import Rejected
from outreach.mail.headers import breaks_a_header

NO_RAMP = "off"
_RAMP = re.compile(r"(\d{1,7})\+(\d{1,7})")
_MOST_MAILS = 1_000_000


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


def ramp(text: str | None) -> tuple[int, int] | None:
    """`20+5` as (20, 5), `off` as (0, 0); None leaves it unchanged. Raises Rejected."""
    if text is None:
        return None
    if text.strip() == NO_RAMP:
        return 0, 0
    found = _RAMP.fullmatch(text.strip())
    begin, step = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (0 < begin <= _MOST_MAILS and 0 < step <= _MOST_MAILS):
        raise Rejected(
            f"{text!r} is no ramp",
            f"write the mails of its first day and those that each day adds, as 20+5, or {NO_RAMP}",
        )
    return begin, step
