"""Results of the SQL functions, one model each; words are those of the functions."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from outreach.campaign.durations import format_duration
from outreach.campaign.models import Called, Claim, LeadCounts, Model, Pace, Seconds, Told
from outreach.store.schema import State


class InstalledRelease(Model):
    """The database's release, and how it differs from the caller's."""

    version: str
    state: State


class Begun(Model):
    """The result of begin_run."""

    answer: Literal["begun", "wait", "paused", "already_running", "already_ended", "failed"]
    """`failed`: this call found the third owner in a row dead, or the fault in `reason`, and ended
    the campaign in error.
    """
    name: Called = ""
    status: str = ""
    wait_seconds: Seconds = 0
    reason: Told = ""
    error: Told | None = None


class Checked(Model):
    """Everything that can stop a campaign before its first mail."""

    name: Called
    attachment: str | None
    list_unsubscribe: bool = False
    """Whether its mails have the header fields to unsubscribe."""
    footer: str | None = None
    """A template below each of its mails."""
    accounts: int
    pace_seconds: list[Pace | None] | None
    leads: LeadCounts
    misassigned: int
    opens: bool
    """False when the campaign's send window never opens."""


class Batch(Model):
    """The result of claim_leads."""

    answer: Literal["claimed", "later", "done", "stopped"]
    claims: list[Claim] = Field(default_factory=list)
    wait_seconds: Seconds = 0
    waiting_for: str = ""
    reason: str = ""
    installed: InstalledRelease | None = None
    """None when the database's schema is this version's."""


class WebTrial(Model):
    """The last trial of a web app's address: whether it unsubscribes by POST."""

    canary: str
    """The token of the trial: the address knows it, and unsubscribes nobody by it."""
    answers: bool
    problem: Told | None = None
    age_seconds: Seconds


class Exposed(Model):
    """A role of the web app's users that can read accounts' tokens; from exposed_tokens."""

    role: str
    rows: Literal["all", "policy"]
    """Tokens of all accounts, or of those that a policy gives to the role's users."""
    statement: str
    """SQL that revokes it; the rights on all other columns stay."""

    @property
    def message(self) -> str:
        whose = "every account" if self.rows == "all" else "the accounts that a policy gives it"
        return f"The role {self.role} can read refresh_token of {whose}"


class Due(Model):
    """A campaign to run now, or one that is given up: its last three runs never began."""

    answer: Literal["due", "given_up"]
    id: UUID
    name: Called | None
    key: str = ""
    """Idempotency key: Prefect creates exactly one run for it."""
    dead_run: UUID | None = None
    """The run that owned it and fell silent, or was dispatched and never began."""


class Dispatched(Model):
    id: UUID
    flow_run: UUID


class Suspension(Model):
    """A campaign whose run is suspended in Prefect."""

    id: UUID
    flow_run: UUID
    held: bool
    """False when a person has resumed or ended the campaign without Prefect."""


class Places(Model):
    """Usage of the places in `CAMPAIGNS_AT_ONCE`."""

    taken: int
    """Campaigns that have a run, or for which one was asked just now."""
    waiting: int
    """Campaigns that are due and have no run."""


class DispatcherSeen(Model):
    """A worker's dispatcher that was seen in the last two minutes."""

    name: Called
    woken_by: Literal["notifications", "polls"]
    seen_seconds: Seconds
    """Since then."""
    leads: bool


class DispatcherState(Model):
    dispatchers: list[DispatcherSeen]
    rows_tell: bool
    """Whether the trigger on campaigns is there and on."""


class CampaignsByState(Model):
    """Campaigns that have not ended: each has one of these states."""

    due: int
    """A run of it could begin now, and it has none."""
    sending: int
    waiting: int
    """For its time, a limit, or a run that was asked for."""
    paused: int


class AccountsByState(Model):
    active: int
    resting: int
    """Gmail asked for a pause."""
    unusable: int
    """A person has to connect it again."""


class MailboxesByState(Model):
    """Mailboxes of active accounts that somebody has tried to read."""

    read: int
    failing: int
    """The last reading failed; it is tried again."""
    unreadable: int
    """Its account lets nobody read."""


