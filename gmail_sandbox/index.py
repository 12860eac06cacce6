"""The messages of all mailboxes, found by id, by thread and by Message-ID."""

from collections import defaultdict
from collections.abc import Iterable

from gmail_sandbox.mail import Message


class Index:
    """Not locked: the mailboxes' lock guards it."""

    def __init__(self) -> None:
        self._messages: dict[str, dict[str, Message]] = defaultdict(dict)
        self._threads: dict[tuple[str, str], dict[str, Message]] = defaultdict(dict)
        self._mails: dict[tuple[str, str], Message] = {}

    def add(self, message: Message) -> None:
        self._messages[message.account][message.id] = message
        self._threads[message.account, message.thread_id][message.id] = message
        if not message.is_draft:
            self._mails[message.account, message.message_id] = message

    def remove_draft(self, message: Message) -> None:
        del self._messages[message.account][message.id]
        thread = self._threads[message.account, message.thread_id]
        del thread[message.id]
        if not thread:
            del self._threads[message.account, message.thread_id]

    def message(self, account: str, message_id: str) -> Message | None:
        return self._messages[account].get(message_id)

    def messages(self, account: str) -> list[Message]:
        """All of an account, newest first."""
        return list(reversed(self._messages[account].values()))

    def thread(self, account: str, thread_id: str) -> list[Message]:
        """Oldest first; empty for a thread that does not exist."""
        return list(self._threads.get((account, thread_id), {}).values())

    def first_of(self, account: str, message_ids: Iterable[str]) -> Message | None:
        """The first mail of the account that one of these Message-IDs names; drafts have none."""
        found = (self._mails.get((account, identity)) for identity in message_ids)
        return next((mail for mail in found if mail), None)
