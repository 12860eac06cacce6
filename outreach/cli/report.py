"""`outreach report`, `outreach campaigns report`: numbers by day, campaign, account, template."""

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from outreach.cli.campaigns.export import destination
from outreach.cli.context import campaign_id, opened_store
from outreach.cli.lines import note, say
from outreach.cli.output import AsJson, show_json, show_table
from outreach.errors import Rejected

if TYPE_CHECKING:
    from outreach.campaign.numbers import Counts, Report

    Counted = TypeVar("Counted", bound=Counts)

DAYS = 30
"""Of a report over all campaigns, unless told."""
BAR = 40
"""Characters of the largest bar."""
COUNTS = ("sent", "refused", "unclear", "put off", "opened", "95 %", "people", "people or machines",
          "machines")  # fmt: skip

Since = Annotated[
    str | None, typer.Option(metavar="DATE", help="The first day (UTC), as in 2026-12-01.")
]
Until = Annotated[str | None, typer.Option(metavar="DATE", help="The last day.")]
Html = Annotated[
    Path | None,
    typer.Option("--html", dir_okay=False, metavar="FILE", help="Write it as one HTML page."),
]


def report(
    *, since: Since = None, until: Until = None, html: Html = None, as_json: AsJson = False
) -> None:
    """Show what was sent and opened, by day, campaign, account and template; then what comes.

    Of the last 30 days, unless told. A rate is a range: machines open mails, too.
    """
    last = _day(until)
    first = _day(since) or (last or datetime.now(UTC).date()) - timedelta(days=DAYS - 1)
    _report(None, first, last, html, as_json=as_json)


def of_campaign(
    campaign: Annotated[str, typer.Argument(metavar="ID")],
    *,
    since: Since = None,
    until: Until = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """Show what a campaign sent and how much was opened, by day, account and template."""
    _report(campaign_id(campaign), _day(since), _day(until), html, as_json=as_json)


def _report(
    campaign: UUID | None,
    since: date | None,
    until: date | None,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    if since is not None and until is not None and since > until:
        raise Rejected(f"{since} is after {until}", "write --since before --until")
    with opened_store() as store:
        made = store.report(campaign, since, until)
    if html is not None:
        _write(made, html)
    if as_json:
        show_json(made)
    elif html is None:
        _show(made)


def _write(made: "Report", html: Path) -> None:
    from outreach.reporting.page import page

    title = made.campaigns[0].title if made.campaign else "Outreach report"
    with destination(html, "--html") as file:
        file.write(page(made, title).encode(errors="replace"))
    note(f"The report is in {html}.")


def _show(made: "Report") -> None:
    from outreach.reporting import words

    if made.since is None or not made.days:
        note("No mail was sent on these days.")
    else:
        say(f"{made.since} to {made.until}, days in UTC: {words.mails(made.totals)}.")
        say(f"Opened: {words.opened(made.totals)}.")
        _chart(made)
    _table("campaign", ("id", "status"), made.campaigns, lambda x: (x.title, x.id, x.status))
    _table("account", ("status",), made.accounts, lambda x: (x.email or "deleted", x.status))
    _table("template", ("subject",), made.templates, lambda x: (words.template(x), x.subject))
    if made.failures:
        say("")
        rows = [(x.failures, x.reason) for x in made.failures]
        show_table(("failures", "reason"), rows)
    if made.upcoming:
        say("")
        coming = [(x.title, words.coming(x), x.what, x.pending, x.id) for x in made.upcoming]
        show_table(("upcoming", "when", "what", "pending", "id"), coming)


def _chart(made: "Report") -> None:
    from outreach.reporting import chart

    bars = chart.bars(made.days)
    largest = max(bar.sent for bar in bars)
    drawn = sys.stdout.isatty()
    say("")
    show_table(
        (chart.unit(made.days), "sent", "people", "people or machines", *([""] if drawn else [])),
        (
            (
                bar.label,
                bar.sent,
                bar.people,
                bar.unclassified,
                *([chart.blocks(bar.sent, largest, BAR)] if drawn else []),
            )
            for bar in bars
        ),
    )


def _table(
    name: str,
    more: tuple[str, ...],
    rows: "Sequence[Counted]",
    begin: "Callable[[Counted], tuple[object, ...]]",
) -> None:
    if rows:
        say("")
        show_table((name, *more, *COUNTS), ((*begin(row), *_cells(row)) for row in rows))


def _cells(row: "Counts") -> Iterator[object]:
    from outreach.reporting import words

    yield from (row.sent, row.refused, row.unclear, row.put_off, words.rate(row))
    yield words.interval(row)
    yield from (row.opened.people, row.opened.unclassified, row.opened.machines)


def _day(text: str | None) -> date | None:
    """Raises Rejected."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Rejected(f"{text!r} is not a day", "write it as in 2026-12-01") from None
