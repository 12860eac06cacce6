"""`outreach campaigns list`, `status` and `leads`: status of campaigns and of their leads."""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from outreach import commands
from outreach.campaign.models import CampaignStatus, Opened, StepStatus
from outreach.campaign.numbers import titled
from outreach.campaign.report import CampaignReport, report
from outreach.cli.campaigns import watch as watching
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import (
    AsJson,
    cell,
    redraws,
    show_fields,
    show_json,
    show_json_line,
    show_json_list,
    show_table,
)
from outreach.errors import Rejected

if TYPE_CHECKING:
    from uuid import UUID

    from outreach.campaign.models import CampaignLead, NotMailed
    from outreach.store.store import Store


COLUMNS = ("id", "name", "status", "sent", "failed", "goes on", "error", "progress", "total",
           "accounts", "created", "started", "ended", "replied", "bounced",
           "unsubscribed")  # fmt: skip
LEAD_COLUMNS = ("email", "status", "account", "sent at", "thread", "message", "error", "failed at",
                "failed before", "came back")  # fmt: skip
STEP_COLUMNS = ("step", "id", "status", "waiting", "pending", "sent", "failed", "saved",
                "answered", "next")  # fmt: skip
TOLD = 2
"""Accounts in a list; `status` and `--json` have them all."""


class LeadStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Status(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"


def show_all(
    *,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only those created since, as in 2026-12-01."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the campaigns, the newest first."""
    moment = None if since is None else since_of(since)
    with opened_store() as store:
        campaigns = store.recent_campaigns(status, moment)
        if as_json:
            show_json_list(campaigns)
        elif rows := [_row(campaign) for campaign in _by_chain(campaigns)]:
            show_table(COLUMNS, rows)
        elif status is None and since is None:
            note(f"There is no campaign yet; make one with {commands.CREATE_CAMPAIGN}.")
        else:
            note("No campaign fits.")


def status(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a campaign stands, how fast its accounts send, and what it waits for."""
    found = campaign_id(campaign)
    with opened_store() as store:
        if watch and as_json:
            for change in _changes(store, found):
                show_json_line(change)
        elif as_json:
            show_json(_report(store, found))
        elif not watch:
            _show(store, found)
        elif redraws(sys.stdout):
            watching.watch(store, found)
        else:
            for change in _changes(store, found):
                say(_line(change))
                sys.stdout.flush()


def show_leads(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    status: Annotated[LeadStatus | None, typer.Option(help="Only these.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of each lead of a campaign."""
    found = campaign_id(campaign)
    with opened_store() as store:
        store.campaign_status(found)  # an unknown campaign is no empty list
        leads = store.list_campaign_leads(found, status)
        if as_json:
            show_json_list(leads)
        else:
            show_table(
                LEAD_COLUMNS,
                (
                    (
                        x.email,
                        x.status,
                        x.account,
                        x.sent_at,
                        x.thread_id,
                        x.message_id,
                        x.error,
                        x.failed_at,
                        _past(x),
                        _came_back(x),
                    )
                    for x in leads
                ),
            )


def _by_chain(campaigns: Iterable[CampaignStatus]) -> list[CampaignStatus]:
    """The newest first; follow-ups under their first campaign, by number, where that is listed."""
    shown = list(campaigns)
    listed = {one.id for one in shown}
    steps = [one for one in shown if one.parent_id in listed]
    under = {one.id: [one] for one in shown if one.parent_id not in listed}
    for step in sorted(steps, key=lambda one: one.step or 0):
        under[step.parent_id or step.id].append(step)
    return [one for chain in under.values() for one in chain]


def _row(campaign: CampaignStatus) -> tuple[object, ...]:
    more = len(campaign.accounts) - TOLD
    accounts = [*campaign.accounts[:TOLD], *([f"{more} more"] if more > 0 else [])]
    return (
        campaign.id,
        titled(campaign.name, campaign.step),
        _shown(campaign),
        f"{campaign.leads.sent}/{campaign.total}",
        campaign.leads.failed,
        None if campaign.paused_at else campaign.resume_at,
        campaign.error,
        f"{campaign.progress:g} %",
        campaign.total,
        ", ".join(accounts),
        campaign.created_at,
        campaign.started_at,
        campaign.finished_at,
        campaign.replied,
        campaign.bounced,
        campaign.unsubscribed,
    )


def _past(lead: "CampaignLead") -> str:
    """Reasons of its failures before the last retry, each once."""
    reasons = [failure.reason for failure in lead.failures]
    if lead.status == "failed" and reasons and reasons[-1] == lead.error:
        reasons.pop()
    return " | ".join(dict.fromkeys(reasons))


def _came_back(lead: "CampaignLead") -> str:
    """Such as `replied, away until 2027-01-07`."""
    said = {
        "replied": lead.replied_at,
        " ".join(filter(None, ("bounced:", lead.bounce, lead.bounce_status))): lead.bounced_at,
        f"away until {lead.back_on}" if lead.back_on else "away": lead.away_at,
        "unsubscribed": lead.unsubscribed_at,
    }
    return ", ".join(words for words, at in said.items() if at)


def since_of(text: str) -> datetime:
    """An aware time; one without a zone is in this machine's zone. Raises Rejected."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise Rejected(
            f"{text!r} is not a time", "write --since like 2026-12-01 or 2026-12-01T09:00:00+01:00"
        ) from None


def _report(store: "Store", campaign: "UUID") -> CampaignReport:
    return report(
        store.campaign_status(campaign),
        store.campaign_progress(campaign),
        datetime.now().astimezone(),
        store.cancelled_reasons(campaign),
    )


def _show(store: "Store", campaign: "UUID") -> None:
    now, progress = store.campaign_status(campaign), store.campaign_progress(campaign)
    why = _reasons(store.cancelled_reasons(campaign))
    show_fields(
        {
            "id": now.id,
            "name": now.name,
            "status": _shown(now),
            **({} if now.step is None else {"step": f"{now.step} of {now.parent_id}"}),
            "error": now.error,
            "created": now.created_at,
            "starts": now.scheduled_at if now.status in {"draft", "scheduled"} else None,
            "started": now.started_at,
            "ended": now.finished_at,
            "goes on": None if now.paused_at else now.resume_at,
            "waits for": now.waiting_for,
            **now.leads.model_dump(),
            "opened": _opened(now.opened),
            **({"not mailed": why} if why else {}),
            **now.returned,
            **watching.facts(progress),
            "flow runs": ", ".join(now.flow_run_ids),
        }
    )
    if progress.accounts:
        say("")
        watching.show_accounts(progress)
    if now.steps:
        say("")
        show_table(STEP_COLUMNS, map(_step, now.steps))
        for line in _left(now.steps):
            say(line)


def _step(step: StepStatus) -> tuple[object, ...]:
    counts = step.leads
    return (
        step.step,
        step.id,
        step.status,
        step.waiting,
        counts.pending,
        counts.sent,
        counts.failed,
        step.saved,
        "" if step.reply_rate is None else f"{step.reply_rate:g} %",
        step.next_at,
    )


def _left(steps: list[StepStatus]) -> Iterator[str]:
    """Who left the chain, and why, a line for each step."""
    for step in steps:
        if step.left:
            yield f"not mailed in step {step.step}: {_reasons(step.left)}"


def _reasons(left: "list[NotMailed]") -> str:
    return ", ".join(f"{one.leads} {cell(one.reason)}" for one in left)


def _opened(opened: Opened) -> str | None:
    told = (
        f"{opened.people} by people",
        f"{opened.unclassified} by people or machines",
        f"{opened.machines} by machines",
    )
    return ", ".join(told) if any(opened.model_dump().values()) else None


def _changes(store: "Store", campaign: "UUID") -> Iterator[CampaignStatus]:
    before = None
    for now, _ in watching.follow(store.campaign_status, campaign):
        if now != before:
            yield now
        before = now


def _line(campaign: CampaignStatus) -> str:
    counted = campaign.leads.model_dump() | campaign.returned
    counts = ", ".join(f"{n} {name}" for name, n in counted.items())
    return ": ".join(filter(None, (_shown(campaign), counts, cell(campaign.error))))


def _shown(campaign: CampaignStatus) -> str:
    """A paused campaign keeps its status, because the web app has no status for it; shows both."""
    return f"{campaign.status}, paused" if campaign.paused_at else campaign.status
