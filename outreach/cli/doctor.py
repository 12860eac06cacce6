"""`outreach doctor`: checks all conditions for sending, one line each, with a remedy.

It changes nothing but the result of the web app's trial, and shows no secret: of an address only
the host.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import typer

from outreach import commands
from outreach.cli import flow_runs
from outreach.cli.lines import say
from outreach.cli.output import AsJson, cell, show_json_list
from outreach.cli.schedules import wrong_schedules
from outreach.cli.telling import message
from outreach.deployment_names import DEPLOYMENTS
from outreach.errors import ConfigurationError, OutreachError, Rejected, StoreFull, StoreUnavailable
from outreach.urls import host_of

if TYPE_CHECKING:
    from outreach.campaign.models import Account
    from outreach.gmail import Gmail
    from outreach.settings import Settings
    from outreach.store.store import Store

# Imports are inside the checks: together they take two seconds.

SIDE_BY_SIDE = 8
"""Accounts checked at once: a slow response must not hold up the others."""


TRIGGER = (
    "drop trigger if exists outreach_due on public.campaigns; create trigger outreach_due after "
    "insert or update on public.campaigns for each row execute function public.tell_dispatchers()"
)

VERDICTS = {"ok": "ok", "warning": "warn", "error": "fail"}
"""The severities in a terminal's column, and by their former names."""


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    severity: Literal["ok", "warning", "error"]
    message: str
    """The finding, for people."""
    remedy: str = ""
    """The remedy."""

    def as_json(self) -> dict[str, str | None]:
        """The last three are the former names of severity, message and remedy."""
        former = {
            "verdict": VERDICTS[self.severity],
            "told": self.message,
            "todo": self.remedy or None,
        }
        return asdict(self) | former


def doctor(*, as_json: AsJson = False) -> None:
    """Check settings, database, accounts, Prefect and attachment; status 1 if one fails."""
    findings = list(_findings())
    if as_json:
        show_json_list(finding.as_json() for finding in findings)
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            say(_line(finding, width))
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _line(finding: Finding, width: int) -> str:
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return f"{VERDICTS[finding.severity]:<5}{finding.check:<{width + 2}}{finding.message}{remedy}"


def _findings() -> Iterator[Finding]:
    from outreach import settings as settings_module

    try:
        settings = settings_module.load()
    except ConfigurationError as error:
        yield Finding("settings", "error", str(error))
        return
    yield _checked("settings", lambda: _settings(settings))
    yield from _database(settings)
    yield from _prefect(settings)
    yield _checked("attachment", lambda: _attachment(settings))


def _checked(check: str, probe: Callable[[], Finding]) -> Finding:
    """The finding of a probe, or its failure."""
    try:
        return probe()
    except Exception as error:  # noqa: BLE001 - an unexpected error
        return _failed(check, error)


def _failed(check: str, error: Exception) -> Finding:
    match error:
        case StoreFull():
            return Finding(check, "error", str(error))
        case StoreUnavailable():
            return Finding(check, "error", str(error), "see whether it is up, then try again")
        case OutreachError() | ConfigurationError() | Rejected():
            return Finding(check, "error", str(error))
        case _:
            return Finding(check, "error", message(error))


# --- settings -----------------------------------------------------------------------------------


def _settings(settings: "Settings") -> Finding:
    from outreach import wiring
    from outreach.gmail.tokens import app_of

    wiring.refuse_mixed_worlds(settings)
    app_of(settings)
    if settings.app_url is None:
        return Finding(
            "settings",
            "warning",
            "APP_URL is not set: mails carry no pixel, and nobody knows of their opening.",
            "set it to the web app's address",
        )
    return Finding("settings", "ok", f"Gmail at {host_of(settings.gmail_api_url)}")


# --- database and accounts ----------------------------------------------------------------------


def _database(settings: "Settings") -> Iterator[Finding]:
    from outreach import wiring

    with contextlib.ExitStack() as opened:
        try:
            store = wiring.open_store(settings)
        except (ConfigurationError, OutreachError) as error:
            yield Finding("database", "error", str(error))
            return
        except OSError as error:
            yield Finding("database", "error", message(error))
            return
        opened.callback(store.close)
        found = _checked("database", lambda: _schema(store, settings))
        yield found
        if found.severity != "error":
            yield from _tokens(store)
            yield from _accounts(store, settings)
            yield _checked("places", lambda: _places(store, settings))
            yield from _dispatchers(store, settings)
            if settings.app_url is not None:
                yield _checked("unsubscribe", lambda: _unsubscribe(store, settings))


def _where(settings: "Settings") -> str:
    if settings.supabase_url and settings.supabase_service_role_key:
        return f"Supabase's Data API at {host_of(settings.supabase_url)}"
    if settings.database_url is not None:
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(settings.database_url.get_secret_value())
        return f"Postgres at {parts.get('hostaddr') or parts.get('host') or 'its local socket'}"
    return f"the embedded Postgres in {settings.outreach_home}"


