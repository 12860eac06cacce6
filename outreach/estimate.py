"""Pure: when a campaign's last mail leaves, by the rules that the database keeps.

Each account sends by itself: at its pace, below its daily limit over the last 24 hours, and within
the campaign's send window. What other campaigns will take of the same accounts is not foreseen.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from math import inf

from outreach.facts import CampaignAccount, CampaignFacts
from outreach.window import Window, opening

DAY = 24 * 60 * 60.0
TOO_LONG = 10 * 365 * DAY
"""What takes longer is not worked out: nobody waits for it."""


def window_of(facts: CampaignFacts) -> Window | None:
    """What is not set does not restrict; without any of it there is no window."""
    if facts.send_days is None and facts.send_from is None and facts.send_until is None:
        return None
    return Window(
        days=[1, 2, 3, 4, 5, 6, 7] if facts.send_days is None else facts.send_days,
        start=facts.send_from or time(),
        until=facts.send_until,
        zone=facts.time_zone or "UTC",
    )


def seconds_to_send(
    facts: CampaignFacts,
    accounts: Iterable[CampaignAccount],
    now: datetime,
    *,
    pace: float,
    daily_limit: int,
) -> float:
    """From `now`, which is aware, to the last mail of these accounts; inf for more than ten years.

    `pace` and `daily_limit` are for accounts without their own. Raises Rejected for a time zone
    that is none.
    """
    window = window_of(facts)
    return max(
        (
            _account(account, facts.wait_seconds, window, now, pace, daily_limit)
            for account in accounts
            if account.leads
        ),
        default=0.0,
    )


def _account(
    account: CampaignAccount,
    begins: float,
    window: Window | None,
    now: datetime,
    pace: float,
    daily_limit: int,
) -> float:
    step = pace if account.pace_seconds is None else account.pace_seconds
    limit = account.daily_limit or daily_limit
    leaves = deque(_a_day_old(account))
    at = last = max(begins, account.paused_seconds or 0.0)
    open_until = inf if window is None else -inf
    for _ in range(account.leads):
        while len(leaves) >= limit:
            at = max(at, leaves.popleft())
        if window is not None and at >= open_until:
            found = opening(window, now + timedelta(seconds=at)) if at < TOO_LONG else None
            if found is None:
                return inf
            opens, closes = ((moment - now).total_seconds() for moment in found)
            at, open_until = max(at, opens), closes
        if at > TOO_LONG:
            return inf
        leaves.append(at + DAY)
        last = at
        at += step
    return last


def _a_day_old(account: CampaignAccount) -> Iterable[float]:
    """When each mail of the last 24 hours no longer counts; of an hour's, the youngest's time."""
    for age, mails in reversed(list(enumerate(account.sent_by_hour))):
        yield from [DAY - age * 3600.0] * mails
