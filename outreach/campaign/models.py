"""Models of the database's rows and of a mail's outcomes. Frozen; no I/O.

Durations are seconds as floats, from the database's clock: they are never compared with a machine's
own clock.
"""

from datetime import date, datetime
from math import isfinite
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, computed_field

from outreach.campaign.durations import format_duration
from outreach.excerpts import REASON, cut, one_line

LONGEST_NAME = 200
SLOWEST = 86_400.0
TEN_YEARS = 10 * 365.25 * 86_400


def _within_ten_years(seconds: float) -> float:
    """A row may hold `infinity`, which a clock can neither wait for nor show."""
    return max(-TEN_YEARS, min(seconds, TEN_YEARS))


Called = Annotated[str, AfterValidator(lambda name: one_line(name, LONGEST_NAME))]
"""A name for display: cut to LONGEST_NAME and one line, whatever its row holds."""
Told = Annotated[str, AfterValidator(lambda text: cut(text, REASON))]
"""A reason or an error for display: cut to REASON characters, whatever its row holds."""
Pace = Annotated[float, AfterValidator(lambda s: s if isfinite(s) and s < SLOWEST else SLOWEST)]
"""Seconds between two mails of an account, limited to a day as in the database."""
Seconds = Annotated[float, AfterValidator(_within_ten_years)]
"""Seconds, limited to ten years in the future or the past."""


class Model(BaseModel):
    """Immutable; ignores unknown fields, which a newer schema may add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# --- one lead to mail -----------------------------------------------------------------------


class Sender(Model):
    """The account as recipients see it."""

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
    """Why the custom fields could not be read: the lead cannot be mailed."""


class Company(Model):
    """Any field may be missing: old rows have gaps, and a lead may have no company."""

    name: str | None = None
    domain: str | None = None
    email_subject: str | None = None
    email_template: str | None = None

    @property
    def called(self) -> str:
        """Its name or its domain, cut and on one line; empty without both."""
        return one_line(self.name or self.domain)


BUILT_IN = {
    "name": "name",
    "email": "email",
    "role": "role",
    "company": "company",
    "company_name": "company",
    "domain": "domain",
}
"""Names in templates for the values that every lead has. They win over custom fields."""


class Draft(Model):
    """An unsent draft of an earlier attempt, which is sent if its mail is still the right one."""

    id: str
    thread_id: str | None = None
    search_token: str
    fingerprint: str | None = None
    """Of its mail, see Composed; None: of a worker of an older release."""


class FollowedMail(Model):
    """A mail of the chain that a lead has got."""

    message_id: str | None
    thread_id: str | None


class Follows(Model):
    """What a follow-up follows."""

    in_thread: bool
    """Whether it belongs into the thread of the last mail; else it opens one."""
    mails: list[FollowedMail]
    """The last one first."""


class ReplyTo(Model):
    """The mail that a mail answers, in its thread."""

    thread_id: str
    subject: str
    """Of the answer."""
    message_id: str
    """With its angle brackets."""
    references: list[str] = Field(default_factory=list)
    """Message-IDs of the thread so far, the oldest first, that one among them."""


class Claim(Model):
    """One lead, claimed by one run, to be mailed in `wait_seconds`. Holds no secret."""

    id: UUID
    """campaign_leads.id: the tracking pixel carries it, and every record has it as key."""
    token: UUID
    """The fencing token: only its holder may begin an attempt for this lead."""
    wait_seconds: Seconds
    due: float = 0
    """When to send it, in seconds of the claiming process's monotonic clock."""
    sender: Sender
    lead: Lead
    company: Company
    subject_variables: bool = False
    """Whether the subject is a template; else it is sent unchanged."""
    own_text: bool = False
    """Whether subject or body belong to the lead and not to its company."""
    draft: Draft | None = None
    follows: Follows | None = None
    """None: it is no follow-up."""
    reply: ReplyTo | None = None
    """Found by a look at the thread, right before it is sent."""


# --- its outcome ----------------------------------------------------------------------------


class Sent(Model):
    """Gmail accepted it. Ids are missing only when the account's scopes do not give them."""

    kind: Literal["sent"] = "sent"
    message_id: str | None = None
    thread_id: str | None = None


class Failed(Model):
    """It certainly did not leave and never will."""

    kind: Literal["failed"] = "failed"
    reason: str


class Deferred(Model):
    """It certainly did not leave and may leave later."""

    kind: Literal["deferred"] = "deferred"
    reason: str
    retry_after: float | None = None
    """Seconds; None: the database's backoff decides."""


class Unclear(Model):
    """It may have left; an operator has to check."""

    kind: Literal["unclear"] = "unclear"
    reason: str


class Open(Model):
    """It may have left, and it is too early to know: the attempt stays open for the reconciler."""

    kind: Literal["open"] = "open"
    reason: str


class Cancelled(Model):
    """Its address is suppressed: nothing was sent, and that is no failure."""

    kind: Literal["cancelled"] = "cancelled"
    reason: str