def _schema(store: "Store", settings: "Settings") -> Finding:
    """Whether it is up to date, and whether our role may call functions and read tables."""
    from outreach.store import schema

    has, where = store.schema_version(), _where(settings)
    found = schema.difference(has.state, has.version)
    if found is not None and has.state not in {"current", "newer"}:
        return Finding("database", "error", f"{where}: {found.problem}.", found.remedy)
    for rows in (store.list_accounts(), store.list_campaigns(), store.list_open_attempts()):
        list(islice(rows, 1))
    if found is not None:
        return Finding("database", "warning", f"{where}: {found.problem}.", found.remedy)
    return Finding("database", "ok", f"{where}, up to date ({has.version})")


def _tokens(store: "Store") -> Iterator[Finding]:
    """Roles of the web app's users that can read tokens; a finding each."""
    for exposed in store.exposed_tokens():
        yield Finding("tokens", "warning", f"{exposed.message}.", f"run: {exposed.statement}")


def _places(store: "Store", settings: "Settings") -> Finding:
    """Number of campaigns that are sent at once, and whether others wait for a place."""
    places, found = settings.campaigns_at_once, store.count_places()
    message = f"{found.taken} of {places} campaigns at once"
    if found.taken >= places and found.waiting:
        return Finding(
            "places",
            "warning",
            f"{message}: all places are taken, and {found.waiting} due campaign(s) wait for one.",
            "wait, or raise CAMPAIGNS_AT_ONCE",
        )
    return Finding("places", "ok", message)


def _dispatchers(store: "Store", settings: "Settings") -> Iterator[Finding]:
    """The workers that start campaigns by their rows, and how soon they hear of a row."""
    found = store.dispatcher_state()
    for one in found.dispatchers:
        listens = settings.database_url is not None or settings.supabase_url is None
        if one.woken_by == "polls" and listens:
            yield Finding(
                "dispatcher",
                "warning",
                f"Notifications of the database do not reach {one.name}: it asks every second.",
                "give DATABASE_URL a session's address (Supabase's pooler: port 5432)",
            )
        else:
            message = f"{one.name} starts campaigns by their rows, woken by {one.woken_by}"
            yield Finding("dispatcher", "ok", message)
    if not found.rows_tell:
        yield Finding(
            "dispatcher",
            "warning",
            "The trigger outreach_due on campaigns is missing or off: a campaign starts up to a "
            "minute after its row says so.",
            f"run: {TRIGGER}",
        )


def _unsubscribe(store: "Store", settings: "Settings") -> Finding:
    """Whether the web app unsubscribes by POST; its row in the database keeps the result."""
    from outreach.delivery.web_address import ANSWER, tried_address

    web = tried_address(store, settings)
    if web.base is None:
        message = f"Recipients unsubscribe by mail alone: {web.problem}."
        return Finding("unsubscribe", "warning", message, ANSWER)
    return Finding("unsubscribe", "ok", f"{web.base} unsubscribes by POST")


def _accounts(store: "Store", settings: "Settings") -> Iterator[Finding]:
    accounts = list(store.list_accounts())
    if not accounts:
        yield Finding(
            "accounts",
            "warning",
            "There is no account to send from.",
            f"connect one with {commands.CONNECT_ACCOUNT}",
        )
    from outreach.cli.sender_domains import told_domains
    from outreach.gmail import Gmail

    yield from (Finding(*told) for told in told_domains(accounts, settings))

    try:
        gmail = Gmail(settings, store.read_credentials)
    except ConfigurationError as error:
        yield Finding("accounts", "error", str(error))
        return
    with contextlib.closing(gmail), ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        for found in side_by_side.map(lambda account: _account(account, gmail), accounts):
            yield from found


def _account(account: "Account", gmail: "Gmail") -> list[Finding]:
    """Whether it can send, and what keeps its mailbox from being read."""
    from outreach.delivery.account_health import account_health

    try:
        found = account_health(account, gmail)
    except Exception as error:  # noqa: BLE001 - an unexpected error
        return [_failed(account.email, error)]
    facts = "; ".join(filter(None, (found.message, _came_back(account))))
    findings = [Finding(account.email, found.severity, facts, found.remedy)]
    if found.mailbox:
        said = f"{account.email}: {found.mailbox.problem}."
        findings.append(Finding("mailbox", "warning", said, found.mailbox.remedy))
    return findings


def _came_back(account: "Account") -> str:
    """When its mailbox was read, and what came back in the last 30 days; empty: never read."""
    mailbox = account.mailbox
    if mailbox.read_at is None:
        return ""
    counts = f"{mailbox.replied} answered, {mailbox.bounced} bounced, {mailbox.blocked} blocked"
    return f"read {cell(mailbox.read_at)}, in 30 days {counts}"


