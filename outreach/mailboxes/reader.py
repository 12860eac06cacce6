"""Reads one mailbox: from its cursor to now, each mail of concern once, whatever dies in between.

The cursor moves only past what is recorded. Who dies leaves it, and the next one reads the same.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from outreach import commands
from outreach.delivery.modes import METADATA, READ, UNREAD, named
from outreach.errors import (
    AccountUnusable,
    ConfigurationError,
    OutreachError,
    QuotaReached,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from outreach.mailboxes.inbox import HistoryExpiredError, Inbox, Listed
from outreach.mailboxes.received import Recorder
from outreach.store.mailboxes import LeasedMailbox, Mailboxes
from outreach.store.store import Store

LEASE_SECONDS = 60.0
"""A reader that died leaves the mailbox to the next one after that."""
RENEW_SECONDS = 20.0
TRIES = 3
"""Of a mail within a round."""
ROUNDS = 3
"""In so many a mail could not be read: it is noted as unreadable, and passed over."""
CANNOT_READ_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class ReadMailbox:
    """How the reading of one mailbox ended."""

    account: UUID
    email: str
    recorded: int
    """Mails that were recorded in this round."""
    is_whole: bool
    """Whether all that had come was recorded, or needs no record."""
    problem: str | None = None
    is_new: bool = False
    """Whether the problem is another than that of the reading before."""
    needs_person: bool = False
    """Whether it stays until the account is connected again; others pass."""


class LostMailboxError(Exception):
    """Another reader has it: this one was silent for longer than its lease."""


class Reader:
    """Reads mailboxes that it has leased, from any thread."""

    def __init__(self, reader: UUID, store: Store, inbox: Inbox) -> None:
        self._id = reader
        self._store = store
        self._inbox = inbox

    def read(self, leased: LeasedMailbox) -> ReadMailbox:
        """Read it to its end and give it back. Raises StoreUnavailable; then the lease lapses."""
        one = _Mailbox(leased, self._id, self._inbox, self._store.mailboxes)
        one.recorder = Recorder(leased, self._id, self._inbox, self._store)
        try:
            one.read()
        except LostMailboxError:
            return one.ended(is_whole=False)
        except StoreUnavailable:
            raise
        except QuotaReached as error:
            return one.failed(str(error), error.retry_after)
        except AccountUnusable as error:
            return replace(one.failed(str(error)), needs_person=True)
        except (OutreachError, ConfigurationError) as error:
            return one.failed(str(error))
        return one.ended()


class _Mailbox:
    """The way through one mailbox."""

    recorder: Recorder

    def __init__(
        self, leased: LeasedMailbox, reader: UUID, inbox: Inbox, mailboxes: Mailboxes
    ) -> None:
        self._leased, self._account = leased, leased.account
        self._reader = reader
        self._inbox = inbox
        self._mailboxes = mailboxes
        self._renewed = time.monotonic()
        self._scopes: str | None = None
        self._readable: bool | None = None

    def read(self) -> None:
        granted = self._inbox.scopes(self._account)
        self._scopes, self._readable = ", ".join(named(granted)), bool(granted & READ)
        if not self._readable:
            remedy = f"grant that with {commands.connect_account(self._leased.email)}"
            raise AccountUnusable(UNREAD, remedy)
        self.recorder.is_searchable = METADATA not in granted
        if self._leased.history_id is None:
            self._read_list(None)
            return
        try:
            self._read_history(self._leased.history_id)
        except HistoryExpiredError:
            self._read_list(self._leased.since)

    def ended(self, *, is_whole: bool = True) -> ReadMailbox:
        return ReadMailbox(self._account, self._leased.email, self.recorder.recorded, is_whole)

    def failed(self, why: str, wait_seconds: float | None = None) -> ReadMailbox:
        is_new = self._mailboxes.fail(
            self._account,
            self._reader,
            why,
            readable=self._readable,
            scopes=self._scopes,
            wait_seconds=CANNOT_READ_SECONDS if self._readable is False else wait_seconds,
        )
        return replace(self.ended(is_whole=False), problem=why, is_new=is_new)

    # --- from the cursor on, or by the list --------------------------------------------------

    def _read_history(self, cursor: str) -> None:
        for page in self._inbox.added(self._account, cursor):
            self._read_page(page.mails)
            cursor = page.history_id or cursor
            self._keep(cursor)
        self._finish(cursor, None)

    def _read_list(self, gap_since: datetime | None) -> None:
        """From the newest mail back. What arrives meanwhile comes after the cursor."""
        cursor = self._inbox.position(self._account)
        for page in self._inbox.all_mails(self._account):
            self._read_page(page.mails)
            self._keep(None)
            if page.mails and self._is_old(page.mails[-1]):
                break
        self._finish(cursor, gap_since)

    def _is_old(self, mail: Listed) -> bool:
        envelope = self._inbox.envelope(self._account, mail.id)
        return envelope is not None and envelope.received < self._leased.since

    def _keep(self, cursor: str | None) -> None:
        if not self._mailboxes.keep(self._account, self._reader, LEASE_SECONDS, cursor):
            raise LostMailboxError
        self._renewed = time.monotonic()

    def _finish(self, cursor: str, gap_since: datetime | None) -> None:
        scopes = self._scopes or ""
        self._mailboxes.finish(
            self._account, self._reader, cursor, scopes=scopes, gap_since=gap_since
        )

    # --- one page -----------------------------------------------------------------------------

    def _read_page(self, mails: list[Listed]) -> None:
        """Raises TemporarilyUnavailable unless each mail is recorded or needs no record."""
        waiting = self.recorder.unrecorded([mail for mail in mails if not mail.is_own])
        others = len(waiting) - 1
        for _ in range(TRIES):
            waiting = [mail for mail in waiting if not self._tried(mail)]
            if not waiting:
                return
        if others and len(waiting) > others:
            raise TemporarilyUnavailable("Gmail gives none of the new mails.")
        if left := [mail for mail in waiting if not self._passed_over(mail)]:
            raise TemporarilyUnavailable(f"{len(left)} new mail(s) could not be read yet.")

    def _tried(self, mail: Listed) -> bool:
        """Whether it needs nothing more."""
        if time.monotonic() > self._renewed + RENEW_SECONDS:
            self._keep(None)
        try:
            held = self.recorder.record(mail)
        except (StoreUnavailable, QuotaReached, AccountUnusable, ConfigurationError):
            raise
        except Exception:  # noqa: BLE001 - one mail, whatever it holds, stops no mailbox
            return False
        if not held:
            raise LostMailboxError
        return True

    def _passed_over(self, mail: Listed) -> bool:
        if self._mailboxes.note_unread(self._account, mail.id) < ROUNDS:
            return False
        return self.recorder.record_unreadable(mail)
