"""Notices in JSON: Amazon SES tells of bounces and complaints so, by a mail of SNS.

A Gmail account whose “Send mail as” goes through SES receives them.
"""

import json
from typing import Any

from outreach.inbound.delivery_status import Reported
from outreach.inbound.found_addresses import plain
from outreach.inbound.message import Mail
from outreach.inbound.reading import Reading, Recipient
from outreach.inbound.verdicts import judge

_MOST = 100
_BROKEN_LINE = "!\n "
"""What mail servers put into a line of more than 998 characters."""
_DECODER = json.JSONDecoder(strict=False)


def read(mail: Mail) -> Reading | None:
    """The reading of a notice of SES; None when the mail is none."""
    if "notificationType" not in mail.text and "eventType" not in mail.text:
        return None
    event = _event(mail.text)
    kind = event.get("notificationType") or event.get("eventType")
    about = _dict(event.get("mail"))
    message_id = _text(_dict(about.get("commonHeaders")).get("messageId")).strip("<> ")[:500]
    message_ids = (message_id,) if message_id else ()
    if kind == "Bounce":
        named = _recipients(_dict(event.get("bounce")).get("bouncedRecipients"))
        judged = [(one, judge(one.diagnostic, one.status)) for one in named]
        recipients = tuple(Recipient(one.address, it.status, it.verdict) for one, it in judged)
        return Reading("bounce", recipients, message_ids, why="a bounce's notice of Amazon SES")
    if kind == "Complaint":
        named = _recipients(_dict(event.get("complaint")).get("complainedRecipients"))
        recipients = tuple(Recipient(one.address, "", "none") for one in named)
        return Reading(
            "complaint", recipients, message_ids, why="a complaint's notice of Amazon SES"
        )
    return None


def _event(text: str) -> dict[str, Any]:
    """The event; SNS wraps it into a field of its own."""
    start = text.find("{")
    try:
        found, _ = _DECODER.raw_decode(text[start:].replace(_BROKEN_LINE, "") if start >= 0 else "")
        inner = _dict(found).get("Message")
        return _dict(_DECODER.decode(inner) if isinstance(inner, str) else found)
    except (ValueError, RecursionError):
        return {}


def _recipients(value: Any) -> list[Reported]:
    blocks = [_dict(one) for one in value[:_MOST]] if isinstance(value, list) else []
    return [
        Reported(
            address,
            "",
            _text(one.get("action")).lower(),
            _text(one.get("status")),
            _text(one.get("diagnosticCode")),
        )
        for one in blocks
        if (address := plain(_text(one.get("emailAddress"))))
    ]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