# --- Prefect and the attachment -----------------------------------------------------------------


def _prefect(settings: "Settings") -> Iterator[Finding]:
    flow_runs.use_own_password()
    try:
        address = flow_runs.api_address()
    except ConfigurationError as error:
        yield Finding("prefect", "error", str(error))
        return
    if address is None:
        yield Finding(
            "prefect",
            "warning",
            "PREFECT_API_URL is not set: campaigns are sent with --local alone.",
            "set it to your server's or workspace's API",
        )
        return
    from prefect.client.orchestration import get_client

    from deployments import kept, server_checks

    where = f"Prefect at {host_of(address)}"
    with get_client(sync_client=True) as client:
        if (failure := client.api_healthcheck()) is not None:
            yield Finding(
                "prefect",
                "error",
                f"{where} cannot be reached ({type(failure).__name__}).",
                "start it, or correct PREFECT_API_URL",
            )
            return
        refused = _checked("prefect", lambda: _credentials(client, where))
        yield refused
        if refused.severity == "error":
            return
        yield _checked("password", lambda: _password(address))
        for name in DEPLOYMENTS:
            yield _checked("deployment", partial(_deployment, client.read_deployment_by_name, name))
        yield _checked("limit", lambda: _limit(client.read_global_concurrency_limit_by_name))
        yield from (
            Finding("deployment", "warning", off, remedy)
            for off, remedy in kept.switched_off(client, dispatched=_is_dispatched(settings))
        )
        yield from (
            Finding("prefect", "warning", lacking, remedy)
            for lacking, remedy in server_checks.shortcomings(client)
        )
        yield from _schedules(client, settings)


def _schedules(client: Any, settings: "Settings") -> Iterator[Finding]:
    from outreach import wiring

    try:
        with contextlib.closing(wiring.open_store(settings)) as store:
            found = list(wrong_schedules(client, store))
    except (ConfigurationError, OutreachError):
        return  # the database has a line of its own
    for wrong in found:
        yield Finding(
            "schedule",
            "warning",
            wrong,
            "give it a campaign_id in Prefect's UI (Deployments, Schedules), or delete it",
        )


def _is_dispatched(settings: "Settings") -> bool:
    """Whether a worker dispatches; True where the database does not say, which has its own line."""
    from outreach import wiring

    try:
        with contextlib.closing(wiring.open_store(settings)) as store:
            return bool(store.dispatcher_state().dispatchers)
    except (ConfigurationError, OutreachError):
        return True


def _credentials(client: Any, where: str) -> Finding:
    """The health check needs no credentials."""
    from deployments.server_checks import refusal

    if (refused := refusal(flow_runs.credentials_failure(client))) is not None:
        return Finding("prefect", "error", f"{where} {refused}.", "set it to the server's")
    return Finding("prefect", "ok", where)


def _password(address: str) -> Finding:
    """Request without a password, as any program may send it."""
    import httpx

    if httpx.get(f"{address}/hello", timeout=10).status_code != httpx.codes.OK:
        return Finding("password", "ok", "Prefect lets nobody in without one")
    return Finding(
        "password",
        "warning",
        "Prefect is open: whoever reaches it may change deployments and start or cancel campaigns.",
        "set PREFECT_SERVER_API_AUTH_STRING where it runs, PREFECT_API_AUTH_STRING elsewhere",
    )


def _deployment(read: Callable[[str], object], name: str) -> Finding:
    from prefect.exceptions import ObjectNotFound

    try:
        read(name)
    except ObjectNotFound:
        return Finding(
            "deployment",
            "warning",
            f"Prefect has no deployment {name}.",
            "make it with `prefect deploy --all`",
        )
    return Finding("deployment", "ok", name)


def _limit(read: Callable[[str], object]) -> Finding:
    from prefect.exceptions import ObjectNotFound

    from tasks.slots import LIMIT

    try:
        slots = getattr(read(LIMIT), "limit", None)
    except ObjectNotFound:
        return Finding(
            "limit", "warning", f"Prefect has no limit {LIMIT} yet; the first campaign makes it."
        )
    return Finding("limit", "ok", f"{LIMIT} lets {slots} mails be sent at once")


def _attachment(settings: "Settings") -> Finding:
    from outreach.delivery import attachments

    if settings.attachment_pdf is None:
        return Finding(
            "attachment",
            "warning",
            "ATTACHMENT_PDF is not set: a campaign that names no attachment of its own fails.",
            "set it to a path or an https address",
        )
    attachment = attachments.load(settings.attachment_pdf, None)
    return Finding("attachment", "ok", attachment.name if attachment else "none")