class NotOurs(Model):
    """Another run or an operator decides about this lead now: nothing was sent or recorded."""

    kind: Literal["not_ours"] = "not_ours"
    reason: str


Outcome = Sent | Failed | Deferred | Unclear | Open | Cancelled | NotOurs


class OpenAttempt(Model):
    """A mail that may have left: recorded before it could leave, its outcome unknown."""

    id: UUID
    campaign_id: UUID
    campaign_lead_id: UUID
    account_id: UUID
    address: str = ""
    account: str = ""
    """The sender's address; empty when the account was deleted."""
    draft_id: str | None = None
    thread_id: str | None = None
    search_token: str
    joins: bool = False
    """Whether its thread is that of an earlier mail."""
    age_seconds: float
    """Since `started_at`, on the database's clock."""
    campaign_cancelled: bool = False
    campaign_paused: bool = False


# --- findings of the Mailer in a search for a mail ---------------------------------------------


class StillDraft(Model):
    """The draft is in the account, unsent."""


class WasSent(Model):
    message_id: str
    thread_id: str | None = None


class Gone(Model):
    """Neither draft nor mail was found; `readable`: whether the account allowed reading them."""

    readable: bool


Finding = StillDraft | WasSent | Gone


# --- accounts -------------------------------------------------------------------------------


class Credentials(Model):
    """Credentials of an account. Read when needed, kept in memory only."""

    email: str
    refresh_token: SecretStr | None = None


class Ramp(Model):
    """A daily limit that grows by `step` with each day that sent, up to the full limit."""

    begin: int
    step: int
    days: int
    """Days of 24 hours in which it sent and that are over."""
    limit: int
    """begin + step x days; the full limit may be lower."""
    frozen: bool = False
    """Whether it does not grow, because too many mails came back dead."""
    day_ends_seconds: Seconds | None = None
    """Until the day that it sends in is over; None: its next mail begins one."""


class MailboxState(Model):
    """How far an account's mailbox was read, and what came back to it in the last 30 days."""

    can_read: bool | None = None
    """Whether the account lets us read it; None: nobody asked yet."""
    scopes: str | None = None
    """What the account granted, by Gmail's short names."""
    read_at: datetime | None = None
    """All that arrived before was read; None: never read."""
    unread_seconds: Seconds | None = None
    """Since when mails may have come unread; None where no mail has left yet."""
    problem: Told | None = None
    """Why the last reading failed; None when it did not."""
    gap_from: datetime | None = None
    """From then until `gap_until` Gmail had forgotten what changed; all mails were looked at."""
    gap_until: datetime | None = None
    replied: int = 0
    """Mails that were answered."""
    bounced: int = 0
    """Mails that came back, blocked ones aside."""
    blocked: int = 0
    """Mails that the recipient's server refused for the sender or the content."""


class Account(Model):
    """An account as an operator sees it; no secret."""

    id: UUID
    email: str
    sender_name: str | None = None
    reply_to: str | None = None
    status: str
    status_reason: Told | None = None
    paused_seconds: Seconds | None = None
    """Seconds left of its rest; None when it does not rest."""
    rest_reason: Told | None = None
    """Why it rests; None: Gmail asked for it, or it does not rest."""
    pace_seconds: Pace | None = None
    """Seconds; None: SEND_PACE_SECONDS."""
    daily_limit: int | None = None
    """None: ACCOUNT_DAILY_LIMIT."""
    ramp: Ramp | None = None
    domain_cap: int | None = None
    """It mails no domain that got so many mails in the last 24 hours, from any account."""
    sent_today: int = 0
    """Mails of the last 24 hours that left or may have left."""
    connected: bool = False
    """Whether a refresh token is stored."""
    mailbox: MailboxState = MailboxState()

    @property
    def resting(self) -> str:
        """How long it still rests, and why, in words; empty when it does not rest."""
        if not self.paused_seconds:
            return ""
        why = f": {self.rest_reason}" if self.rest_reason else ""
        return f"rests for {format_duration(self.paused_seconds)}{why}"

    def full_limit(self, default: int) -> int:
        """Its mails in any 24 hours without a ramp; `default`: ACCOUNT_DAILY_LIMIT."""
        return default if self.daily_limit is None else self.daily_limit

    def limit(self, default: int) -> int:
        """Its mails in any 24 hours now."""
        full = self.full_limit(default)
        return full if self.ramp is None else min(full, self.ramp.limit)


class ListedAccount(Account):
    """A row of `outreach accounts list --json`: the account and the limits in force for it."""

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


class CappedDomain(Model):
    """A domain that gets more of a campaign's mails than a day's cap allows."""

    domain: Called
    leads: int
    """Pending ones of accounts with a cap."""
    cap: int
    """Mails in any 24 hours."""
    sent_by_hour: list[int]
    """Mails to it from any account, by age in whole hours, the youngest first."""


