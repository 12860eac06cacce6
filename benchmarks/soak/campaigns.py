"""The campaigns of the day: every half an hour another one, of every kind."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from benchmarks.harness import World, lead
from benchmarks.soak.clock import Clock

LEADS = 30
TOGETHER = 20
"""Of the first hour: they begin at once, so that pools and caches are as large as they get."""
BAD_LEADS, BAD = 60, 4
"""The campaign of this number meets many dead addresses."""
PACE = 2.0
FREE, CAPPED, RAMPED, BY_DOMAIN = 16, 4, 2, 2
"""Accounts of each kind."""
WINDOWS = [(1, 9), (9, 17), (17, 23)]
HOUR = 3600.0
FOOTER = "<p>Outreach Ltd, 1 High Street. <a href='{{ unsubscribe_url }}'>Unsubscribe</a></p>"


class Campaigns:
    def __init__(self, there: World, clock: Clock) -> None:
        self._there = there
        self._clock = clock
        self._free = [self._account(f"free{n}", daily_limit=120) for n in range(FREE)]
        self._capped = [self._account(f"capped{n}", daily_limit=25) for n in range(CAPPED)]
        self._ramped = [self._account(f"ramped{n}", ramp=(10, 5)) for n in range(RAMPED)]
        self._by_domain = [self._account(f"domain{n}", domain_cap=20) for n in range(BY_DOMAIN)]
        self._bad = self._account("bad")

    def make(self, count: int, hours: float) -> list[UUID]:
        """Some at once, the others one after the other over that time, each with its follow-ups."""
        begin, together = datetime.now(UTC), min(TOGETHER, count // 2)
        later = [hours * (n + 1) / (count - together) for n in range(count - together)]
        return [
            self._campaign(number, begin + timedelta(hours=after))
            for number, after in enumerate([0.0] * together + later)
        ]

    def _campaign(self, number: int, starts_at: datetime) -> UUID:
        campaign, tag = uuid4(), f"{'bad' if number == BAD else 'c'}{number}"
        rows = [lead(n, tag) for n in range(BAD_LEADS if number == BAD else LEADS)]
        self._there.store.import_leads(rows, tag=tag)
        self._there.store.create_campaign(
            campaign,
            f"Campaign {number}",
            self._accounts(number),
            tag=tag,
            starts_at=starts_at,
            list_unsubscribe=True,
            footer=FOOTER,
            **self._window(number),
        )
        self._there.store.start_campaign(campaign)
        if number % 2 == 0:
            self._follow_up(campaign, seconds=4 * HOUR)
        if number % 8 == 0:
            self._follow_up(campaign, days=1)
        return campaign

    def _accounts(self, number: int) -> list[str]:
        if number == BAD:
            return [self._bad]
        if number % 10 == 3:
            return [self._capped[number % CAPPED]]
        if number % 10 == 5:
            return [self._ramped[number % RAMPED], self._free[number % FREE]]
        if number % 10 == 7:
            return [self._by_domain[number % BY_DOMAIN]]
        return [self._free[number % FREE], self._free[(number + 7) % FREE]]

    def _window(self, number: int) -> dict[str, Any]:
        """Half of those that begin later have one; one in twelve has its first day off."""
        if number % 2 or number < TOGETHER:
            return {}
        begin, end = WINDOWS[number // 2 % len(WINDOWS)]
        today = datetime.now(UTC) - timedelta(hours=12)  # at the zone's west end
        return {
            "time_zone": self._clock.zone,
            "day_from": time(begin),
            "day_until": time(end),
            "skip_dates": [today.date()] if number % 12 == 0 else None,
        }

    def _follow_up(self, campaign: UUID, **after: Any) -> None:
        self._there.store.add_step(
            campaign, uuid4(), template="<p>Once more, {{ name }}</p>", **after
        )

    def _account(self, name: str, **limits: Any) -> str:
        address = f"{name}@ours.example"
        token = f"sandbox:{address}:modify"
        self._there.store.save_account(
            uuid4(), address, refresh_token=token, pace_seconds=PACE, **limits
        )
        return address
