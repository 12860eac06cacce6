"""State of a running sandbox."""

from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gmail_sandbox.archive import Folder
from gmail_sandbox.faults import Faults
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.tokens import Tokens

Authentication = Literal["pass", "fail", "unsigned"]


class Behaviour(BaseModel):
    """POST /sandbox/settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index_lag_seconds: float = Field(default=0, ge=0)
    """Seconds until `q` finds a mail."""
    latency_seconds: float = Field(default=0, ge=0)
    """Seconds of delay of every response of the Gmail API; the request is done before the delay."""
    history_kept: int = Field(default=100_000, ge=0)
    """Number of a mailbox's last changes that `history.list` knows; an id before them is 404."""
    authentication: Authentication = "pass"
    """Google's verdict on mails that come in; `unsigned`: it signed with its own domain alone."""


class State:
    def __init__(self, data: Path | None = None) -> None:
        self.mailbox = Mailbox(Folder(data) if data else None)
        self.tokens = Tokens()
        self.faults = Faults()
        self.behaviour = Behaviour()
        self.requests: Counter[str] = Counter()
        """Number of requests by method, with refused and broken ones."""

    def reset(self) -> None:
        """Delete all mails (and their files), tokens, faults and counts."""
        self.mailbox.clear()
        self.tokens.clear()
        self.faults.clear()
        self.behaviour = Behaviour()
        self.requests.clear()
