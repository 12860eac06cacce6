"""`outreach campaigns check`, and the same check at every start."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from outreach.campaign import days_off
from outreach.campaign.durations import format_exactly
from outreach.campaign.snapshot import COOLDOWN_DAYS
from outreach.cli.context import campaign_id, opened_services
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, progress, show_json
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.preflight.findings import Finding, Report
    from outreach.wiring import Services

SHOWN = 8
"""Findings on one screen."""
NAMED = 3
"""Companies, and addresses, in a line."""

Cooldown = Annotated[
    int,
    typer.Option(
        metavar="DAYS",
        min=0,
        max=3650,
        help="Tell of addresses that another campaign mailed so recently; 0: of none.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings block as errors do.")]


def check(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    cooldown: Cooldown = COOLDOWN_DAYS,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """See what would go wrong, before anything is sent, and how long it will take.

    Looks at every pending lead, its template, the accounts, the attachment, and changes nothing.
    Status 1 if there is an error: that keeps mails from leaving until somebody mends it.
    """
    found = campaign_id(campaign)
    with opened_services() as services:
        report = inspected(services, found, cooldown=cooldown)
    if as_json:
        show_json(report)
    else:
        for line in lines(report):
            say(line)
    if report.blocks(strict=strict):
        raise typer.Exit(1)


def tell(services: "Services", campaign: UUID, *, cooldown: int, here: bool) -> "Report":
    """Print a check's findings on stderr. Raises CampaignNotFound."""
    report = inspected(services, campaign, cooldown=cooldown, here=here)
    for line in lines(report):
        note(line)
    return report


def blocked(report: "Report") -> Rejected:
    return Rejected(
        f"Nothing was started, since the check found {_counts(report)}",
        "mend that, or start all the same with --force",
    )


def inspected(
    services: "Services", campaign: UUID, *, cooldown: int, here: bool = True
) -> "Report":
    """The report of a check. Raises CampaignNotFound."""
    from outreach.preflight.runner import Inspecting

    looking = Inspecting(
        services.store, services.mailer, services.settings, here=here, try_web=True
    )
    with progress("Checking") as news:
        return looking.inspect(campaign, cooldown_days=cooldown, news=news)


def lines(report: "Report") -> Iterator[str]:
    """The report on one screen: a finding of several companies is one line."""
    accounts, groups = _number(report.accounts, "account"), _grouped(report)
    yield f"{report.name}: {_number(report.pending, 'lead')} to mail from {accounts}"
    for group in groups[:SHOWN]:
        yield from _told(group)
    if (left := len(groups) - SHOWN) > 0:
        yield f"… and {left} more; `outreach campaigns check {report.id} --json` has them all"
    for line in report.notes[:SHOWN]:
        yield f"note   {line}"
    if (left := len(report.notes) - SHOWN) > 0:
        yield f"… and {left} more notes; `--json` has them all"
    if report.pending:
        yield _when(report)
    if report.steps:
        yield _when_chain(report)
    if days := days_off.told(report.skip_dates, datetime.now().astimezone().date()):
        yield f"Days off: {days}."
    counts = _counts(report)
    yield f"{counts[0].upper()}{counts[1:]}."


def _grouped(report: "Report") -> list[list["Finding"]]:
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for x in report.findings:
        groups.setdefault((x.severity, x.check, x.message, x.remedy), []).append(x)
    return sorted(groups.values(), key=lambda group: (group[0].severity, -_leads(group)))


def _leads(group: list["Finding"]) -> int:
    return sum(finding.count for finding in group)


def _told(group: list["Finding"]) -> Iterator[str]:
    first = group[0]
    severity = "error" if first.severity == "error" else "warn"
    message = f"{severity:<7}{first.message}"
    companies = _some([finding.company for finding in group if finding.company], len(group))
    who = _who(group)
    yield f"{message}{f': {companies}' if companies else ''}{f' ({who})' if who else ''}"
    if first.remedy:
        yield f"       → {first.remedy}"


def _who(group: list["Finding"]) -> str:
    """`12 leads: zoe@acme.example, …`, or the accounts with the number of their leads."""
    count = _leads(group)
    leads = _number(count, "lead") if count else ""
    some = [example for finding in group for example in finding.examples]
    if group[0].check in {"account", "settings", "domain"}:
        return ": ".join(filter(None, (", ".join(some), leads)))
    return ": ".join(filter(None, (leads, _some(some, count))))


def _some(names: list[str], count: int) -> str:
    """The first few, and an ellipsis if there are more."""
    return ", ".join(names[:NAMED] + ["…"] * (count > NAMED and bool(names)))


def _when(report: "Report") -> str:
    if report.seconds is None or report.done_at is None:
        return "When it ends cannot be told." if report.errors else "It takes more than ten years."
    lasts = report.seconds - report.starts_in_seconds
    how_long = f"About {format_exactly(lasts)}" if lasts >= 1 else "As fast as Gmail takes it"
    when = "as scheduled" if report.starts_in_seconds else "if started now"
    return f"{how_long}, done {_moment(report.done_at)} {when}."


def _when_chain(report: "Report") -> str:
    """Of the whole chain; for a step, too."""
    chain = _number(len(report.steps), "follow-up")
    if report.chain_seconds is None or report.chain_done_at is None:
        return f"With {chain}, when it ends cannot be told."
    how_long = format_exactly(report.chain_seconds)
    return (
        f"With {chain} it is done {_moment(report.chain_done_at)} at the latest, "
        f"in {how_long}: as if nobody answered."
    )


def _moment(at: datetime) -> str:
    here = at.astimezone()
    year = "" if here.year == datetime.now(here.tzinfo).year else f" {here.year}"
    return f"{here:%a %d %b}{year} {here:%H:%M}"


def _counts(report: "Report") -> str:
    """Counts lines, not companies."""
    severities = [group[0].severity for group in _grouped(report)]
    found = [
        _number(severities.count(severity), severity)
        for severity in ("error", "warning")
        if severity in severities
    ]
    return " and ".join(found) or "nothing is wrong"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
