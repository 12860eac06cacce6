"""The nouns: what the database hands out and what became of a mail. Frozen; no I/O.

Durations are seconds as floats and come from the database's clock: a machine's own clock is
never compared with it.
"""

from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, computed_field

from outreach.excerpts import REASON, cut, one_line

LONGEST_NAME = 200
SLOWEST = 86_400.0
TEN_YEARS = 10 * 365.25 * 86_400


def _within_ten_years(seconds: float) -> float:
    """A row may hold `infinity`, which no clock of ours can wait for or tell."""
    return max(-TEN_YEARS, min(seconds, TEN_YEARS))


Called = Annotated[str, AfterValidator(lambda name: one_line(name, LONGEST_NAME))]
"""A name, for people: whoever wrote it into its row, it is short and on one line."""
Told = Annotated[str, AfterValidator(lambda text: cut(text, REASON))]
"""A reason or an error: whoever wrote it, it is short."""
Pace = Annotated[float, AfterValidator(lambda s: s if isfinite(s) and s < SLOWEST else SLOWEST)]
"""Seconds between two mails of an account, as the database takes them: at most a day."""
Seconds = Annotated[float, AfterValidator(_within_ten_years)]
"""A duration as the database tells it: ten years at most, in the future or the past."""


class Model(BaseModel):
    """Immutable, and tolerant of fields that a newer schema may add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# --- one lead to mail -----------------------------------------------------------------------


class Sender(Model):
    """The account as its recipients see it."""

    id: UUID
    email: str
    name: str | None = None
    reply_to: str | None = None


class Lead(Model):
    email: str
    name: str | None = None
    role: str | None = None
    custom_fields: dict[str, Any] = Field(default_factory=dict)
    unreadable: str | None = None
    """Why the custom fields were not handed out: the lead cannot be mailed."""


class Company(Model):
    """Any field may be missing: old rows have gaps, and a lead may have no company."""

    name: str | None = None
    domain: str | None = None
    email_subject: str | None = None
    email_template: str | None = None

    @property
    def called(self) -> str:
        """Its name or its domain, short and on one line; empty where it has neither."""
        return one_line(self.name or self.domain)


BUILT_IN = {
    "name": "name",
    "email": "email",
    "role": "role",
    "company": "company",
    "company_name": "company",
    "domain": "domain",
}
"""What templates may call the values that every lead has, whatever else is called so."""


class Draft(Model):
    """A draft that an earlier attempt left behind unsent: the mail to send, as it is."""

    id: str
    thread_id: str | None = None
    search_token: str


class Claim(Model):
    """One lead, handed to one run to be mailed in `wait_seconds`. Holds no secret."""

    id: UUID
    """campaign_leads.id: what the tracking pixel carries and every record is keyed by."""
    token: UUID
    """The fence: only its holder may begin an attempt for this lead."""
    wait_seconds: Seconds
    due: float = 0
    """When to send it, on the monotonic clock of the process that claimed it."""
    sender: Sender
    lead: Lead
    company: Company
    subject_variables: bool = False
    """Whether the subject is filled for the lead; else it is sent as it stands."""
    draft: Draft | None = None


# --- what became of it ----------------------------------------------------------------------


class Sent(Model):
    """Gmail has it. The ids are missing only where the account's scopes cannot read them back."""

    kind: Literal["sent"] = "sent"
    message_id: str | None = None
    thread_id: str | None = None


class Failed(Model):
    """It certainly did not leave and never will."""

    kind: Literal["failed"] = "failed"
    reason: str


class Deferred(Model):
    """It certainly did not leave and may go later."""

    kind: Literal["deferred"] = "deferred"
    reason: str
    retry_after: float | None = None
    """Seconds; None leaves it to the database, which waits longer each time."""


class Unclear(Model):
    """It may have left; a person has to look."""

    kind: Literal["unclear"] = "unclear"
    reason: str


class Open(Model):
    """It may have left, and it is too early to tell: the attempt stays open for settling."""

    kind: Literal["open"] = "open"
    reason: str


class NotOurs(Model):
    """Somebody else decides about this lead now: nothing was sent, nothing was recorded."""

    kind: Literal["not_ours"] = "not_ours"
    reason: str


Outcome = Sent | Failed | Deferred | Unclear | Open | NotOurs


