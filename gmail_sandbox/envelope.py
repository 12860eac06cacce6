"""The part of a message that Gmail reads before acceptance: its header fields, never its body."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, getaddresses

from gmail_sandbox.refusal import Refusal, invalid
from outreach.mail.parts import HEAD_END, decoded

FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)\n?", re.MULTILINE)
ATOM = r"[^\s@<>()\[\]\\,;:\".]+"
LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
ADDRESS = re.compile(rf"(?:{ATOM}(?:\.{ATOM})*|\"[^\"\r\n]+\")@{LABEL}(?:\.{LABEL})+")
EMPTY = re.compile(r"\s*(?:[^@:;]*:\s*;)?\s*")  # nothing, or an empty group
LONGEST_ADDRESS = 254
RECIPIENT_FIELDS = ("to", "cc", "bcc")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The header of a message: names in lower case, values unfolded but not decoded."""

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, raw: bytes) -> "Envelope":
        found = FIELD.finditer(head(raw))
        return cls(tuple((m[1].decode("ascii").lower(), unfold(m[2])) for m in found))

    def first(self, name: str) -> str | None:
        return next((value for field, value in self.fields if field == name), None)

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a field, in lower case. Raises Refusal when one of them is invalid."""
        values = [v for field, v in self.fields if field == name and not EMPTY.fullmatch(v)]
        found = [address for _, address in getaddresses(values)]
        for address in found:
            # The parser repairs invalid addresses: `a b@c.example` becomes another one.
            if not is_address(address) or not any(address in value for value in values):
                raise invalid(f"Invalid {name.title()} header")
        return tuple(address.lower() for address in found)

    def recipients(self) -> tuple[str, ...]:
        """All of To, Cc and Bcc. Raises Refusal when a field has a syntax error."""
        return tuple(a for name in RECIPIENT_FIELDS for a in self.addresses(name))

    def deliverable(self) -> tuple[str, ...]:
        """The recipients of a mail that may leave. Raises Refusal when it may not."""
        recipients = self.recipients()
        if not recipients:
            raise invalid("Recipient address required")
        if any(is_refused(address) for address in recipients):
            raise invalid("Invalid To header")
        return recipients

    def subject(self) -> str:
        return decoded(self.first("subject") or "")


def head(raw: bytes) -> bytes:
    end = HEAD_END.search(raw)
    return raw[: end.start()] if end else raw


def unfold(value: bytes) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", value.decode("utf-8", "replace")).strip()


def is_address(address: str) -> bool:
    return len(address) <= LONGEST_ADDRESS and ADDRESS.fullmatch(address) is not None


def is_refused(address: str) -> bool:
    """Whether the sandbox always refuses it: `refused…@anywhere`, `anyone@refused.example`."""
    return address.startswith("refused") or address.endswith("@refused.example")


def refused_as_draft(recipients: tuple[str, ...]) -> Refusal | None:
    """At refused.example even a draft is refused; `refused…` elsewhere only when it is sent."""
    if any(address.endswith("@refused.example") for address in recipients):
        return invalid("Invalid To header")
    return None


def new_message_id() -> str:
    return f"<CA{secrets.token_urlsafe(32)}@mail.gmail.com>"


def as_delivered(raw: bytes, account: str, message_id: str) -> bytes:
    """The bytes that a recipient gets: Gmail's own Message-ID, no Bcc, a From of the account."""
    front = head(raw)
    eol = b"\r\n" if b"\r\n" in front or front == raw else b"\n"
    kept = [
        m[0].strip(b"\r\n")
        for m in FIELD.finditer(front)
        if m[1].lower() not in {b"message-id", b"bcc"}
        and not (m[1].lower() == b"from" and account not in unfold(m[2]).lower())
    ]
    names = {line.partition(b":")[0].strip().lower() for line in kept}
    kept.append(b"Message-ID: " + message_id.encode())
    if b"from" not in names:
        kept.append(b"From: " + account.encode())
    if b"date" not in names:
        kept.append(b"Date: " + format_datetime(datetime.now(UTC)).encode())
    rest = raw[len(front) :] or eol + eol
    return eol.join(kept) + rest