class OperatingFigures(Model):
    """The result of operating_figures: the metrics of the database."""

    campaigns: CampaignsByState
    places_taken: int
    campaign_lag_seconds: Seconds
    """Of the campaign that is due for longest; 0 for one whose row has no time."""
    lead_lag_seconds: Seconds
    """Of the claimed lead whose time passed first; a claim lapses after CLAIM_LEASE_SECONDS."""
    open_attempts: int
    """Mails in flight and in doubt, without those of paused campaigns."""
    oldest_open_attempt_seconds: Seconds
    accounts: AccountsByState
    mailboxes: MailboxesByState
    mailbox_age_seconds: Seconds
    """Since the last whole reading of the mailbox that was read longest ago."""


class Attempted(Model):
    """The result of begin_attempt."""

    answer: Literal["go", "wait", "deferred", "failed", "cancelled", "not_ours", "settled"]
    budget_seconds: Seconds = 0
    wait_seconds: Seconds = 0
    reason: str = ""


class Unsubscribed(Model):
    """The result of unsubscribe."""

    answer: Literal["done", "already", "unknown", "canary"]
    """`unknown`: no mail has this token; `canary`: it is that of a trial, see WebTrial."""
    campaign: UUID | None = None


class Suppressed(Model):
    """The result of suppress."""

    added: int = 0
    known: int = 0
    """Those that were suppressed already; they keep their date."""
    left_out: list[str] = Field(default_factory=list)
    """Domains of many people or companies, such as gmail.com."""


class StillHeld(Model):
    """An address that another suppression holds, after its own was lifted."""

    key: str
    why: Told


class Lifted(Model):
    """The result of lift_suppressions."""

    lifted: int
    still: list[StillHeld] = Field(default_factory=list)


class SweptSuppressions(Model):
    """The result of sweep_suppressed."""

    suppressions: int
    leads: int


class Finished(Model):
    """The result of finish_run."""

    answer: Literal["ended", "deferred", "paused", "superseded"]
    status: str
    error: Told | None = None
    leads: LeadCounts
    resume_seconds: Seconds | None = None
    waiting_for: Told | None = None
    suspended: bool = False
    """Whether the paused campaign waits for this run, which is suspended in Prefect."""

    @property
    def told_next(self) -> str:
        """`goes on in 2 hours, after the daily limit of …`; `waits for …` without a time."""
        if self.answer == "paused" or self.resume_seconds is None:
            return f"waits for {self.waiting_for}"
        return f"goes on in {format_duration(self.resume_seconds)}, after {self.waiting_for}"

    @property
    def result(self) -> dict[str, bool | int]:
        """The return value of a run; counts are the campaign's, over all its runs."""
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
    """Whether its subjects are templates."""


class TextChanged(Model):
    """A campaign that has not ended, and whose leads partly get another text than before."""

    id: UUID
    name: str
    status: str
    leads: int
    """Those that are not mailed yet."""


class KeptApart(Model):
    """A company of a file whose domain another company has, too."""

    company: str
    domain: str
    other: str | None


class Imported(Model):
    """The result of import_leads."""

    added: int = 0
    updated: int = 0
    companies_added: int = 0
    text_changed: list[TextChanged] = Field(default_factory=list)
    kept_apart: list[KeptApart] = Field(default_factory=list)
    shared_domains: list[str] = Field(default_factory=list)
    """Domains of the file that do not identify a company, such as gmail.com."""
    erased: int = 0
    """Rows of persons who were erased: they are left out."""

    def plus(self, more: "Imported") -> "Imported":
        """The sum of both calls; each campaign, company and domain once."""
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
            erased=self.erased + more.erased,
        )


class AddedStep(Model):
    """The result of add_step."""

    id: UUID
    step: int
    """Its number; the first campaign is step 1."""
    due: int
    """Leads that are due at once."""


class Erased(Model):
    """The result of erase_person."""

    answer: Literal["erased", "later"]
    """`later`: a mail to the address is on its way; nobody mails it from now on."""
    leads: int = 0
    mails: int = 0


class Reason(Model):
    reason: Told
    leads: int


class Recounted(Model):
    """The shape of `outreach db recount --json`: a contract with scripts."""

    rows: int
    """Of a day, campaign, account and template each."""
    changed: int
    """Rows that differed; 0 is usual."""


class AccountSummary(Model):
    """One account's part of a campaign; its address is whole here and masked in output."""

    email: str | None
    """None when the account was deleted."""
    sent: int
    failed: int
    pending: int
    cancelled: int
    sent_by_run: int
    per_minute: float | None
    """Mails per minute between the run's first and last mail; None for fewer than two."""
