"""The recipients that a bounce names, from its best source, and the verdict on each.

A delivery status comes first, then X-Failed-Recipients, then the notice for people, then the
header of the returned mail.
"""

import re
from itertools import zip_longest
from typing import NamedTuple

from outreach.inbound import delivery_status
from outreach.inbound.delivery_status import Reported
from outreach.inbound.found_addresses import Found, first, local_part, several
from outreach.inbound.message import Mail
from outreach.inbound.notice import Notice
from outreach.inbound.reading import Recipient
from outreach.inbound.verdicts import Judged, judge

_DELIVERED = frozenset({"delivered", "relayed", "expanded"})
_MOST = 100
"""Recipients of one bounce."""
_CONTEXT = 48
"""Characters before an address that say what it is."""
_NAMES_RECIPIENT = re.compile(
    r"(?:\b(?:to|for|recipients?|recipient\(s\)|recipient address|address|addresses|user|userid"
    r"|mailbox|an|à|para)|[45]\d\d|\d\.\d\.\d+|smtp=)[\s:<(\"'\[]*\Z"
)
_NAMES_OTHER = re.compile(
    r"(?<![a-z])(?:from|sender|contact|by|mail to|reply[- ]to|support|assistance|id|help|write to"
    r"|sent as)"
    r"[\s:<(=\"'\[]*\Z"
)
_SUMMARY = re.compile(r"[\s>*•-]*to:[\s<\"']*")
"""A line of the mail's own header: a list may have been written to."""
_FORWARDED = re.compile(r"(?:generated|expanded) from:?[\s<]*\Z")
"""Exim's and sendmail's words for the address that was written to."""
_CONTINUED = re.compile(r"[^\n]*(?:\n[ \t]+\S[^\n]*){0,12}")
_STAFF = frozenset({"postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "webmaster"})


class Bounced(NamedTuple):
    """The recipients, and the rule that judged the first of them."""

    recipients: tuple[Recipient, ...]
    why: str
    is_original_inferred: bool


def recipients(mail: Mail, said: Notice, *, delayed: bool) -> Bounced:
    """The recipients of a bounce or delay; none when it names none."""
    reported = delivery_status.read(mail.status) or delivery_status.read_in_text(mail.text)
    named = _unique([one for one in reported if one.address])
    if not named:
        action = next((one.action for one in reported if one.action), "")
        named = [Reported(one, "", action, "", "") for one in _addresses(mail, said)]
    inferred = _inferred_original(named, mail, said)
    return _judged(named, said, inferred, delayed=delayed)


def _inferred_original(named: list[Reported], mail: Mail, said: Notice) -> str:
    """The address that was written to, where a mail was forwarded from there; else an empty one.

    Some servers name it in the returned mail and the notice alone. Of one recipient only: of
    several each may be a member of a list.
    """
    if len(named) != 1 or named[0].original_address:
        return ""
    return next(iter(_of_returned(mail, said) or _forwarding(said)), "")


def _forwarding(said: Notice) -> list[str]:
    """The address that the notice says another one was made from, where it is one."""
    found = {
        one.address.lower(): one.address
        for one in said.addresses
        if _FORWARDED.search(_before(said.text, one))
    }
    return list(found.values()) if len(found) == 1 else []


def _judged(blocks: list[Reported], said: Notice, inferred: str, *, delayed: bool) -> Bounced:
    made: list[Recipient] = []
    why = ""
    for reported in blocks:
        judged = _judge(reported, said, blocks, delayed=delayed)
        original = reported.original_address or inferred
        differs = original.lower() != reported.address.lower()
        made.append(
            Recipient(
                reported.address,
                judged.status,
                judged.verdict,
                original if original and differs else None,
            )
        )
        why = why or judged.why
    return Bounced(tuple(made), why, bool(inferred))


def _judge(
    reported: Reported, said: Notice, all_of_them: list[Reported], *, delayed: bool
) -> Judged:
    if reported.action in _DELIVERED or reported.status.startswith("2."):
        return Judged("none", reported.status, "it was delivered")
    judged = judge(reported.diagnostic, reported.status)
    if not judged.tells:
        read = (judge(text, judged.status) for text in _about(said, reported, all_of_them))
        judged = next((one for one in read if one.tells), judged)
    if reported.action == "delayed" or (delayed and reported.action != "failed"):
        return Judged("delay", judged.status, "the server still tries")
    return judged


def _unique(reported: list[Reported]) -> list[Reported]:
    """One of each address: the first that failed, else the first."""
    found: dict[str, Reported] = {}
    for one in reported:
        key = one.address.lower()
        if key not in found or (one.action == "failed" != found[key].action):
            found[key] = one
    return list(found.values())[:_MOST]


def _about(said: Notice, reported: Reported, all_of_them: list[Reported]) -> tuple[str, ...]:
    """What the notice says of this recipient: the lines that name it, then all around them."""
    names = {one.address.lower() for one in all_of_them}
    wanted = reported.address.lower()
    places = [one for one in said.addresses if one.address.lower() in names]
    lines, around = [], []
    for place, following in zip_longest(places, places[1:]):
        if place.address.lower() == wanted:
            start = said.text.rfind("\n", 0, place.start) + 1
            end = said.text.rfind("\n", 0, following.start) + 1 if following else len(said.text)
            lines.append(said.text[start : _end_of_line(said.text, place.end)])
            around.append(said.text[start : max(end, place.end)])
    if len(all_of_them) == 1 or not around:
        around = [said.text]
    return "\n".join(lines), "\n".join(around)


def _end_of_line(text: str, position: int) -> int:
    """Where the line ends, with the indented lines that continue it."""
    found = _CONTINUED.match(text, position)
    return found.end() if found else position


def _addresses(mail: Mail, said: Notice) -> list[str]:
    """The addresses of a bounce without a usable delivery status."""
    failed = several(mail.headers.get("x-failed-recipients", "")[:4_000])
    return (failed or _in_text(mail, said) or _of_returned(mail, said))[:_MOST]


def _in_text(mail: Mail, said: Notice) -> list[str]:
    written_to = {one.lower() for one in _of_returned(mail, said)}
    ours = {first(mail.headers.get(name, "")).lower() for name in ("to", "delivered-to", "from")}
    named: dict[str, str] = {}
    mentioned: dict[str, str] = {}
    for found in said.addresses:
        key = found.address.lower()
        rank = _rank(said.text, found)
        if rank is None or (key in ours and key not in written_to):
            continue
        if local_part(key) in _STAFF and key not in written_to:
            continue
        (named if rank else mentioned).setdefault(key, found.address)
    if named:
        return list(named.values())
    return [one for key, one in mentioned.items() if key in written_to] or [*mentioned.values()][:1]


def _rank(text: str, found: Found) -> bool | None:
    """Whether the words before an address call it a recipient; None: another person."""
    before = _before(text, found)
    if _SUMMARY.fullmatch(before) or _FORWARDED.search(before):
        return False
    if _NAMES_OTHER.search(before):
        return None
    begins = len(before) < _CONTEXT and not before.strip(" \t<>*-•\"'([")
    return bool(begins or _NAMES_RECIPIENT.search(before))


def _before(text: str, found: Found) -> str:
    """What stands before it on its line, in lower case."""
    line = text.rfind("\n", 0, found.start) + 1
    return text[max(line, found.start - _CONTEXT) : found.start].lower()


def _of_returned(mail: Mail, said: Notice) -> list[str]:
    """Whom the returned mail was written to, where that is one person."""
    for headers in (*mail.returned, said.returned):
        found = several(headers.get("to", "")[:1_000])
        if len(found) == 1:
            return found
    return []
