"""Mail that is injected: given as it is, or composed as the answer to a sent mail."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gmail_sandbox import incoming
from gmail_sandbox.answered import Wish
from gmail_sandbox.answers import Kind, compose
from gmail_sandbox.envelope import is_address
from gmail_sandbox.handover import with_verdict
from gmail_sandbox.mail import Message
from gmail_sandbox.refusal import Refusal
from gmail_sandbox.state import State

Address = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True)]


class Inbound(BaseModel):
    """POST /sandbox/inbound: `account` and `raw`, or `kind` and `mail`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: Address | None = None
    raw: str | None = None
    """The mail in base64, of either alphabet."""
    kind: Kind | None = None
    mail: str | None = None
    """The id of the sent mail that this is an answer to."""
    text: str | None = None
    """The person's own words, or the away notice."""
    sender: Address | None = None
    """Writes in place of the recipient: a reply from another address."""
    status: str = Field(default="5.1.1", pattern=r"^[45]\.[0-9]{1,3}\.[0-9]{1,3}$")
    """Of a bounce: RFC 3463's code."""
    back_on: date | None = None
    spam: bool = False
    """To the folder Spam in place of the inbox."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if {name for name in ("account", "raw", "kind", "mail") if getattr(self, name)} not in (
            {"account", "raw"},
            {"kind", "mail"},
        ):
            raise ValueError("give account and raw, or kind and mail")
        for address in filter(None, (self.account, self.sender)):
            if not is_address(address):
                raise ValueError(f"{address!r} is not an address")
        return self

    @property
    def wish(self) -> Wish:
        return Wish(self.text, self.sender, self.status, self.back_on)


def deliver(state: State, asked: Inbound) -> Message:
    """Put the mail into its mailbox; a given one as it is, a composed one with Google's verdict.

    Raises ValueError where there is no such mail.
    """
    mailbox = state.mailbox
    if asked.kind is None:
        return mailbox.receive(asked.account or "", _decoded(asked.raw or ""), spam=asked.spam)
    answered = mailbox.sent_mail(asked.mail or "")
    if answered is None:
        raise ValueError(f"there is no sent mail {asked.mail!r}; GET /sandbox/mails lists them")
    raw = with_verdict(compose(asked.kind, answered, asked.wish), state.behaviour.authentication)
    return mailbox.receive(answered.account, raw, spam=asked.spam)


def _decoded(raw: str) -> bytes:
    try:
        return incoming.decode(raw)
    except Refusal as refused:
        raise ValueError(refused.message) from None
