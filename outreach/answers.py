"""What the SQL functions answer, one model each; the words are the functions' own."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from outreach.models import Claim, LeadCounts, Model


class Begun(Model):
    """The answer of begin_run."""

    answer: Literal["begun", "wait", "paused", "already_running", "already_ended"]
    name: str = ""
    status: str = ""
    wait_seconds: float = 0


class Checked(Model):
    """All that can stop a campaign before its first mail."""

    name: str
    attachment: str | None
    accounts: int
    pace_seconds: list[float | None] | None
    leads: LeadCounts
    misassigned: int
    opens: bool
    """False when the campaign's sending window never opens."""


class Batch(Model):
    """The answer of claim_leads."""

    answer: Literal["claimed", "later", "done", "stopped"]
    claims: list[Claim] = Field(default_factory=list)
    wait_seconds: float = 0
    waiting_for: str = ""
    reason: str = ""


class Due(Model):
    """A campaign to run now; `key` makes Prefect create one run for it and no more."""

    id: UUID
    name: str | None
    key: str
    dead_run: UUID | None = None
    """The run that owned it and fell silent."""


class Dispatched(Model):
    id: UUID
    flow_run: UUID


class Attempted(Model):
    """The answer of begin_attempt."""

    answer: Literal["go", "wait", "deferred", "failed", "not_ours", "settled"]
    budget_seconds: float = 0
    wait_seconds: float = 0
    reason: str = ""


class Finished(Model):
    """The answer of finish_run."""

    answer: Literal["ended", "deferred", "paused", "superseded"]
    status: str
    error: str | None = None
    leads: LeadCounts
    resume_seconds: float | None = None
    waiting_for: str | None = None


class Created(Model):
    id: UUID
    leads: int
    skipped: list[str]
    """Addresses that were left out because another lead has the same."""


class Imported(Model):
    added: int = 0
    updated: int = 0
    companies_added: int = 0


class Reason(Model):
    reason: str
    leads: int
