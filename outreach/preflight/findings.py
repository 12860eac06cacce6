"""What a check finds: problems, and whom each concerns.

An error is what surely keeps mails from leaving, all of them or a lead's, until a person mends it,
or lets them leave with what no recipient may see.
A warning may be meant so.
"""

from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from pydantic import computed_field

from outreach.campaign.models import Model

EXAMPLES = 3


class Problem(NamedTuple):
    """One kind of thing that is wrong; the same for every lead or account that has it."""

    severity: Literal["error", "warning"]
    check: str
    """In a word or two: what was looked at."""
    message: str
    """What is wrong, for a person; without anybody's address."""
    remedy: str = ""
    company: str = ""
    """Whose template it is about."""


class Finding(Model):
    """A problem and whom it concerns: an element of `campaigns check --json`."""

    severity: Literal["error", "warning"]
    check: str
    message: str
    remedy: str
    """What to do about it; may be empty."""
    company: str
    """Whose template it is about; empty for what is about none."""
    count: int
    """Leads that it concerns."""
    examples: list[str]
    """Addresses of some of them, or of the accounts."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def what(self) -> str:
        """The former name of `message`."""
        return self.message

    @computed_field  # type: ignore[prop-decorator]
    @property
    def todo(self) -> str:
        """The former name of `remedy`."""
        return self.remedy


class Report(Model):
    """All that a check found: the shape of `outreach campaigns check --json`."""

    id: UUID
    name: str
    status: str
    pending: int
    """Leads that are to be mailed."""
    looked_at: int
    """Of these, the first so many were looked at."""
    accounts: int
    starts_in_seconds: float
    """0: as soon as it is started."""
    seconds: float | None
    """From now until the last mail leaves; None: more than ten years, or nobody can tell."""
    done_at: datetime | None
    errors: int
    warnings: int
    findings: list[Finding]

    def blocks(self, *, strict: bool = False) -> bool:
        return bool(self.errors or (strict and self.warnings))


class Tally:
    """Problems as they are met, added up; what is kept of each is its number and some examples."""

    def __init__(self) -> None:
        self._count: dict[Problem, int] = {}
        self._examples: dict[Problem, list[str]] = {}

    def add(self, problem: Problem, *examples: str, count: int = 1) -> None:
        self._count[problem] = self._count.get(problem, 0) + count
        kept = self._examples.setdefault(problem, [])
        kept += examples[: EXAMPLES - len(kept)]

    def findings(self) -> list[Finding]:
        """Errors first, and what concerns most leads before the rest."""
        order = sorted(self._count, key=lambda x: (x.severity, -self._count[x]))
        return [
            Finding(**x._asdict(), count=self._count[x], examples=self._examples[x]) for x in order
        ]
