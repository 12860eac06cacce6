"""The changes of one mailbox, as `users.history.list` tells them: what came, and what was deleted.

The ids are milliseconds of Unix time, so they grow over a restart, too.
"""

import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from gmail_sandbox.mail import Message
from gmail_sandbox.refusal import not_found

Change = Literal["messageAdded", "messageDeleted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. It does not hold the message: a draft's bytes must not outlive the draft."""

    id: int
    change: Change
    message_id: str
    thread_id: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, identity: int, change: Change, message: Message) -> "Entry":
        return cls(identity, change, message.id, message.thread_id, message.labels)


class History:
    """The entries of a mailbox, oldest first."""

    def __init__(self) -> None:
        self.last = self._floor = _now()
        self._entries: list[Entry] = []

    def add(self, change: Change, message: Message) -> None:
        self.last = max(self.last + 1, _now())
        self._entries.append(Entry.of(self.last, change, message))
        if change == "messageAdded":
            message.history_id = self.last

    def restore(self, message: Message) -> None:
        """Put in a mail of an earlier sandbox. They come oldest first, before all others."""
        self._floor = min(self._floor, message.history_id - 1)
        self.last = max(self.last, message.history_id)
        self._entries.append(Entry.of(message.history_id, "messageAdded", message))

    def after(self, start: int, kept: int) -> list[Entry]:
        """The entries after an id, if it is known: of all entries the last `kept` are.

        Raises Refusal (404) for an id that is too old, or that never was.
        """
        dropped = max(len(self._entries) - kept, 0)
        floor = self._entries[dropped - 1].id if dropped else self._floor
        if not floor <= start <= self.last:
            raise not_found()
        return self._entries[bisect_right(self._entries, start, key=lambda entry: entry.id) :]


def _now() -> int:
    return int(time.time() * 1000)
