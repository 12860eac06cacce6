"""Complaints: a recipient called a mail spam, and the provider reports it (RFC 5965)."""

import re

from outreach.inbound import notice
from outreach.inbound.delivery_status import address
from outreach.inbound.found_addresses import plain, several
from outreach.inbound.message import Headers, Mail
from outreach.inbound.message_ids import original
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


def read(mail: Mail) -> Reading | None:
    """The reading of a complaint; None when the mail is none."""
    said = notice.split(mail.text)
    returned = [*mail.returned, said.returned]
    if mail.feedback or mail.report_type == "feedback-report":
        return _reported(mail, returned)
    for headers in returned:
        if _MICROSOFT in headers:
            return _complaint(mail, [plain(headers[_MICROSOFT])], "Microsoft's complaint report")
    return None


def _reported(mail: Mail, returned: list[Headers]) -> Reading:
    fields = [(name.lower(), value) for name, value in _FIELD.findall(mail.feedback)]
    kind = next(
        (value.strip().lower() for name, value in fields if name == "feedback-type"), "abuse"
    )
    if kind in _NO_COMPLAINT:
        return Reading("other", why=f"a feedback report of the type {kind[:20]}")
    named = [address(value) for name, value in fields if name != "feedback-type"]
    if not any(named):
        named = [one for headers in returned for one in several(headers.get("to", "")[:1_000])]
    return _complaint(mail, named, "a feedback report")


def _complaint(mail: Mail, named: list[str], why: str) -> Reading:
    unique = {one.lower(): one for one in named[:_MOST] if one}
    return Reading(
        "complaint",
        tuple(Recipient(one, "", "none") for one in unique.values()),
        original_message_id=original(mail, notice.split(mail.text)),
        why=why,
    )
