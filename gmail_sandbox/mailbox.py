"""The mailboxes of all accounts, and the exact record of every accepted mail.

One lock guards everything: of two `drafts.send` at the same instant one finds the draft, the other
gets 404.
"""

import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from threading import RLock

from gmail_sandbox import threads
from gmail_sandbox.archive import Archive, Memory
from gmail_sandbox.envelope import Envelope, as_delivered, new_message_id, refused_as_draft
from gmail_sandbox.history import Entry, History
from gmail_sandbox.index import Index
from gmail_sandbox.mail import INBOX, SENT, SPAM, UNREAD, Draft, Message, Via
from gmail_sandbox.refusal import not_found
from outreach.mail.parts import decoded


class Mailbox:
    def __init__(self, archive: Archive | None = None) -> None:
        self._lock = RLock()
        self._archive = archive or Memory()
        self._forget()
        for message in self._archive.load():
            self._add(message)
            self._history(message.account).restore(message)

    def _forget(self) -> None:
        self._histories: dict[str, History] = {}
        """By account: every account has one."""
        self._index = Index()
        self._drafts: dict[str, dict[str, Draft]] = defaultdict(dict)
        self._sent: dict[str, Message] = {}
        self._received: dict[str, Message] = {}
        self._last_id = 0

    def _add(self, message: Message) -> None:
        self.open_account(message.account)
        self._last_id = max(self._last_id, int(message.id, 16))
        self._index.add(message)
        if not message.is_draft:
            (self._sent if message.via else self._received)[message.id] = message

    def _new_id(self, now: float) -> str:
        """16 hex digits that grow with time."""
        self._last_id = max(self._last_id + 1, int(now * 1000) << 20)
        return f"{self._last_id:016x}"

    # --- accounts ---------------------------------------------------------------------------

    def open_account(self, email: str) -> None:
        with self._lock:
            self._histories.setdefault(email, History())

    def has_account(self, email: str) -> bool:
        with self._lock:
            return email in self._histories

    def accounts(self) -> list[str]:
        with self._lock:
            return list(self._histories)

    def _history(self, account: str) -> History:
        self.open_account(account)
        return self._histories[account]

    def history(self, account: str, start: int, kept: int) -> tuple[list[Entry], int]:
        """The changes after an id (see History.after), and the id of the latest one.

        Raises Refusal.
        """
        with self._lock:
            history = self._history(account)
            return history.after(start, kept), history.last

    def history_id(self, account: str) -> int:
        with self._lock:
            return self._history(account).last

    # --- sending ----------------------------------------------------------------------------

    def send(self, account: str, raw: bytes, thread_id: str | None = None) -> Message:
        """Accept a mail. Raises Refusal when Gmail would not."""
        return self._accept(account, raw, thread_id, "messages.send")

    def send_draft(self, account: str, draft_id: str, raw: bytes | None = None) -> Message:
        """Accept a draft, and delete it; `raw` replaces its content first.

        Raises Refusal when it does not exist (sent or deleted before) or may not leave; a refused
        one stays a draft.
        """
        with self._lock:
            draft = self.draft(account, draft_id)
            raw = draft.message.read() if raw is None else raw
            recipients = Envelope.of(raw).deliverable()
            thread_id = draft.message.thread_id
            message = self._keep(account, raw, recipients, thread_id, "drafts.send")
            self.delete_draft(account, draft_id)
            return message

    def _accept(self, account: str, raw: bytes, thread_id: str | None, via: Via) -> Message:
        recipients = Envelope.of(raw).deliverable()
        with self._lock:
            thread_id = self._joined(account, raw, thread_id)
            return self._keep(account, raw, recipients, thread_id, via)

    def _keep(
        self, account: str, raw: bytes, recipients: tuple[str, ...], thread_id: str | None, via: Via
    ) -> Message:
        message_id = new_message_id()
        delivered = as_delivered(raw, account, message_id)
        message = self._message(account, delivered, recipients, thread_id)
        message.message_id, message.via, message.labels = message_id, via, (SENT,)
        return self._archived(message, delivered)

    def _archived(self, message: Message, raw: bytes) -> Message:
        self._history(message.account).add("messageAdded", message)
        self._archive.keep(message, raw)
        self._add(message)
        return message

    def _joined(self, account: str, raw: bytes, thread_id: str | None) -> str | None:
        """The thread that a mail with this `threadId` is in; None for a new one.

        Raises Refusal for a thread that does not exist.
        """
        if thread_id is None:
            return None
        thread = self.thread(account, thread_id)
        return thread_id if threads.joins(Envelope.of(raw), thread) else None

    def _message(
        self,
        account: str,
        raw: bytes,
        recipients: tuple[str, ...],
        thread_id: str | None,
        to: str | None = None,
    ) -> Message:
        """`to`: in place of the field To, which is not checked where the mail is not ours."""
        envelope, now = Envelope.of(raw), time.time()
        identity = self._new_id(now)
        return Message(
            id=identity,
            thread_id=thread_id or identity,
            account=account,
            to=", ".join(envelope.addresses("to")) if to is None else to,
            recipients=recipients,
            subject=envelope.subject(),
            message_id=envelope.first("message-id") or "",
            at=now,
            size=len(raw),
            sender=decoded(envelope.first("from") or ""),
        )

    # --- receiving --------------------------------------------------------------------------

    def receive(self, account: str, raw: bytes, *, spam: bool = False) -> Message:
        """Deliver a mail of somebody else, as it is: to the thread of the nearest mail it names."""
        answered = threads.named(Envelope.of(raw))
        with self._lock:
            ours = self._index.first_of(account, answered)
            thread_id = ours.thread_id if ours else None
            message = self._message(account, raw, (account,), thread_id, to=account)
            message.labels = (UNREAD, SPAM if spam else INBOX)
            return self._archived(message, raw)

    # --- drafts -----------------------------------------------------------------------------

    def create_draft(self, account: str, raw: bytes, thread_id: str | None = None) -> Draft:
        """Keep a draft, even one without a recipient. Raises Refusal for an invalid one."""
        recipients = Envelope.of(raw).recipients()
        if refusal := refused_as_draft(recipients):
            raise refusal
        with self._lock:
            thread_id = self._joined(account, raw, thread_id)
            message = self._message(account, raw, recipients, thread_id)
            message.read = lambda: raw
            draft = Draft(f"r{secrets.randbelow(9 * 10**18) + 10**18}", message)
            self._drafts[account][draft.id] = draft
            self._history(account).add("messageAdded", message)
            self._add(message)
            return draft

    def delete_draft(self, account: str, draft_id: str) -> None:
        with self._lock:
            message = self._drafts[account].pop(self.draft(account, draft_id).id).message
            self._index.remove_draft(message)
            self._history(account).add("messageDeleted", message)

    def draft(self, account: str, draft_id: str) -> Draft:
        with self._lock:
            draft = self._drafts[account].get(draft_id)
        if draft is None:
            raise not_found()
        return draft

    def drafts(self, account: str | None = None) -> list[Draft]:
        """Newest first; of all accounts without an `account`."""
        with self._lock:
            kept = self._drafts[account] if account else _merged(self._drafts.values())
            return sorted(kept.values(), key=lambda draft: draft.message.id, reverse=True)

    # --- reading ----------------------------------------------------------------------------

    def message(self, account: str, message_id: str) -> Message:
        with self._lock:
            message = self._index.message(account, message_id)
        if message is None:
            raise not_found()
        return message

    def messages(self, account: str) -> list[Message]:
        """All of an account, newest first."""
        with self._lock:
            return self._index.messages(account)

    def thread(self, account: str, thread_id: str) -> list[Message]:
        with self._lock:
            messages = self._index.thread(account, thread_id)
        if not messages:
            raise not_found()
        return messages

    # --- the record -------------------------------------------------------------------------

    def sent(self, since: float = 0) -> list[Message]:
        """Every mail accepted after `since` (Unix time), of all accounts, oldest first."""
        with self._lock:
            return [message for message in self._sent.values() if message.at > since]

    def sent_count(self) -> int:
        return len(self._sent)

    def sent_mail(self, message_id: str) -> Message | None:
        with self._lock:
            return self._sent.get(message_id)

    def received(self, since: float = 0) -> list[Message]:
        """Every mail that came after `since` (Unix time), for all accounts, oldest first."""
        with self._lock:
            return [message for message in self._received.values() if message.at > since]

    def received_count(self) -> int:
        return len(self._received)

    def received_mail(self, message_id: str) -> Message | None:
        with self._lock:
            return self._received.get(message_id)

    def duplicates(self, since: float = 0) -> dict[str, int]:
        """Every address that got more than one mail, with their number."""
        counts = Counter(to for mail in self.sent(since) for to in set(mail.recipients))
        return {address: count for address, count in counts.items() if count > 1}

    def clear(self) -> None:
        with self._lock:
            self._archive.clear()
            self._forget()

    def close(self) -> None:
        self._archive.close()


def _merged(drafts: Iterable[dict[str, Draft]]) -> dict[str, Draft]:
    return {draft.id: draft for kept in drafts for draft in kept.values()}
