"""Pure: a report and the upcoming campaigns as Markdown, for Prefect's UI."""

from collections.abc import Iterable, Iterator
from datetime import date

from outreach.campaign.numbers import Report, Upcoming
from outreach.mail.addresses import mask
from outreach.reporting import words

MOST = 20
"""Rows of a table."""


def digest(report: Report, day: date) -> str:
    """The mails of one day; addresses of accounts are masked."""
    return "\n".join(_digest(report, day))


def _digest(report: Report, day: date) -> Iterator[str]:
    yield f"# {day:%A, %d %B %Y} (UTC)"
    yield ""
    yield f"Mails: {words.mails(report.totals)}."
    yield ""
    yield f"Opened until now: {words.opened(report.totals)}."
    if report.campaigns:
        yield from ("", "| campaign | status | sent | refused | unclear |", "|---|---|---|---|---|")
    for one in report.campaigns[:MOST]:
        yield f"| {_cell(one.title)} | {one.status} | {one.sent} | {one.refused} | {one.unclear} |"
    if report.accounts:
        yield from ("", "| account | status | sent | refused |", "|---|---|---|---|")
    for account in report.accounts[:MOST]:
        name = mask(account.email or "")
        yield f"| {_cell(name)} | {account.status} | {account.sent} | {account.refused} |"
    if report.failures:
        yield from ("", "| failures | reason |", "|---|---|")
    for failure in report.failures[:MOST]:
        yield f"| {failure.failures} | {_cell(failure.reason)} |"


def upcoming(campaigns: Iterable[Upcoming]) -> str:
    """A table of the campaigns that will send, the next first."""
    rows = [
        f"| {_cell(words.coming(one))} | {_cell(one.title)} | {one.what} | {one.pending} "
        f"| {one.id} |"
        for one in campaigns
    ]
    if not rows:
        return "No campaign is scheduled or running."
    return "\n".join(
        ["| when | campaign | what | pending leads | id |", "|---|---|---|---|---|", *rows]
    )


def _cell(text: str) -> str:
    """Untrusted text in a cell: no column of its own, no link, no markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in "|\\`*_[]<>#!" else c for c in plain)
