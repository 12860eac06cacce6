"""Which mails of ours a received mail is about, and what it says of them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outreach.inbound.reading import Kind, Reading, Recipient, Verdict
from outreach.mail.addresses import mailbox_key
from outreach.store.mailboxes import SentMail

SERVERS = frozenset({"bounce", "delay", "complaint"})
"""Kinds that name the mail and its recipient; of the others the writer is a person."""


@dataclass(frozen=True, slots=True)
class About:
    """One mail of ours, and what the received mail says of it."""

    mail: SentMail
    verdict: str = "none"
    status: str = ""
    is_proven: bool = True
    """Whether it names the mail, not only a recipient: a stranger may know whom we mailed."""


@dataclass(frozen=True, slots=True)
class Attribution:
    kind: Kind
    about: tuple[About, ...] = ()


def attribute(
    reading: Reading,
    writer: str,
    found: Sequence[SentMail],
    answered: frozenset[str],
    *,
    by_program: bool,
) -> Attribution:
    """`found`: mails of the account that may be meant; `answered`: Gmail's ids of those it names.

    A report counts only if it names a mail of this account to that recipient; else it is `other`.
    """
    named = [mail for mail in found if mail.by == "token" or mail.message_id in answered]
    if reading.kind in SERVERS:
        about = tuple(_reported(reading, found, named))
        if about:
            return Attribution(reading.kind, about)
        return Attribution("other") if by_program else _told(reading, writer, found, named)
    verdict = next((one.verdict for one in reading.recipients), "none")
    mails = _answered(mailbox_key(writer), found, named)
    return Attribution(reading.kind, tuple(About(mail, verdict) for mail in mails))


# --- reports of servers -----------------------------------------------------------------------


def _reported(
    reading: Reading, found: Sequence[SentMail], named: Sequence[SentMail]
) -> Iterable[About]:
    names_another = bool(reading.token or reading.message_ids)
    pool = named or _of(found, "thread") or ([] if names_another else _of(found, "address"))
    for mail in _latest(pool):
        recipient = _recipient(reading.recipients, mail.address)
        if recipient is not None:
            verdict = _verdict(reading, recipient, mail.address)
            yield About(mail, verdict, recipient.status, mail.by != "address")
        elif _is_alone(reading, mail, named) and len({one.address for one in pool}) == 1:
            yield About(mail, is_proven=mail.by != "address")


def _is_alone(reading: Reading, mail: SentMail, named: Sequence[SentMail]) -> bool:
    """Whether the mail alone says whom it is about: providers black out who complains."""
    return not reading.recipients or (reading.kind == "complaint" and mail in named)


def _recipient(recipients: Iterable[Recipient], address: str) -> Recipient | None:
    """What is reported on this address: as it was written to, wherever the mail went then."""
    for one in recipients:
        if address in {mailbox_key(one.original_address or one.address), mailbox_key(one.address)}:
            return one
    return None


def _verdict(reading: Reading, one: Recipient, address: str) -> Verdict:
    """Of the address that was written to: a list is not dead with a member of it."""
    goes_on = reading.is_original_inferred and mailbox_key(one.address) != address
    return "soft" if goes_on and one.verdict == "dead" else one.verdict


def _told(
    reading: Reading, writer: str, found: Sequence[SentMail], named: Sequence[SentMail]
) -> Attribution:
    """A person may tell in our thread of a bounce of another mail: that is an answer."""
    if reading.kind == "complaint" or not _of(found, "thread"):
        return Attribution("other")
    return Attribution("reply", tuple(map(About, _answered(mailbox_key(writer), found, named))))


# --- answers of persons and their programs ----------------------------------------------------


def _answered(
    writer: str, found: Sequence[SentMail], named: Sequence[SentMail]
) -> Sequence[SentMail]:
    """By the thread, and there by the writer, else by the mail that is answered; else all."""
    pool = _of(found, "thread") or named or _of(found, "address")
    own = [mail for mail in pool if mail.address == writer] or pool
    answered = [mail for mail in own if mail in named] or own
    return _latest(answered)


def _of(found: Sequence[SentMail], by: str) -> list[SentMail]:
    """Of those in a thread some may be named by the token, too."""
    return [mail for mail in found if mail.by == by or (by == "thread" and mail.by == "token")]


def _latest(mails: Iterable[SentMail]) -> list[SentMail]:
    """The last one to each address."""
    last: dict[str, SentMail] = {}
    for mail in sorted(mails, key=lambda one: one.started_at):
        last[mail.address] = mail
    return list(last.values())
