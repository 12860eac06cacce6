"""The look before a follow-up: who has answered in its thread, and which mail it answers."""

import time
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from outreach.campaign.models import Claim, Follows, ReplyTo
from outreach.delivery.mailer import Mailer, ThreadMail
from outreach.mail.answers import subject_of_answer
from outreach.store.mailboxes import Mailboxes

STALE_SECONDS = 600.0
"""The database wants the mailbox read within 900."""


class Looked(NamedTuple):
    at: float
    """When the look began, in seconds of the monotonic clock."""
    reply: ReplyTo | None = None
    """None: the mail opens a thread."""
    stop: str | None = None
    """Why the lead gets no follow-up."""
    wait: str | None = None
    """Why it gets none yet."""


class Look:
    """Looks for one process. Raises what the Mailer raises, and StoreUnavailable."""

    def __init__(
        self, mailer: Mailer, mailboxes: Mailboxes, read_mailbox: Callable[[UUID], bool | None]
    ) -> None:
        """`read_mailbox(account)` reads its mailbox now.

        False when it was not read to its end, None when somebody else reads it.
        """
        self._mailer = mailer
        self._mailboxes = mailboxes
        self._read_mailbox = read_mailbox
        self._read_at: dict[UUID, float] = {}

    def __call__(self, claim: Claim, follows: Follows) -> Looked:
        """One request for each thread of the chain; another reading where somebody wrote."""
        began, account = time.monotonic(), claim.sender.id
        threads: dict[str, list[ThreadMail] | None] = {}
        for mail in follows.mails:
            if mail.thread_id and mail.thread_id not in threads:
                threads[mail.thread_id] = self._mailer.thread(account, mail.thread_id)
        is_news = self._is_news(account, threads)
        if is_news or self._is_stale(account, began):
            is_read = self._read_mailbox(account)
            if is_read is not None:
                self._read_at[account] = began
            if is_news and not is_read:
                return Looked(began, wait="a new mail in its thread could not be read yet")
        if any(_by_hand(mails) for mails in threads.values()):
            return Looked(began, stop="the sender wrote to it by hand")
        return Looked(began, _reply(follows, threads) if follows.in_thread else None)

    def _is_news(self, account: UUID, threads: dict[str, list[ThreadMail] | None]) -> bool:
        """Whether a mail was received that is not recorded yet."""
        received: list[dict[str, str | None]] = [
            {"id": mail.id, "thread": thread}
            for thread, mails in threads.items()
            for mail in mails or []
            if not mail.is_sent
        ]
        if not received:
            return False
        return len(self._mailboxes.pick(account, received).known) < len(received)

    def _is_stale(self, account: UUID, now: float) -> bool:
        return now - self._read_at.get(account, float("-inf")) > STALE_SECONDS


def _by_hand(mails: list[ThreadMail] | None) -> bool:
    return any(mail.is_sent and mail.search_token is None for mail in mails or [])


def _reply(follows: Follows, threads: dict[str, list[ThreadMail] | None]) -> ReplyTo | None:
    """To the last mail; None where its thread is gone, or Gmail names no subject to join it by."""
    last = follows.mails[0] if follows.mails else None
    if last is None or last.thread_id is None:
        return None
    mails = threads[last.thread_id] or []
    answered = next((mail for mail in mails if mail.id == last.message_id), None)
    if answered is None or not answered.message_id or not answered.subject:
        return None
    return ReplyTo(
        thread_id=last.thread_id,
        subject=subject_of_answer(answered.subject),
        message_id=answered.message_id,
        references=[*answered.references, answered.message_id],
    )