class OpenAttempt(Model):
    """A mail that may be on its way: written before it could leave, its outcome unknown."""

    id: UUID
    campaign_id: UUID
    campaign_lead_id: UUID
    account_id: UUID
    address: str = ""
    account: str = ""
    """The address of its sender; empty where the account is gone."""
    draft_id: str | None = None
    thread_id: str | None = None
    search_token: str
    age_seconds: float
    """Since `started_at`, on the database's clock."""
    campaign_cancelled: bool = False
    campaign_paused: bool = False


# --- what the Mailer finds when it looks for a mail --------------------------------------------


class StillDraft(Model):
    """The draft lies in the account, unsent."""


class WasSent(Model):
    message_id: str
    thread_id: str | None = None


class Gone(Model):
    """No draft and no mail was found; `readable` says whether the account could have shown one."""

    readable: bool


Finding = StillDraft | WasSent | Gone


# --- accounts -------------------------------------------------------------------------------


class Credentials(Model):
    """What it takes to act for an account. Read when needed, kept in memory only."""

    email: str
    refresh_token: SecretStr | None = None


class Account(Model):
    """An account as an operator sees it; no secret."""

    id: UUID
    email: str
    sender_name: str | None = None
    reply_to: str | None = None
    status: str
    status_reason: Told | None = None
    paused_seconds: Seconds | None = None
    """How long the account still rests after a quota answer; None when it does not."""
    pace_seconds: Pace | None = None
    """None: SEND_PACE_SECONDS."""
    daily_limit: int | None = None
    """None: ACCOUNT_DAILY_LIMIT."""
    sent_today: int = 0
    """Mails of the last 24 hours that left or may have."""
    connected: bool = False
    """Whether a refresh token is stored."""


class ListedAccount(Account):
    """A row of `outreach accounts list --json`: with what holds for it where it has no own."""

    pace_in_force: float
    limit_in_force: int


# --- campaigns ------------------------------------------------------------------------------


class LeadCounts(Model):
    pending: int = 0
    sent: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        return self.pending + self.sent + self.failed + self.cancelled


class CampaignStatus(Model):
    """The shape of `outreach campaigns status --json`: a contract with scripts."""

    id: UUID
    name: Called
    status: str
    error: Told | None = None
    resume_at: datetime | None = None
    leads: LeadCounts
    flow_run_ids: list[str] = Field(default_factory=list)
    created_at: datetime | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    paused_at: datetime | None = None
    """A paused campaign keeps the status that the web app knows."""
    waiting_for: Told | None = None
    accounts: list[str] = Field(default_factory=list)
    """The addresses that send it."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        """Its leads, whatever became of them."""
        return self.leads.total

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress(self) -> float:
        """Per cent of them that are done, to a tenth; of a campaign without leads all."""
        done = self.leads.total - self.leads.pending
        return round(100 * done / self.leads.total, 1) if self.leads.total else 100.0


class LeadFailure(Model):
    """One time that a lead failed: it stays when the lead is tried again."""

    failed_at: datetime | None
    """None: nobody noted when; it was another sender's."""
    reason: Told


class CampaignLead(Model):
    """The shape of one row of `outreach campaigns leads --json`: a contract with scripts."""

    email: str | None
    status: str
    account: str | None
    sent_at: datetime | None
    thread_id: str | None
    message_id: str | None
    error: Told | None
    """Why it is failed now."""
    failed_at: datetime | None = None
    """When it failed last, also where it was tried again since."""
    failures: list[LeadFailure] = Field(default_factory=list)
    """Each time that it failed, the first one first; of more than a hundred the last hundred."""


class ExportedLead(CampaignLead):
    """A row of `outreach campaigns export`: all that is known of a lead."""

    id: UUID
    """campaign_leads.id, which `outreach campaigns resolve` takes."""
    name: str | None
    company: str | None
    role: str | None
    opened_at: datetime | None


# --- leads ----------------------------------------------------------------------------------


class ListedLead(Model):
    """A row of `outreach leads list --json`: a contract with scripts."""

    id: UUID
    """leads.id."""
    email: str | None
    name: str | None
    role: str | None
    company: str | None
    tags: list[str]
    campaigns: LeadCounts
    """In how many campaigns it has which status."""
    sent_at: datetime | None
    """When it was mailed last, by whatever campaign."""
