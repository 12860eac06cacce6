"""A sent mail as an answer to it needs it, and the header fields that every answer has."""

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime

from gmail_sandbox.envelope import head
from gmail_sandbox.mail import Message
from gmail_sandbox.writing import EOL, clean, part
from outreach.mail import headers, parts

WHOLE = 100_000
"""Bytes of a mail that a report returns whole; of a longer one it returns the header."""
QUOTED = 20_000
"""Characters of our text that a reply quotes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an answer shall say, where it is not the usual."""

    text: str | None = None
    """The person's own words, or the away notice."""
    sender: str | None = None
    """An address in place of the recipient's."""
    status: str = "5.1.1"
    """Of a bounce: RFC 3463's code."""
    back_on: date | None = None
    """Of an away notice; None: in a week."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A sent mail; text that its sender chose is cleaned of what would begin another header."""

    account: str
    lead: str
    subject: str
    message_id: str
    sender: str
    at: datetime
    raw: bytes

    @classmethod
    def of(cls, message: Message) -> "Answered":
        return cls(
            account=message.account,
            lead=message.recipients[0],
            subject=clean(message.subject),
            message_id=message.message_id,
            sender=clean(message.sender),
            at=datetime.fromtimestamp(message.at, UTC),
            raw=message.read(),
        )

    @property
    def domain(self) -> str:
        """The lead's."""
        return self.lead.rpartition("@")[2]

    def references(self) -> list[str]:
        return [headers.tokens(name, self.message_id) for name in ("In-Reply-To", "References")]

    def returned(self) -> bytes:
        """The part of a report that holds the mail."""
        if len(self.raw) <= WHOLE:
            return part("message/rfc822", self.raw)
        return part("text/rfc822-headers", head(self.raw) + EOL.encode())

    def text(self) -> str:
        tree = parts.tree(self.raw)
        plain = parts.text_of(tree, "text/plain")
        if plain is None:
            plain = parts.without_markup(parts.text_of(tree, "text/html") or "")
        return plain[:QUOTED]

    def fields(self, sender: str, subject: str, name: str = "") -> list[str]:
        """Of a mail that this address sends to the account."""
        domain = sender.rpartition("@")[2]
        now = format_datetime(datetime.now(UTC))
        return [
            f"Delivered-To: {self.account}",
            f"Received: from mail.{domain} by mx.google.com with ESMTPS;{EOL} {now}",
            headers.mailbox("From", name, sender),
            f"To: {self.account}",
            headers.text("Subject", subject),
            f"Date: {now}",
            f"Message-ID: <{secrets.token_hex(12)}@mail.{domain}>",
        ]
