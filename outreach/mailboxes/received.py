"""Records received mails: which concern us, what they say, what follows, each repeatable."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from outreach.inbound import classify
from outreach.inbound.about import answered_ids
from outreach.inbound.charsets import header_text
from outreach.inbound.daemons import may_report, shows_a_program
from outreach.inbound.found_addresses import first
from outreach.inbound.message import Headers, Mail, parse
from outreach.inbound.opt_out import is_click, token_of_click
from outreach.inbound.reading import Reading
from outreach.mailboxes.attribution import SERVERS, attribute
from outreach.mailboxes.consequences import ORIGIN, Entry, suppressions
from outreach.mailboxes.inbox import DRAFT, SENT, Inbox, Listed, ReceivedMail
from outreach.store.mailboxes import AboutMail, LeasedMailbox, SentMail
from outreach.store.store import Store

NAMES = 3
"""Message-IDs of one mail that are searched for."""
OURS = "@mail.gmail.com"
"""Gmail gives every mail that it sends a Message-ID of its own."""


class Recorder:
    """Records mails of one leased mailbox."""

    def __init__(self, leased: LeasedMailbox, reader: UUID, inbox: Inbox, store: Store) -> None:
        self._leased, self._account = leased, leased.account
        self._reader = reader
        self._inbox = inbox
        self._store = store
        self._in_our_threads: frozenset[str] = frozenset()
        self.is_searchable = False
        """Whether the account lets us search for a Message-ID."""
        self.recorded = 0

    def unrecorded(self, mails: list[Listed]) -> list[Listed]:
        """Those that are neither recorded nor our own."""
        if not mails:
            return []
        picked = self._store.mailboxes.pick(
            self._account, [{"id": mail.id, "thread": mail.thread_id} for mail in mails]
        )
        self._in_our_threads = picked.ours
        return [mail for mail in mails if mail.id not in picked.known]

    def record(self, mail: Listed) -> bool:
        """Record the mail if it concerns us; False when another reader has the mailbox.

        Raises TemporarilyUnavailable, and whatever an unforeseen mail causes.
        """
        if mail.id not in self._in_our_threads and not self._concerns_us(mail):
            return True
        received = self._inbox.mail(self._account, mail.id)
        if received is None or received.labels & {SENT, DRAFT}:
            return True
        parsed, reading = parse(received.raw), classify.UNREADABLE
        if parsed is not None:
            reading = classify.read(
                parsed, received=received.received, footers=self._leased.footers
            )
        if parsed is None or reading is classify.UNREADABLE:
            return self._record_unread(mail.id, received, parsed)
        return self._record(mail.id, received.thread_id, received.received, reading, parsed)

    def record_unreadable(self, mail: Listed) -> bool:
        """Record that it could not be read; mails of its thread count as perhaps answered."""
        now = datetime.now(UTC)
        found = self._find(None, [mail.thread_id], [], now)
        return self._save_unread(mail.id, mail.thread_id, now, found)

    def _record_unread(self, mail_id: str, received: ReceivedMail, parsed: Mail | None) -> bool:
        """The same of a mail that nobody understands, if it concerns us."""
        threads: list[str | None] = [received.thread_id]
        writers: list[str] = []
        if parsed is not None:
            threads += self._answered_threads(parsed.headers)
            writers.append(first(parsed.sender))
        found = self._find(None, threads, writers, received.received)
        return not found or self._save_unread(mail_id, received.thread_id, received.received, found)

    def _save_unread(
        self, mail_id: str, thread: str | None, received: datetime, found: list[SentMail]
    ) -> bool:
        about = [AboutMail(one.attempt, "none", "") for one in found]
        return self._save(mail_id, thread, "unreadable", received, Reading("other"), about)

    # --- whether it concerns us ---------------------------------------------------------------

    def _concerns_us(self, mail: Listed) -> bool:
        envelope = self._inbox.envelope(self._account, mail.id)
        if envelope is None or envelope.labels & {SENT, DRAFT}:
            return False
        headers = envelope.headers
        if may_report(headers) or is_click(header_text(headers.get("subject", ""))):
            return True
        writer = first(headers.get("from", ""))
        asked = [
            {"id": mail.id, "thread": thread, "sender": writer}
            for thread in (None, *self._answered_threads(headers))
        ]
        return bool(self._store.mailboxes.pick(self._account, asked).ours)

    def _answered_threads(self, headers: Headers) -> list[str | None]:
        """Of mails of this mailbox that it answers, under another subject or behind a forward."""
        ours = [one for one in answered_ids(headers) if one.endswith(OURS)]
        return [one.thread_id for one in self._named(ours)]

    # --- what it says, and what follows -------------------------------------------------------

    def _record(
        self,
        mail_id: str,
        thread: str | None,
        received: datetime,
        reading: Reading,
        parsed: Mail,
    ) -> bool:
        writer = first(parsed.sender)
        token = reading.token or (
            token_of_click(parsed.subject) if reading.kind == "unsubscribe" else None
        )
        answered = self._answered(reading, token)
        threads = [thread, *(one.thread_id for one in answered)]
        addresses = [one.address for one in reading.recipients]
        addresses += [one.original_address for one in reading.recipients if one.original_address]
        found = self._find(token, threads, [*addresses, writer], received)
        attribution = attribute(
            reading,
            writer,
            found,
            frozenset(one.id for one in answered),
            by_program=shows_a_program(parsed),
        )
        if not attribution.about and reading.kind not in SERVERS:
            return True  # a stranger's mail: nothing of it is kept
        self._suppress(suppressions(attribution, writer, thread))
        about = [AboutMail(one.mail.attempt, one.verdict, one.status) for one in attribution.about]
        return self._save(mail_id, thread, attribution.kind, received, reading, about)

    def _answered(self, reading: Reading, token: str | None) -> list[Listed]:
        """The mails of this mailbox that it names, where nothing surer names one."""
        return [] if token else self._named(reading.message_ids)

    def _named(self, message_ids: Iterable[str]) -> list[Listed]:
        """The mails of this mailbox among these, of which the nearest stand first.

        Gmail's come first: the nearest, and the one that began it all, which is ours however many
        mails others wrote among themselves since.
        """
        if not self.is_searchable:
            return []
        unique = dict.fromkeys(message_ids)
        ours = [one for one in unique if one.endswith(OURS)]
        others = [one for one in unique if not one.endswith(OURS)]
        searched = [*ours[: NAMES - 1], *ours[NAMES - 1 :][-1:], *others][:NAMES]
        found = (self._inbox.named(self._account, one) for one in searched)
        return [one for one in found if one is not None]

    def _find(
        self,
        token: str | None,
        threads: list[str | None],
        addresses: list[str],
        received: datetime,
    ) -> list[SentMail]:
        return self._store.mailboxes.find(
            self._account,
            token=token,
            threads=list({one for one in threads if one}),
            addresses=list({one for one in addresses if one}),
            received=received,
        )

    def _suppress(self, entries: list[Entry]) -> None:
        by_owner = sorted(entries, key=lambda entry: str(entry.owner))
        for _, own in groupby(by_owner, key=lambda entry: entry.owner):
            same = list(own)
            rows = [entry.row() for entry in same]
            self._store.suppress(rows, ORIGIN, owner=same[0].owner)

    def _save(
        self,
        mail_id: str,
        thread: str | None,
        kind: str,
        received: datetime,
        reading: Reading,
        about: list[AboutMail],
    ) -> bool:
        saved = self._store.mailboxes.record(
            self._account,
            self._reader,
            gmail_id=mail_id,
            thread=thread,
            kind=kind,
            received=received,
            back_on=reading.back_on,
            mails=about,
        )
        self.recorded += saved == "recorded"
        return saved != "not_ours"
