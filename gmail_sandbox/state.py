"""All that a running sandbox knows."""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from gmail_sandbox.archive import Folder
from gmail_sandbox.faults import Faults
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.tokens import Tokens


class Behaviour(BaseModel):
    """POST /sandbox/settings; seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index_lag_seconds: float = Field(default=0, ge=0)
    """A mail is found by `q` only after this."""
    latency_seconds: float = Field(default=0, ge=0)
    """Every answer of the Gmail API waits so long; what it answers has happened before."""


class State:
    def __init__(self, data: Path | None = None) -> None:
        self.mailbox = Mailbox(Folder(data) if data else None)
        self.tokens = Tokens()
        self.faults = Faults()
        self.behaviour = Behaviour()
        self.requests: Counter[str] = Counter()
        """Requests a method, refused and broken ones too."""

    def reset(self) -> None:
        """As new: no mail (nor its files), token, fault or count is left."""
        self.mailbox.clear()
        self.tokens.clear()
        self.faults.clear()
        self.behaviour = Behaviour()
        self.requests.clear()
