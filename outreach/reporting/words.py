"""Pure: counts and rates in words. A rate is a range: machines open mails, and people unseen."""

from outreach.campaign.numbers import Counts, TemplateCounts, Upcoming

SHORT = 12
"""Characters of a version's hash."""


def rate(counts: Counts) -> str:
    """Of those sent, as in `21-48 %`; empty when nothing was sent."""
    if counts.opened_low is None or counts.opened_high is None:
        return ""
    if counts.too_few:
        return "too few"
    low, high = (f"{100 * value:.0f}" for value in (counts.opened_low, counts.opened_high))
    return f"{low} %" if low == high else f"{low}-{high} %"


def interval(counts: Counts) -> str:
    """The range that holds with 95 %; empty where the rate says little."""
    if counts.too_few or counts.interval_low is None or counts.interval_high is None:
        return ""
    return f"{100 * counts.interval_low:.0f}-{100 * counts.interval_high:.0f} %"


def mails(counts: Counts) -> str:
    told = (
        (counts.sent, "sent"),
        (counts.refused, "refused"),
        (counts.unclear, "unclear"),
        (counts.put_off, "put off"),
    )
    return ", ".join(f"{n:,} {word}" for n, word in told if n or word == "sent")


def opened(counts: Counts) -> str:
    """How many opened a mail, by whom, and what share of those sent that is."""
    by = counts.opened
    told = (
        f"{by.people:,} by people, {by.unclassified:,} by people or machines, "
        f"{by.machines:,} by machines"
    )
    if counts.too_few:
        return f"{told} (fewer than 50 sent: too few for a rate)"
    return f"{told}: {rate(counts)} of those sent (95 %: {interval(counts)})"


def template(counts: TemplateCounts) -> str:
    if counts.template == "own":
        return "texts of single leads"
    return counts.template[:SHORT] or "unknown"


def coming(one: Upcoming) -> str:
    """`2026-12-01 09:00 UTC`, or what it waits for."""
    if one.starts_at is None:
        at = {"sending": "now", "follows": "after the mail before it"}
        return at.get(one.what) or one.waiting_for or "a person"
    return f"{one.starts_at:%Y-%m-%d %H:%M} UTC"
