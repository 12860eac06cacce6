"""A day of fifty campaigns on the test's clock: each dispatched at its time, once, and none forgotten.

The calls are those of workers; what they wait for is an event of this day's queue.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Generator
from datetime import datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.sql.conftest import T0

HOUR = 3600.0
LEASE, RENEWED = 60.0, 30.0
PACE, CAP = 60.0, 14
PATIENCE = 120.0
"""A run waits so long for its leads, before it hands its worker back."""
DEPLOYS = (4230.0, 3 * HOUR + 45, 16690.0)
KILL = 5 * HOUR + 45
DOWN = 20.0
"""Seconds from the end of the workers to the start of the next."""
SETTLED = 600.0
END = 48 * HOUR
"""Until what the daily limit has put off has left, too."""
PUNCTUAL = 0.01

Run = Generator[float, None, None]


class Day:
    """Two workers, their runs, a web app that writes rows, and a clock."""

    def __init__(self, build: Any) -> None:
        self.build, self.call, self.now = build, build.sql, 0.0
        self.up_at = 0.0
        self.runs: dict[UUID, tuple[UUID, Run]] = {}
        self.open: dict[UUID, UUID] = {}
        self.due: dict[UUID, float] = {}
        """When each campaign may begin, by the test's own reckoning."""
        self.late: list[tuple[float, UUID]] = []
        self.mails: list[tuple[float, UUID]] = []
        self.starts: Counter[UUID] = Counter()
        self.lost = 1
        """Dispatches whose worker dies before it begins the run."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, moment: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (moment, next(self._number), do))

    def pass_by(self) -> None:
        while self._queue and self._queue[0][0] < END:
            self.now, _, do = heapq.heappop(self._queue)
            do()

    # --- the web app ----------------------------------------------------------------------

    def write(self, campaign: UUID, status: str, scheduled: float | None = None) -> None:
        moment = None if scheduled is None else T0 + timedelta(seconds=scheduled)
        self.build.db.execute(
            "update campaigns set status = %s, scheduled_at = %s where id = %s",
            [status, moment, campaign],
        )
        self.due[campaign] = max(self.now, (scheduled or 0.0) - PATIENCE)
        self.dispatch()

    def pause(self, campaign: UUID) -> None:
        self.call.pause_campaign(campaign=campaign, at=self.now)
        self.due.pop(campaign, None)

    def resume(self, campaign: UUID) -> None:
        self.call.resume_campaign(campaign=campaign)
        self.due[campaign] = self.now
        self.dispatch()

    # --- the workers' dispatchers ---------------------------------------------------------

    def dispatch(self) -> None:
        """Woken, both start what is due; then they sleep until the next is."""
        if self.now < self.up_at:
            return
        while (seconds := self.call.next_due(at=self.now)["seconds"]) == 0:
            first, second = (self.call.rows("take_due", at=self.now) for _ in range(2))
            assert (bool(first), second) == (True, [])
            for taken in first:
                self._begin(UUID(taken["id"]))
        if seconds is not None:
            self.at(self.now + float(seconds) + PUNCTUAL / 10, self.dispatch)

    def _begin(self, campaign: UUID) -> None:
        assert campaign not in self.runs, "a second run of it"
        self.late.append((self.now - max(self.due.pop(campaign), self.up_at), campaign))
        self.starts[campaign] += 1
        if self.lost and self.now > 6 * HOUR:
            self.lost -= 1
            self.due[campaign] = self.now + 300
            return
        run = uuid4()
        self.call.note_dispatch(campaign=campaign, flow_run=str(run))
        self.runs[campaign] = run, self._send(campaign, run)
        self._go_on(campaign, run)

    # --- their runs -----------------------------------------------------------------------

    def _go_on(self, campaign: UUID, run: UUID) -> None:
        if (running := self.runs.get(campaign)) is None or running[0] != run:
            return  # it was stopped or killed
        if (pause := next(running[1], None)) is not None:
            self.at(self.now + pause, lambda: self._go_on(campaign, run))
            return
        del self.runs[campaign]
        self.dispatch()

    def _send(self, campaign: UUID, run: UUID) -> Run:
        own = {"campaign": campaign, "run": run}
        while (begun := self.call.begin_run(**own, lease_seconds=LEASE, at=self.now))[
            "answer"
        ] == "wait":
            yield min(begun["wait_seconds"], RENEWED)
        assert begun["answer"] == "begun", begun
        while True:
            batch = self.build.claim(campaign, run, at=self.now, pace=PACE, per_day=CAP)
            for claim in batch.get("claims", ()):
                yield from self._wait(own, claim["wait_seconds"])
                yield from self._mail(campaign, run, claim)
            if batch["answer"] == "later" and batch["wait_seconds"] <= PATIENCE:
                yield from self._wait(own, batch["wait_seconds"])
            elif batch["answer"] != "claimed":
                break
        ended = self.call.finish_run(
            **own, resume_after=batch.get("wait_seconds"), reason="later", at=self.now
        )
        if ended["answer"] == "deferred":
            self.due[campaign] = self.now + ended["resume_seconds"]

    def _wait(self, own: dict[str, UUID], seconds: float) -> Run:
        """As long as the campaign is its own."""
        until = self.now + seconds
        while (left := until - self.now) > 0:
            yield min(left, RENEWED)
            renewed = self.call.renew_run(**own, lease_seconds=LEASE, at=self.now)
            if renewed["answer"] != "renewed":
                return

    def _mail(self, campaign: UUID, run: UUID, claim: dict[str, Any]) -> Run:
        attempt = uuid4()
        begun = self.build.attempt(claim, run, at=self.now, attempt=attempt, pace=PACE, per_day=CAP)
        if begun["answer"] == "go":
            self.mails.append((self.now, campaign))
            self.open[campaign] = attempt
            yield 1.0
            self._record(campaign)

    def _record(self, campaign: UUID) -> None:
        if (attempt := self.open.pop(campaign, None)) is not None:
            self.build.record(attempt, "sent", at=self.now)

    # --- bad moments ----------------------------------------------------------------------

    def deploy(self) -> None:
        """Each run records its mail and gives its campaign back; new workers come."""
        for campaign, (run, _) in self.runs.items():
            self._record(campaign)
            self.call.release_run(campaign=campaign, run=run)
            self.due[campaign] = self.now
        self._down()

    def kill(self) -> None:
        """Nobody says a word: their leases lapse, their mails in flight are settled later."""
        for campaign in self.runs:
            (lease,) = self.build.fields("campaigns", campaign, "lease_until")
            self.due[campaign] = (datetime.fromisoformat(lease) - T0).total_seconds()
            self.at(self.now + SETTLED, lambda campaign=campaign: self._record(campaign))
        self._down()

    def _down(self) -> None:
        assert self.runs, f"nothing is sent at {self.now}"
        self.runs = {}
        self.up_at = self.now + DOWN
        self.at(self.up_at, self.dispatch)


@pytest.fixture
def day(build: Any) -> Day:
    return Day(build)


def office(opens: int, closes: int) -> dict[str, Any]:
    return {
        "send_days": [1, 2, 3, 4, 5],
        "send_from": time(opens),
        "send_until": time(closes),
        "time_zone": "Europe/Berlin",
    }


def hour_in_berlin(at: float) -> float:
    """The day is in winter."""
    return ((T0 + timedelta(seconds=at)).hour + 1) % 24


def test_fifty_campaigns_are_dispatched_at_their_times(day: Day, db: psycopg.Connection) -> None:
    """With windows, daily limits, pauses, three deploys, a crash, and a run that nobody began."""
    accounts = [day.build.account(f"sender{number}@us.test") for number in range(10)]

    def made(number: int, **values: Any) -> UUID:
        own = [accounts[number % 10], accounts[(number + 3) % 10]]
        campaign: UUID = day.build.campaign(*own, leads=2 + number % 4, status="draft", **values)
        return campaign

    at_once = [made(number) for number in range(15)]
    planned = [made(number) for number in range(15, 30)]
    windowed = [made(number, **office(14 + number % 4, 19)) for number in range(30, 45)]
    held = [made(number) for number in range(45, 50)]
    for number, campaign in enumerate([*at_once, *windowed]):
        day.at(number * 1400.0 % (8 * HOUR), lambda c=campaign: day.write(c, "running"))
    times = {campaign: (1 + number) * 2400.0 for number, campaign in enumerate(planned)}
    for campaign, planned_at in times.items():
        day.at(60.0, lambda c=campaign, at=planned_at: day.write(c, "scheduled", at))
    for campaign in held:
        day.at(2 * HOUR, lambda c=campaign: day.write(c, "running"))
        day.at(2 * HOUR + 30, lambda c=campaign: day.pause(c))
        day.at(3 * HOUR, lambda c=campaign: day.resume(c))
    for moment in DEPLOYS:
        day.at(moment, day.deploy)
    day.at(KILL, day.kill)

    day.pass_by()

    assert day.build.sql.next_due(at=END)["seconds"] is None
    assert [late for late in day.late if not 0 <= late[0] <= PUNCTUAL] == []
    states = db.execute("select status::text, count(*) from campaigns group by 1").fetchall()
    assert states == [("completed", 50)]
    leads = db.execute("select status::text, count(*) from campaign_leads group by 1").fetchall()
    assert leads == [("sent", len(day.mails))]
    assert all(at >= times.get(campaign, 0) for at, campaign in day.mails)
    hours = {hour_in_berlin(at) for at, campaign in day.mails if campaign in windowed}
    assert hours <= {14, 15, 16, 17, 18}
