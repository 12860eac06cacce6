"""Complaints: a recipient called a mail spam, and the provider reports it (RFC 5965)."""

import re

from outreach.inbound.about import message_ids, token
from outreach.inbound.delivery_status import address
from outreach.inbound.found_addresses import plain, several
from outreach.inbound.message import Mail
from outreach.inbound.notice import Notice
from outreach.inbound.reading import Reading, Recipient

_FIELD = re.compile(
    r"^(original-rcpt-to|removal-recipient|feedback-type):[ \t]*([^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure", "dmarc"})
"""Reports on mails that somebody else forged, and on mails that are no spam."""
_MICROSOFT = "x-hmxmroriginalrecipient"
"""Microsoft's Junk Mail Reporting Program returns the mail alone, with this header."""
_MOST = 20


def read(mail: Mail, said: Notice) -> Reading | None:
    """The reading of a complaint; None when the mail is none."""
    if mail.feedback or mail.report_type == "feedback-report":
        return _reported(mail, said)
    for headers in (*mail.returned, said.returned):
        if _MICROSOFT in headers:
            named = [plain(headers[_MICROSOFT])]
            return _complaint(mail, said, named, "Microsoft's complaint report")
    return None


def _reported(mail: Mail, said: Notice) -> Reading:
    fields = [(name.lower(), value) for name, value in _FIELD.findall(mail.feedback)]
    kind = next(
        (value.strip().lower() for name, value in fields if name == "feedback-type"), "abuse"
    )
    if kind in _NO_COMPLAINT:
        return Reading("other", why=f"a feedback report of the type {kind[:20]}")
    named = [address(value) for name, value in fields if name != "feedback-type"]
    if not any(named):
        returned = (*mail.returned, said.returned)
        named = [one for headers in returned for one in several(headers.get("to", "")[:1_000])]
    return _complaint(mail, said, named, "a feedback report")


def _complaint(mail: Mail, said: Notice, named: list[str], why: str) -> Reading:
    unique = {one.lower(): one for one in named[:_MOST] if one}
    return Reading(
        "complaint",
        tuple(Recipient(one, "", "none") for one in unique.values()),
        message_ids=message_ids(mail, said),
        token=token(mail, said),
        why=why,
    )
