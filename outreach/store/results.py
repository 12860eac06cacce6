"""What the SQL functions answer, one model each; the words are the functions' own."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from outreach.campaign.models import Called, Claim, LeadCounts, Model, Pace, Seconds, Told
from outreach.store.schema import State


class InstalledRelease(Model):
    """The database's release, and how it differs from the one that the caller named."""

    version: str
    state: State


class Begun(Model):
    """The answer of begin_run."""

    answer: Literal["begun", "wait", "paused", "already_running", "already_ended", "failed"]
    """`failed`: asking found the third owner in a row dead, or what `reason` says, which ended the
    campaign in error."""
    name: Called = ""
    status: str = ""
    wait_seconds: Seconds = 0
    reason: Told = ""
    error: Told | None = None


class Checked(Model):
    """All that can stop a campaign before its first mail."""

    name: Called
    attachment: str | None
    accounts: int
    pace_seconds: list[Pace | None] | None
    leads: LeadCounts
    misassigned: int
    opens: bool
    """False when the campaign's sending window never opens."""


class Batch(Model):
    """The answer of claim_leads."""

    answer: Literal["claimed", "later", "done", "stopped"]
    claims: list[Claim] = Field(default_factory=list)
    wait_seconds: Seconds = 0
    waiting_for: str = ""
    reason: str = ""
    installed: InstalledRelease | None = None
    """None where the database's schema is this version's."""


class Exposed(Model):
    """A role of the web app's users that can read the tokens of accounts: of exposed_tokens."""

    role: str
    rows: Literal["all", "policy"]
    """Of every account, or of those that a policy gives to the role's users."""
    statement: str
    """What keeps them from it: the rights on all other columns stay."""

    @property
    def message(self) -> str:
        whose = "every account" if self.rows == "all" else "the accounts that a policy gives it"
        return f"The role {self.role} can read refresh_token of {whose}"


class Due(Model):
    """A campaign to run now, or one that is given up: nobody began its last three runs."""

    answer: Literal["due", "given_up"]
    id: UUID
    name: Called | None
    key: str = ""
    """Makes Prefect create one run for it and no more."""
    dead_run: UUID | None = None
    """The run that owned it and fell silent, or was to and never began."""


class Dispatched(Model):
    id: UUID
    flow_run: UUID


class Suspension(Model):
    """A campaign whose run is suspended in Prefect."""

    id: UUID
    flow_run: UUID
    held: bool
    """False once a person resumed or ended the campaign without Prefect."""


class Places(Model):
    """How many campaigns are sent at once, out of `CAMPAIGNS_AT_ONCE`."""

    taken: int
    """Campaigns that a run has, or was asked for just now."""
    waiting: int
    """Campaigns that are due and have no run."""


class Attempted(Model):
    """The answer of begin_attempt."""

    answer: Literal["go", "wait", "deferred", "failed", "not_ours", "settled"]
    budget_seconds: Seconds = 0
    wait_seconds: Seconds = 0
    reason: str = ""


class Finished(Model):
    """The answer of finish_run."""

    answer: Literal["ended", "deferred", "paused", "superseded"]
    status: str
    error: Told | None = None
    leads: LeadCounts
    resume_seconds: Seconds | None = None
    waiting_for: Told | None = None
    suspended: bool = False
    """Whether it is this run, suspended in Prefect, that the paused campaign waits for."""

    @property
    def result(self) -> dict[str, bool | int]:
        """What a run answers; the counts are the campaign's, over all its runs."""
        return {
            "success": self.error is None,
            "emails_sent": self.leads.sent,
            "total_leads": self.leads.total,
        }


class Created(Model):
    id: UUID
    leads: int
    skipped: list[str]
    """Addresses that were left out because another lead has the same."""
    subject_variables: bool = False
    """Whether its subjects are filled for each lead."""


class TextChanged(Model):
    """A campaign that is not ended, some of whose leads are mailed another text than before."""

    id: UUID
    name: str
    status: str
    leads: int
    """Those that are yet to be mailed."""


class KeptApart(Model):
    """A company of a file whose domain another company has, too."""

    company: str
    domain: str
    other: str | None


class Imported(Model):
    """The answer of import_leads."""

    added: int = 0
    updated: int = 0
    companies_added: int = 0
    text_changed: list[TextChanged] = Field(default_factory=list)
    kept_apart: list[KeptApart] = Field(default_factory=list)
    shared_domains: list[str] = Field(default_factory=list)
    """Domains of the file that say nothing about a company, such as gmail.com."""

    def plus(self, more: "Imported") -> "Imported":
        """Both calls together: a campaign, a company and a domain once each."""
        campaigns = {one.id: one for one in self.text_changed}
        for one in more.text_changed:
            before = campaigns[one.id].leads if one.id in campaigns else 0
            campaigns[one.id] = one.model_copy(update={"leads": before + one.leads})
        return Imported(
            added=self.added + more.added,
            updated=self.updated + more.updated,
            companies_added=self.companies_added + more.companies_added,
            text_changed=[*campaigns.values()],
            kept_apart=[*dict.fromkeys([*self.kept_apart, *more.kept_apart])],
            shared_domains=[*dict.fromkeys([*self.shared_domains, *more.shared_domains])],
        )


class Reason(Model):
    reason: Told
    leads: int


class AccountSummary(Model):
    """What one account has of a campaign; addresses are whole here, and masked where shown."""

    email: str | None
    """None where the account's row is gone."""
    sent: int
    failed: int
    pending: int
    cancelled: int
    sent_by_run: int
    per_minute: float | None
    """Between the run's first and last mail; None for fewer than two."""
