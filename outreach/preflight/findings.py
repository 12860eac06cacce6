"""Findings of a check: problems, and the leads or accounts that have them.

An error certainly keeps mails from leaving, all of them or a lead's, until a person fixes it, or
lets them leave with content that a recipient must not see. A warning may be intended.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from pydantic import Field, computed_field

from outreach.campaign.models import Model

EXAMPLES = 3


class Problem(NamedTuple):
    """One kind of problem; equal for all leads or accounts that have it."""

    severity: Literal["error", "warning"]
    check: str
    """The subject of the check, in a word or two."""
    message: str
    """The problem, for people; without addresses."""
    remedy: str = ""
    company: str = ""
    """The company of the template with the problem."""


class Finding(Model):
    """A problem and its leads or accounts: an element of `campaigns check --json`."""

    severity: Literal["error", "warning"]
    check: str
    message: str
    remedy: str
    """The remedy; may be empty."""
    company: str
    """The company of the template with the problem; empty when it is not about a template."""
    count: int
    """Number of leads with the problem."""
    examples: list[str]
    """Some of their addresses, or of the accounts'."""

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


class RecipientDomains(Model):
    """How many domains of recipients DNS was asked about."""

    looked_up: int = 0
    unknown: int = 0
    """Of these, those of which DNS told nothing."""
    leads_left: int = 0
    """Leads of further domains, which were not looked up."""


class CheckedStep(Model):
    """A follow-up in the report of a check."""

    id: UUID
    step: int
    """Its number; the first campaign is step 1."""
    status: str
    leads: int
    """Those that it has to mail if nobody leaves the chain."""
    done_at: datetime | None
    """When its last mail leaves then; None: in more than ten years, unknown, or no mail."""


class Report(Model):
    """The result of a check: the shape of `outreach campaigns check --json`."""

    id: UUID
    name: str
    status: str
    pending: int
    """Leads that are to be mailed; of a follow-up those that are not planned yet, too."""
    looked_at: int
    """The number of these that were checked, from the first on."""
    accounts: int
    starts_in_seconds: float
    """0: as soon as it is started."""
    seconds: float | None
    """From now until the last mail leaves; None: more than ten years, or unknown."""
    done_at: datetime | None
    skip_dates: list[date] = Field(default_factory=list)
    """Dates on which its window does not open."""
    errors: int
    warnings: int
    findings: list[Finding]
    notes: list[str]
    """Of the domains in DNS: what is no problem, or not known. They block nothing."""
    recipient_domains: RecipientDomains
    steps: list[CheckedStep] = Field(default_factory=list)
    """Follow-ups of its chain, by number."""
    chain_seconds: float | None = None
    """From now until the last mail of its chain, if nobody leaves it; None as for `seconds`, and
    without follow-ups."""
    chain_done_at: datetime | None = None

    def blocks(self, *, strict: bool = False) -> bool:
        return bool(self.errors or (strict and self.warnings))


class Tally:
    """Adds up problems; keeps a count and some examples of each."""

    def __init__(self) -> None:
        self._count: dict[Problem, int] = {}
        self._examples: dict[Problem, list[str]] = {}

    def add(self, problem: Problem, *examples: str, count: int = 1) -> None:
        self._count[problem] = self._count.get(problem, 0) + count
        kept = self._examples.setdefault(problem, [])
        kept += examples[: EXAMPLES - len(kept)]

    def rows(self) -> Iterator[tuple[Problem, int, list[str]]]:
        """Each problem with its count and examples."""
        for problem, count in self._count.items():
            yield problem, count, self._examples[problem]

    def findings(self) -> list[Finding]:
        """Errors first, then by number of leads."""
        order = sorted(self._count, key=lambda x: (x.severity, -self._count[x]))
        return [
            Finding(**x._asdict(), count=self._count[x], examples=self._examples[x]) for x in order
        ]
