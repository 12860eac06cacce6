"""Pure: checks a campaign before it starts. Takes a snapshot, returns problems."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite

from outreach import commands
from outreach.campaign.estimate import Ahead, Leg, Load, ends_of_chain, of_domains, window_of
from outreach.campaign.models import Lead, Sender
from outreach.campaign.snapshot import CampaignAccount, CampaignSnapshot, ChainLink
from outreach.delivery.account_health import AccountHealth
from outreach.delivery.modes import UNREAD
from outreach.delivery.web_address import ANSWER, WebAddress
from outreach.errors import (
    AccountMissing,
    AccountUnusable,
    AttachmentMissing,
    ConfigurationError,
    Explained,
    LeadError,
    NeverOpen,
    NoAccounts,
    Rejected,
)
from outreach.mail.addresses import without_tag
from outreach.mail.mime import Attachment, build
from outreach.mail.render import UNSUBSCRIBE_URL, Rendered
from outreach.mail.templates.budget import TemplateError
from outreach.mail.templates.compiler import compiled
from outreach.preflight.findings import Problem
from outreach.store.schema import Difference

LARGE = 7 * 1024 * 1024
"""Bytes of an attachment: base64 makes 10 MB of it, which many companies' servers refuse."""
TRIAL = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of a trial mail, which is made only to see whether it can be made."""


# --- the database ---------------------------------------------------------------------------------


def of_schema(difference: Difference | None) -> Iterator[Problem]:
    """How the database's functions differ from this version's, when that stops nothing."""
    if difference is not None:
        message = f"The database: {difference.problem}"
        yield Problem("warning", "schema", message, difference.remedy)


# --- the campaign ---------------------------------------------------------------------------------


def of_campaign(snapshot: CampaignSnapshot) -> Iterator[tuple[Problem, int]]:
    """Problems of the campaign as a whole, each with the number of leads."""
    pending = snapshot.to_mail
    if not snapshot.accounts:
        yield _as_error("accounts", NoAccounts()), pending
    elif snapshot.misassigned:
        yield _as_error("accounts", AccountMissing(snapshot.misassigned)), snapshot.misassigned
    if fault := snapshot.fault_of_accounts:
        yield Problem("error", "accounts", fault.problem, fault.remedy), pending
    if not pending and not any(link.ahead for link in covered(snapshot)):
        yield Problem("error", "leads", "No lead is pending: there is nothing to send"), 0
    if snapshot.paused:
        remedy = commands.resume(snapshot.id)
        yield Problem("warning", "campaign", "It is paused: nothing leaves until then", remedy), 0
    if snapshot.held == "paused" and snapshot.parent_id:
        message = "Its first campaign is paused: nothing leaves until then"
        yield Problem("warning", "campaign", message, commands.resume(snapshot.parent_id)), 0
    elif snapshot.held:
        message = f"Its first campaign is {snapshot.held}: nothing of it leaves any more"
        yield Problem("error", "campaign", message), pending
    if not snapshot.opens:
        yield _as_error("window", NeverOpen()), pending


def covered(snapshot: CampaignSnapshot) -> list[ChainLink]:
    """Of its chain, what a check of it covers: all of it, or the step alone where it is one."""
    return [link for link in snapshot.chain if snapshot.step in {None, link.step}]


def of_caps(snapshot: CampaignSnapshot) -> Iterator[tuple[Problem, str, int]]:
    """Domains whose cap makes the campaign last longer than a day, each with its leads."""
    for one in snapshot.capped_domains:
        message = f"The cap of {one.cap} mail(s) a day to a domain makes some go later"
        problem = Problem("warning", "domain", message, "raise --domain-cap, if that is too long")
        yield problem, one.domain, one.leads


def of_attachment(found: Attachment | AttachmentMissing | None, *, here: bool) -> Iterator[Problem]:
    """`here`: this machine sends the campaign; on another machine the file may exist."""
    if isinstance(found, AttachmentMissing):
        problem = _as_error("attachment", found)
        if not here:
            message = f"On this machine: {problem.message}"
            problem = problem._replace(
                severity="warning", message=message, remedy="see that its worker can"
            )
        yield problem
    elif found is not None and found.size > LARGE:
        message = (
            f"{found.name} has {found.size / 1024 / 1024:.0f} MB: many servers refuse such mails"
        )
        yield Problem("warning", "attachment", message, "send a smaller file, or a link")


def of_footer(snapshot: CampaignSnapshot | ChainLink, *, required: bool) -> Iterator[Problem]:
    """`required`: by the settings; a campaign's row may require it, too."""
    footer = snapshot.footer or ""
    if not footer.strip():
        if required or snapshot.footer_required:
            remedy = f"make it with {commands.CREATE_WITH_FOOTER}"
            message = "A footer with a postal address is required, and the campaign has none"
            yield Problem("error", "footer", message, remedy)
        return
    try:
        has_link = UNSUBSCRIBE_URL in compiled(footer).asked
    except TemplateError:
        return  # told with each lead
    if not has_link:
        message = "The footer has no {{ unsubscribe_url }}: nothing in it is a way to unsubscribe"
        yield Problem("warning", "footer", message, "add it, unless each template has it")


def of_web(web: WebAddress) -> Iterator[Problem]:
    """Of the address by which recipients unsubscribe; without APP_URL there is none to check."""
    if web.problem:
        message = f"Recipients unsubscribe by mail alone: {web.problem}"
        yield Problem("warning", "unsubscribe", message, ANSWER)


def _as_error(check: str, error: Explained) -> Problem:
    """An error that would stop the run."""
    return Problem("error", check, error.problem, error.remedy)


# --- its accounts ---------------------------------------------------------------------------------


