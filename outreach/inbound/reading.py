"""The reading of a received mail: its kind, and what it says of each recipient of ours."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["bounce", "delay", "complaint", "auto", "away", "unsubscribe", "reply", "other"]
"""`auto` is any other automatic answer: a ticket, a receipt. `other` asks for nothing: a mail that
cannot be read, a notice of delivery, a newsletter.
"""

Verdict = Literal["dead", "block", "soft", "delay", "held", "none"]
"""What follows for an address.

- `dead`: no mail reaches it, now or later.
- `block`: the recipient's server refuses this sender or this content; the address may be good.
- `soft`: it did not arrive this time: a full mailbox, a time-out.
- `delay`: the server still tries.
- `held`: a reply that may be an opt-out; a person has to look.
"""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address that a mail reports on, or its writer where something follows for the writer."""

    address: str
    """As the mail spells it: where the mail went in the end."""
    status: str
    """RFC 3463's code, such as `5.1.1`; empty when the mail has none."""
    verdict: Verdict
    original_address: str | None = None
    """The address that was written to, where it was forwarded from there; else null."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a received mail is taken for."""

    kind: Kind
    recipients: tuple[Recipient, ...] = ()
    """Of a bounce, delay, complaint or notice of delivery: the addresses that it reports on. Of an
    opt-out and of a reply that is held: its writer.
    """
    message_ids: tuple[str, ...] = ()
    """The Message-IDs that it names, without angle brackets, the surest first: of the mail that it
    returns, then of those that it answers. Not all have to be ours.
    """
    is_original_inferred: bool = False
    """Whether no server named the one recipient's original address, but the returned mail or the
    notice did: the verdict may be that of a list's member or of a private copy.
    """
    token: str | None = None
    """Our own header (`X-Outreach-Token`) in the mail that it returns. Never to be shown."""
    back_on: date | None = None
    """The first day on which the person is back, of an away notice that names it."""
    own_words: str | None = None
    """A person's own new text: without quotes and signature. Of a reply and an opt-out."""
    why: str = ""
    """The rule that decided, in words."""

    @property
    def original_message_id(self) -> str | None:
        """The Message-ID of the mail that it is about, as far as it says so."""
        return self.message_ids[0] if self.message_ids else None
