"""Compares what the database says of every lead with what Gmail has."""

from collections import Counter

from benchmarks.harness import World

PENDING = "select count(*) from campaign_leads where status = 'pending'"
UNENDED = """
select count(*) from campaigns where status not in ('completed', 'cancelled') and parent_id is null
"""

MESSAGES = "select message_id from campaign_leads where status = 'sent'"
SENT = """
select l.email::text, count(*) from campaign_leads cl join leads l on l.id = cl.lead_id
where cl.status = 'sent' group by l.email
"""


def unended(there: World) -> tuple[int, int]:
    """First campaigns that have not ended, and pending leads of all."""
    return there.one(UNENDED), there.one(PENDING)


def statuses(there: World) -> Counter[str]:
    rows = there.db.execute("select status, count(*) from campaign_leads group by status")
    return Counter(dict(rows.fetchall()))


def faults(there: World) -> dict[str, int]:
    """Mails and leads that do not answer each other one to one; each number has to be 0."""
    mails: list[dict[str, str]] = there.gmail.get("/sandbox/mails").json()
    accepted = Counter(mail["id"] for mail in mails)
    told = Counter(str(message) for (message,) in there.db.execute(MESSAGES))
    mailed = Counter(mail["to"] for mail in mails)
    sent = dict(there.db.execute(SENT).fetchall())
    return {
        "mails that no lead accounts for": (accepted - told).total(),
        "leads whose mail Gmail does not have": (told - accepted).total(),
        "addresses mailed more often than their leads were sent": sum(
            count > sent.get(to, 0) for to, count in mailed.items()
        ),
        "leads still pending": there.one(PENDING),
        "attempts without an outcome": there.one(
            "select count(*) from send_attempts where outcome is null"
        ),
        "campaigns in error": there.one("select count(*) from campaigns where status = 'error'"),
    }