class NotMailed(Model):
    """Leads that are cancelled for one reason, while their campaign is not."""

    reason: Told
    """Such as `opted out`."""
    leads: int


class StepStatus(Model):
    """A follow-up, as the status of its first campaign has it."""

    id: UUID
    step: int
    """Its number; the first campaign is step 1."""
    name: Called
    status: str
    leads: LeadCounts
    replied: int = 0
    """Leads that answered its mail."""
    waiting: int = 0
    """Leads that were sent the mail before and are not due yet."""
    left: list[NotMailed] = Field(default_factory=list)
    """Leads that would have been mailed and were not, by reason."""
    saved: int = 0
    """Those of them that had answered, bounced, opted out or complained."""
    next_at: datetime | None = None
    """When the next of its mails is due."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reply_rate(self) -> float | None:
        """Per cent of its mails that were answered, to one decimal; None before its first mail."""
        return round(100 * self.replied / self.leads.sent, 1) if self.leads.sent else None


class Opened(Model):
    """Leads that opened a mail, each once, by the best class of its openings."""

    people: int = 0
    machines: int = 0
    """Scanners, and what was fetched within seconds of sending: nobody read it."""
    unclassified: int = 0
    """People or machines: Apple's proxy fetches every mail; some endpoints tell nothing."""


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
    """A paused campaign keeps its status, because the web app has no status for it."""
    waiting_for: Told | None = None
    accounts: list[str] = Field(default_factory=list)
    """The addresses of its accounts."""
    replied: int = 0
    """Leads that answered. A lead may be in several of these four."""
    bounced: int = 0
    """Leads whose mail came back."""
    unsubscribed: int = 0
    """Leads that unsubscribed or complained."""
    away: int = 0
    """Leads that said that they are away, now or once."""
    parent_id: UUID | None = None
    """Of a follow-up: the first campaign of its chain."""
    step: int | None = None
    """Its number in the chain; None unless it is a follow-up."""
    steps: list[StepStatus] = Field(default_factory=list)
    """Its follow-ups; in a list of campaigns they are rows of their own."""
    opened: Opened = Field(default_factory=Opened)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        """Its leads, in any status."""
        return self.leads.total

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress(self) -> float:
        """Per cent of leads that are done, to one decimal; 100 without leads."""
        done = self.leads.total - self.leads.pending
        # Rounded down: 100 says that it is over.
        return (1000 * done // self.leads.total) / 10 if self.leads.total else 100.0

    @property
    def returned(self) -> dict[str, int]:
        """Leads by what came back from them, without zeros."""
        names = ("replied", "bounced", "unsubscribed", "away")
        return {name: count for name in names if (count := getattr(self, name))}


class LeadFailure(Model):
    """One failure of a lead. It is kept when the lead is tried again."""

    failed_at: datetime | None
    """None: unknown; another sender recorded the failure."""
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
    """The reason, while it is failed, or cancelled because its address is suppressed."""
    failed_at: datetime | None = None
    """Its last failure, kept when it is tried again."""
    failures: list[LeadFailure] = Field(default_factory=list)
    """Its failures, the oldest first; at most the last hundred."""
    replied_at: datetime | None = None
    """When it answered first."""
    bounced_at: datetime | None = None
    """When its mail came back first."""
    bounce: str | None = None
    """The verdict on that bounce: dead, block or soft."""
    bounce_status: str | None = None
    """RFC 3463's code of a bounce, such as 5.1.1."""
    away_at: datetime | None = None
    """When it said last that it is away."""
    back_on: date | None = None
    """The first day on which it is back, as it said."""
    unsubscribed_at: datetime | None = None
    """When it unsubscribed or complained first."""


class ExportedLead(CampaignLead):
    """A row of `outreach campaigns export`: everything known of a lead."""

    id: UUID
    """campaign_leads.id, which `outreach campaigns resolve` takes."""
    name: str | None
    company: str | None
    role: str | None
    opened_at: datetime | None


# --- suppressions ---------------------------------------------------------------------------


class Suppression(Model):
    """A row of `outreach suppressions list --json`: a contract with scripts."""

    key: str
    """An address, a domain, or `erased:` and the keyed hash of an erased person's address."""
    owner: UUID | None
    """The user whose campaigns it stops; None: everybody's."""
    cause: str
    """opt_out, complaint, dead, hold, listed or erased."""
    reason: Told | None
    source: Told
    """How it came: link, mail, command, import, or a web app."""
    since: datetime
    until: datetime | None
    holds: bool
    """False when its end is past."""


class Act(Model):
    """A row of `outreach suppressions history --json`: a contract with scripts."""

    at: datetime
    act: str
    """suppressed, changed or lifted; of a person also erased, or answered by another way."""
    by: str | None
    """The person who was named."""
    owner: UUID | None
    cause: str | None = None
    reason: Told | None = None
    source: Told | None = None
    until: datetime | None = None


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
    """The number of campaigns in which it has each status."""
    sent_at: datetime | None
    """When any campaign mailed it last."""
