"""`outreach campaigns start`: hand a campaign to Prefect, or run it in this process."""

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from outreach import commands
from outreach.campaign.durations import format_duration
from outreach.campaign.snapshot import COOLDOWN_DAYS
from outreach.cli import flow_runs
from outreach.cli.campaigns import check as checking
from outreach.cli.campaigns.check import Cooldown, Strict
from outreach.cli.campaigns.watch import shown_meanwhile
from outreach.cli.context import campaign_id, opened_services
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json, terminal
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.store.calls import Row
    from outreach.store.store import Store


def start(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    local: Annotated[bool, typer.Option("--local", help="Send it in this process.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show Prefect's log (with --local).")
    ] = False,
    cooldown: Cooldown = COOLDOWN_DAYS,
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="In spite of errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a campaign, or go on with one that stopped; never one that is being sent.

    It is checked first, as by `check`, and what that finds is told; errors keep it from starting.
    """
    found = campaign_id(campaign)
    with ExitStack() as stack:
        server = flow_runs.launch_server(stack) if local else None
        services = stack.enter_context(opened_services())
        _refuse_unstartable(services.store, found)
        # Checked first: without a server to run it, the campaign stays a draft.
        if local:
            until_prefect_answers = flow_runs.prepare_here(stack, server, verbose=verbose)
        else:
            flow_runs.find_deployment(found)
        report = checking.tell(services, found, cooldown=cooldown, here=local)
        if report.blocks(strict=strict) and not force:
            # Another process may have sent it meanwhile: report that first.
            _refuse_unstartable(services.store, found)
            raise checking.blocked(report)
        if local:
            until_prefect_answers()
            _begin(services.store, found)
            _run_here(services.store, found, verbose=verbose, as_json=as_json)
        else:
            # Without a free place the dispatcher begins it, when there is one.
            free = services.store.count_places().taken < services.settings.campaigns_at_once
            status = _begin(services.store, found, asked=free)
            _run_there(services.store, found, status, as_json=as_json)


def _run_there(store: "Store", campaign: UUID, status: str, *, as_json: bool) -> None:
    run = flow_runs.create(campaign, store.campaign_status(campaign).name)
    store.note_dispatch(campaign, run.id)
    if as_json:
        show_json({"id": str(campaign), "flow_run_id": str(run.id), "status": status})
    else:
        say(str(run.id))
        if run.url:
            note(f"Watch it at {run.url}")


def _run_here(store: "Store", campaign: UUID, *, verbose: bool, as_json: bool) -> None:
    # On stderr, but not between the log lines there.
    shown = shown_meanwhile(store, campaign, terminal(notes=True))
    try:
        with nullcontext() if verbose else shown:
            ended = flow_runs.run_here(campaign)
    except KeyboardInterrupt:
        if store.campaign_status(campaign).status == "running":
            note(
                "The campaign is still running, and any worker goes on with it; "
                f"{commands.pause(campaign)} stops it."
            )
        raise
    status = store.campaign_status(campaign)
    if as_json:
        run = status.flow_run_ids[-1] if status.flow_run_ids else None
        show_json({"id": str(campaign), "flow_run_id": run, "status": status.status})
    if ended.name != "Completed":
        # A failure in the campaign's own words: Prefect's may quote unexpected errors.
        raise Rejected(status.error or ended.message)
    if not as_json:
        say(ended.message)


def _refuse_unstartable(store: "Store", campaign: UUID) -> None:
    """Changes nothing. Raises CampaignNotFound or Rejected."""
    if store.campaign_status(campaign).status != "draft":
        _begin(store, campaign, asked=False)


def _begin(store: "Store", campaign: UUID, *, asked: bool = True) -> str:
    """Make a draft running or scheduled; returns the status.

    `asked`: this command sees to its run. Raises CampaignNotFound or Rejected.
    """
    answer = store.start_campaign(campaign, asked=asked)
    match answer["answer"]:
        case "already":
            return _still_startable(answer)
        case "scheduled":
            note(
                "It is scheduled: its first mail leaves in "
                f"{format_duration(answer['wait_seconds'])}."
            )
    return str(answer["answer"])


def _still_startable(answer: "Row") -> str:
    status: Any = answer["status"]
    if answer["owned"]:
        raise Rejected(
            "The campaign is already running",
            "`outreach campaigns status ID --watch` shows how far",
        )
    if answer["paused"]:
        raise Rejected("The campaign is paused", f"{commands.resume('ID')} goes on with it")
    if status in {"completed", "cancelled"}:
        raise Rejected(
            f"The campaign is {status} and does not start again",
            f"make a new one with {commands.CREATE_CAMPAIGN}",
        )
    if status == "error" and not answer["pending"]:
        raise Rejected(
            "The campaign ended in error and no lead of it is pending",
            "`outreach campaigns leads ID --status failed` shows why",
        )
    return str(status)
