"""Pure: a report as one HTML page that needs nothing else: no script, no font, no other host."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from outreach.campaign.numbers import Report
from outreach.reporting import chart, words

HEIGHT, WIDTH = 180, 720
"""Of the chart, in units of its drawing."""
_LABELS = 8
"""Dates below the chart, at most; on a phone half of them."""
_ROOM = 130
"""For a date, in its larger size."""


def page(report: Report, title: str) -> str:
    """The whole document."""
    made = Environment(
        loader=PackageLoader("outreach.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "rate": words.rate,
        "interval": words.interval,
        "coming": words.coming,
        "version": words.template,
        "count": "{:,}".format,
    }
    drawn = {"columns": _columns(report), "width": WIDTH, "height": HEIGHT}
    return made.get_template("report.html").render(
        report=report,
        title=title,
        unit=chart.unit(report.days),
        mails=words.mails(report.totals),
        opened=words.opened(report.totals),
        chart=drawn,
    )


def _columns(report: Report) -> list[dict[str, Any]]:
    """The chart's columns, in units of the drawing; heights of openings lie within those sent."""
    bars = chart.bars(report.days)
    largest = max((bar.sent for bar in bars), default=0) or 1
    step = WIDTH / max(len(bars), 1)
    every = -(-len(bars) // _LABELS) or 1

    def height(value: int) -> float:
        return round(HEIGHT * min(value, largest) / largest, 2)

    return [
        {
            "x": round(n * step + step * 0.1, 2),
            "width": round(step * 0.8, 2),
            "sent": height(bar.sent),
            "maybe": height(min(bar.people + bar.unclassified, bar.sent)),
            "people": height(min(bar.people, bar.sent)),
            "label": bar.label if n % every == 0 and n * step <= WIDTH - _ROOM else "",
            "rare": n % (2 * every) != 0,
            "told": f"{bar.label}: {bar.sent:,} sent, {bar.people:,} opened by people, "
            f"{bar.unclassified:,} by people or machines",
        }
        for n, bar in enumerate(bars)
    ]
