"""Pure: what is wrong with a campaign before it starts. Facts in, findings out.

An error is what surely keeps mails from leaving, all of them or a lead's, until a person mends it,
or lets them leave with what no recipient may see.
A warning may be meant so.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Literal, NamedTuple
from uuid import UUID

from outreach.campaign.estimate import Load, seconds_to_send, window_of
from outreach.campaign.models import Lead, Model, Sender
from outreach.campaign.snapshot import CampaignAccount, CampaignFacts
from outreach.delivery.account_health import Standing
from outreach.errors import (
    AccountMissing,
    AccountUnusable,
    AttachmentMissing,
    ConfigurationError,
    LeadError,
    NeverOpen,
    NoAccounts,
    Rejected,
)
from outreach.mail.mime import Attachment, build
from outreach.mail.render import Rendered

EXAMPLES = 3
LARGE = 7 * 1024 * 1024
"""Bytes of an attachment: base64 makes 10 MB of it, which many companies' servers refuse."""
TRIAL = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of a mail that is made to see whether it can be made."""
ON_ORDER = ", then start it again."
"""The end of what a run that stopped says; here nothing has started yet."""


class Problem(NamedTuple):
    """One kind of thing that is wrong; the same for every lead or account that has it."""

    severity: Literal["error", "warning"]
    check: str
    """In a word or two: what was looked at."""
    what: str
    """What is wrong, for a person; without anybody's address."""
    todo: str = ""
    company: str = ""
    """Whose template it is about."""


class Finding(Model):
    """A problem and whom it concerns: an element of `campaigns check --json`."""

    severity: Literal["error", "warning"]
    check: str
    what: str
    todo: str
    company: str
    """Whose template it is about; empty for what is about none."""
    count: int
    """Leads that it concerns."""
    examples: list[str]
    """Addresses of some of them, or of the accounts."""


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


# --- the database ---------------------------------------------------------------------------------


def of_schema(difference: str | None) -> Iterator[Problem]:
    """How the database's functions differ from this version's, where that stops nothing."""
    if difference is not None:
        what, _, todo = difference.partition("; ")
        yield Problem("warning", "schema", f"The database: {what}.", todo)


# --- the campaign ---------------------------------------------------------------------------------


def of_campaign(facts: CampaignFacts) -> Iterator[tuple[Problem, int]]:
    """What concerns the campaign as a whole, with the number of leads."""
    pending = facts.leads.pending
    if not facts.accounts:
        yield _as_error("accounts", str(NoAccounts())), pending
    elif facts.misassigned:
        yield _as_error("accounts", str(AccountMissing(facts.misassigned))), facts.misassigned
    if facts.accounts_of_others:
        yield _as_error("accounts", facts.accounts_of_others), pending
    if not pending:
        yield Problem("error", "leads", "No lead is pending: there is nothing to send"), 0
    if facts.paused:
        todo = f"`outreach campaigns resume {facts.id}`"
        yield Problem("warning", "campaign", "It is paused: nothing leaves until then", todo), 0
    if not facts.opens:
        yield _as_error("window", str(NeverOpen())), pending


def of_attachment(found: Attachment | AttachmentMissing | None, *, here: bool) -> Iterator[Problem]:
    """`here`: the campaign is sent from this machine; elsewhere the file may well be there."""
    if isinstance(found, AttachmentMissing):
        problem = _as_error("attachment", str(found))
        if not here:
            told = f"On this machine: {problem.what}"
            problem = problem._replace(
                severity="warning", what=told, todo="see that its worker can"
            )
        yield problem
    elif found is not None and found.size > LARGE:
        told = f"{found.name} has {found.size / 1024 / 1024:.0f} MB: many servers refuse such mails"
        yield Problem("warning", "attachment", told, "send a smaller file, or a link")


def _as_error(check: str, message: str) -> Problem:
    """What would stop the run, before it does."""
    what, _, todo = message.removesuffix(ON_ORDER).removesuffix(".").rpartition("; ")
    return Problem("error", check, what, todo)


# --- its accounts ---------------------------------------------------------------------------------


def of_account(
    account: CampaignAccount, found: Standing | Exception, daily_limit: int, *, here: bool
) -> Iterator[Problem]:
    """`found`: how it stands, or what Google's answer or its absence raised."""
    yield from _of_standing(account, found, here=here)
    yield from _of_sender(account)
    limit = account.daily_limit or daily_limit
    if account.paused_seconds:
        told = "Gmail asked it for a pause: its mails go later"
        yield Problem("warning", "account", told, "wait, or lower its daily limit")
    elif account.sent_today >= limit:
        told = f"It is at its daily limit of {limit}: its mails go later"
        yield Problem("warning", "account", told)
    elif account.sent_today + account.leads > limit:
        told = f"Its daily limit of {limit} makes it take more than a day"
        yield Problem("warning", "account", told, "add accounts, if that is too long")


def _of_standing(
    account: CampaignAccount, found: Standing | Exception, *, here: bool
) -> Iterator[Problem]:
    match found:
        case Standing(delivery="direct", verdict="ok" | "warn"):
            yield Problem(
                "warning",
                "account",
                "It has not granted drafts: at most once is promised, not exactly once",
                f"`outreach accounts connect {account.email}`, if that matters",
            )
        case Standing(verdict="fail"):
            yield Problem("error", "account", found.told, found.todo or "")
        case AccountUnusable():
            what, _, todo = str(found).removesuffix(".").rpartition("; ")
            yield Problem("error", "account", what or todo, todo if what else "")
        case Exception() if account.status == "unusable":
            told = f"It is marked unusable: {account.status_reason or 'reconnect it'}"
            yield Problem("error", "account", told, "reconnect it")
        case ConfigurationError() if here:
            yield Problem("error", "settings", str(found))
        case Exception():
            told = f"Whether it can send was not found out: {found}"
            yield Problem("warning", "account", told.removesuffix("."), "check again")


def _of_sender(account: CampaignAccount) -> Iterator[Problem]:
    """What the account says of itself, as a mail would carry it."""
    sender = Sender(
        id=account.id, email=account.email, name=account.sender_name, reply_to=account.reply_to
    )
    trial, word = Rendered(subject="-", html="-", text="-"), "-"
    to = Lead(email="somebody@example.com")
    try:
        build(trial, sender=sender, to=to, attachment=None, search_token=word, date=TRIAL)
    except LeadError as error:
        what, _, _ = str(error).rpartition("; ")
        yield Problem("error", "account", what, "correct it with `outreach accounts add`")


def estimate(
    facts: CampaignFacts,
    accounts: list[CampaignAccount],
    now: datetime,
    *,
    pace: float,
    daily_limit: int,
) -> float | None:
    """Seconds from now until the last mail; None where that is never, or nearly so."""
    loads = [_load(account, pace, daily_limit) for account in accounts if account.leads]
    if not loads:
        return None
    try:
        seconds = seconds_to_send(loads, window_of(facts), facts.wait_seconds, now)
    except Rejected:
        return None
    return seconds if isfinite(seconds) else None


def _load(account: CampaignAccount, pace: float, daily_limit: int) -> Load:
    """`pace` and `daily_limit` are for accounts without their own."""
    return Load(
        leads=account.leads,
        step=pace if account.pace_seconds is None else account.pace_seconds,
        daily_limit=account.daily_limit or daily_limit,
        rests=account.paused_seconds,
        sent_by_hour=account.sent_by_hour,
    )
