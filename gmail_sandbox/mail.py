"""A message in a mailbox of the sandbox: its metadata, and its text on request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from outreach.mail import parts

Via = Literal["messages.send", "drafts.send"]
DRAFT, SENT = "DRAFT", "SENT"
UNREAD, INBOX, SPAM, TRASH = "UNREAD", "INBOX", "SPAM", "TRASH"
MINIMAL = ("id", "account", "to", "accepted_at")


@dataclass(eq=False)
class Message:
    """A sent mail, a received one, or the message inside a draft."""

    id: str
    thread_id: str
    account: str
    to: str
    """The To addresses, in lower case, joined with a comma; nearly always one."""
    recipients: tuple[str, ...]
    """All recipients: To, Cc and Bcc."""
    subject: str
    message_id: str
    at: float
    """Unix time in seconds of its acceptance, or of the draft's creation."""
    size: int
    via: Via | None = None
    """How it was sent; None for what was not."""
    labels: tuple[str, ...] = (DRAFT,)
    sender: str = ""
    """The From field, decoded."""
    history_id: int = 0
    read: Callable[[], bytes] = field(default=bytes, repr=False)

    @property
    def is_draft(self) -> bool:
        return DRAFT in self.labels

    @cached_property
    def words(self) -> str:
        """Subject and decoded body in lower case, as `q` searches them."""
        return parts.searchable(self.subject, self.read())

    def summary(self) -> dict[str, Any]:
        """The shape of a row of GET /sandbox/mails."""
        return {
            "id": self.id,
            "thread_id": self.thread_id,
            "account": self.account,
            "to": self.to,
            "subject": self.subject,
            "message_id_header": self.message_id,
            "accepted_at": self.at,
            "via": self.via,
            "size": self.size,
        }

    def record(self) -> dict[str, Any]:
        """Its line in an archive."""
        return {
            **self.summary(),
            "recipients": self.recipients,
            "labels": self.labels,
            "sender": self.sender,
            "history_id": self.history_id,
        }

    def received(self) -> dict[str, Any]:
        """The shape of a row of GET /sandbox/inbound."""
        return {**self.summary(), "from": self.sender, "labels": self.labels}

    @classmethod
    def restored(cls, record: dict[str, Any], read: Callable[[], bytes]) -> "Message":
        """From its line; that of an earlier version lacks the last three fields."""
        return cls(
            id=record["id"],
            thread_id=record["thread_id"],
            account=record["account"],
            to=record["to"],
            recipients=tuple(record["recipients"]),
            subject=record["subject"],
            message_id=record["message_id_header"],
            at=record["accepted_at"],
            size=record["size"],
            via=record["via"],
            labels=tuple(record.get("labels", (SENT,))),
            sender=record.get("sender", ""),
            history_id=record.get("history_id", int(record["id"], 16) >> 20),
            read=read,
        )


@dataclass(frozen=True, slots=True)
class Draft:
    id: str
    message: Message