def of_account(
    account: CampaignAccount,
    found: AccountHealth | Explained,
    daily_limit: int,
    *,
    here: bool,
    has_steps: bool = False,
) -> Iterator[Problem]:
    """`found`: the account's health, or the error of Google's response or its absence.

    `has_steps`: follow-ups need to know who has answered.
    """
    yield from _of_standing(account, found, here=here)
    if isinstance(found, AccountHealth) and found.mailbox:
        surely = has_steps and found.mailbox.problem == UNREAD
        yield Problem(
            "error" if surely else "warning", "account", found.mailbox.problem, found.mailbox.remedy
        )
    if has_steps:
        yield from _of_answers(account)
    yield from _of_sender(account)
    limit = account.limit(daily_limit)
    if account.paused_seconds:
        yield _rest(account)
    elif account.sent_today >= limit:
        message = f"It is at its daily limit of {limit}: its mails go later"
        yield Problem("warning", "account", message)
    elif account.ramp and account.ramp.frozen and limit < account.full_limit(daily_limit):
        message = f"Too many of its mails came back dead: its ramp stays at {limit} mails a day"
        yield Problem("warning", "account", message, "mail addresses that are known to work")
    elif account.sent_today + account.leads > limit:
        message = f"Its daily limit of {limit} makes it take more than a day"
        yield Problem("warning", "account", message, "add accounts, if that is too long")


def _of_standing(
    account: CampaignAccount, found: AccountHealth | Explained, *, here: bool
) -> Iterator[Problem]:
    match found:
        case AccountHealth(delivery="direct", severity="ok" | "warning"):
            yield Problem(
                "warning",
                "account",
                "It has not granted drafts: at most once is promised, not exactly once",
                f"{commands.connect_account(account.email)}, if that matters",
            )
        case AccountHealth(severity="error"):
            yield Problem("error", "account", found.message, found.remedy)
        case AccountUnusable():
            yield _as_error("account", found)
        case Explained() if account.status == "unusable":
            message = f"It is marked unusable: {account.status_reason or 'reconnect it'}"
            yield Problem("error", "account", message, "reconnect it")
        case ConfigurationError() if here:
            yield _as_error("settings", found)
        case Explained():
            message = f"Whether it can send was not found out: {found.problem}"
            yield Problem("warning", "account", message, found.remedy or "check again")


def _of_answers(account: CampaignAccount) -> Iterator[Problem]:
    """Of where answers go: an address may be a second name of the account's own mailbox."""
    if account.reply_to and without_tag(account.reply_to) != without_tag(account.email):
        yield Problem(
            "warning",
            "account",
            "Its answers go to its reply-to address: unless that is a second address of its own "
            "mailbox they are not seen, and follow-ups reach who has answered",
            f"set --reply-to '' with {commands.ADD_ACCOUNT}, if it is not",
        )


def _rest(account: CampaignAccount) -> Problem:
    if account.rest_reason is None:
        message = "Gmail asked it for a pause: its mails go later"
        return Problem("warning", "account", message, "wait, or lower its daily limit")
    message = f"It rests, since {account.rest_reason}: its mails go later"
    remedy = f"see where its addresses are from, then {commands.wake_account(account.email)}"
    return Problem("warning", "account", message, remedy)


def _of_sender(account: CampaignAccount) -> Iterator[Problem]:
    """The account's name and addresses, as a mail would carry them."""
    sender = Sender(
        id=account.id, email=account.email, name=account.sender_name, reply_to=account.reply_to
    )
    trial, word = Rendered(subject="-", html="-", text="-"), "-"
    to = Lead(email="somebody@example.com")
    try:
        build(trial, sender=sender, to=to, attachment=None, search_token=word, date=TRIAL)
    except LeadError as error:
        remedy = f"correct it with {commands.ADD_ACCOUNT}"
        yield Problem("error", "account", error.problem, remedy)


def estimate_chain(
    snapshot: CampaignSnapshot,
    accounts: list[CampaignAccount],
    now: datetime,
    *,
    pace: float,
    daily_limit: int,
) -> list[float | None]:
    """Seconds from now until the last mail of each campaign of its chain, by number.

    Of it alone without follow-ups. None: more than ten years, or never.
    """
    legs = _legs(snapshot)
    loads = [_load(account, snapshot.chain, pace, daily_limit) for account in accounts]
    loads = [load for load in loads if load.leads or load.further]
    if not loads:
        return [None] * len(legs)
    if snapshot.step is None:
        loads += of_domains(snapshot.capped_domains)
    try:
        ends = ends_of_chain(loads, legs, now)
    except Rejected:
        return [None] * len(legs)
    return [seconds if isfinite(seconds) else None for seconds in ends]


def _legs(snapshot: CampaignSnapshot) -> list[Leg]:
    if not snapshot.chain:
        return [Leg(window_of(snapshot), snapshot.wait_seconds)]
    first, *steps = snapshot.chain
    return [
        Leg(window_of(first), first.wait_seconds),
        *(Leg(window_of(step), step.delay_seconds) for step in steps),
    ]


def _load(account: CampaignAccount, chain: list[ChainLink], pace: float, daily_limit: int) -> Load:
    """`pace` (seconds) and `daily_limit` are for accounts without their own."""
    ahead = [
        Ahead(leg, one.leads, one.due_seconds)
        for leg, link in enumerate(chain)
        for one in link.ahead
        if one.account == account.id
    ]
    return Load(
        leads=sum(one.leads for one in ahead if one.leg == 0) if chain else account.leads,
        step=pace if account.pace_seconds is None else account.pace_seconds,
        daily_limit=account.limit(daily_limit),
        full_limit=account.full_limit(daily_limit),
        ramp=account.ramp,
        rests=account.paused_seconds,
        sent_by_hour=account.sent_by_hour,
        further=tuple(one for one in ahead if one.leg),
    )
