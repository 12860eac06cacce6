"""`make soak`: a day of 50 campaigns in SOAK_MINUTES, with everything that happens in a day."""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NoReturn

import httpx
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from benchmarks.harness import World, free_port, world
from benchmarks.soak import accountant
from benchmarks.soak.campaigns import HOUR, Campaigns
from benchmarks.soak.clock import Clock, broken_rules
from benchmarks.soak.flat import Watched
from benchmarks.soak.processes import Workers, web
from benchmarks.soak.recipients import Recipients
from benchmarks.table import Line, figure, holds, machine, shown

CAMPAIGNS = 50
HOURS = 26
"""A day, and two hours in which its first mails leave the accounts' rolling 24 hours."""
MAILBOX_SECONDS = 5.0
LOOK_SECONDS = 3.0
JOINS, DEPLOYS, STOPS, KILLS = {2}, {7, 13, 19}, {3, 9, 15, 21}, {5, 11, 17, 23}
"""Hours in which the second worker comes, and is replaced, restarted and killed."""
REST_HOURS, REST_STEPS = 6, 40
"""After the day: steps of so many hours until every campaign has ended, at most so many."""
REST_SECONDS = 6.0, 30.0
"""Of each step: at least, and at most while a run has a campaign in hand."""
IN_HAND = "select exists (select from campaigns where lease_until > now())"


class Day:
    """`act` and `look` go on in each of its moments; the clock moves between two hours."""

    def __init__(self, there: World, clock: Clock, workers: Workers, port: int, pid: int) -> None:
        self._there = there
        self._clock = clock
        self._workers = workers
        self._web = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        self.recipients = Recipients(there, self._web)
        database, prefects = there.db.info.port, _port(there.prefect.database.url)
        self.watched = [
            Watched("worker", workers.steady.pid, database),
            Watched("outreach web", pid, database),
            Watched("Prefect's server", there.prefect.process.pid, prefects),
        ]
        self.broken: Counter[str] = Counter()
        self._is_on = True
        self.upset: Counter[str] = Counter()

    def hour(self, number: int, seconds: float) -> None:
        """An hour in so many seconds."""
        began = self._there.one("select clock_timestamp()")
        until = time.monotonic() + seconds
        self._pass(time.monotonic() + seconds / 3)
        self._upset(number)
        self._pass(until)
        for rule, count in broken_rules(self._there.db, began).items():
            self.broken[rule] += count
        self._resume()
        self._clock.move(HOUR - seconds, hours=1)
        self._tell(f"hour {number}")

    def rest(self) -> float:
        """Until all have ended, without windows; the hours that it took. Nothing is watched."""
        self._is_on = False
        self._there.db.execute(
            "update campaigns set send_from = null, send_until = null, skip_dates = null"
        )
        for step in range(REST_STEPS):
            if accountant.unended(self._there) == (0, 0):
                return float(step * REST_HOURS)
            self._clock.move(REST_HOURS * HOUR)
            least, most = (time.monotonic() + seconds for seconds in REST_SECONDS)
            self._pass(least)
            while self._there.one(IN_HAND) and time.monotonic() < most:
                self._pass(time.monotonic() + LOOK_SECONDS)
            self._resume()
            self._tell(f"{(step + 1) * REST_HOURS} hours later")
        return float("inf")

    def close(self) -> None:
        self._web.close()

    def _pass(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self.recipients.act()
            for one in self.watched if self._is_on else ():
                one.look()
            time.sleep(min(left, LOOK_SECONDS))

    def _upset(self, hour: int) -> None:
        acts: list[tuple[str, set[int], Callable[[], None]]] = [
            ("second workers", JOINS, self._workers.join),
            ("deploys", DEPLOYS, self._workers.deploy),
            ("stops", STOPS, self._workers.stop_and_start),
            ("kills", KILLS, self._workers.kill_and_start),
        ]
        for name, hours, act in acts:
            if hour in hours:
                act()
                self.upset[name] += 1

    def _resume(self) -> None:
        """The operator looks at a campaign that paused itself, and lets it go on."""
        paused = "select id from campaigns where paused_at is not null and parent_id is null"
        for (campaign,) in self._there.db.execute(paused).fetchall():
            self._there.store.resume_campaign(campaign)
            self.upset["resumed after they paused themselves"] += 1

    def _tell(self, when: str) -> None:
        worker = self.watched[0].samples[-1].values
        shown = ", ".join(f"{value:.0f} {name}" for name, value in worker.items())
        unended, _ = accountant.unended(self._there)
        leads = ", ".join(f"{n} {s}" for s, n in accountant.statuses(self._there).items())
        print(f"{when}: {unended} not ended; {leads}; {shown}", file=sys.stderr, flush=True)


def soak(minutes: float, campaigns: int, hours: int) -> Iterator[Line]:
    port = free_port()
    settings: dict[str, Any] = {
        "app_url": f"http://127.0.0.1:{port}",
        "mailbox_seconds": MAILBOX_SECONDS,
        "gmail_timeout_seconds": 5,
        "gmail_settle_seconds": 1,
    }
    with world(pdf=20_000, mailboxes=True, **settings) as there:
        there.deploy()
        clock = Clock(there)
        Campaigns(there, clock).make(campaigns, min(hours, 24))
        with (
            web(there, port) as page,
            closing(Workers(there)) as workers,
            closing(Day(there, clock, workers, port, page.pid)) as day,
        ):
            for number in range(hours):
                day.hour(number, minutes * 60 / hours)
            longer = day.rest()
        yield from _found(there, day, longer)


def _port(database: SecretStr) -> int:
    return int(conninfo_to_dict(database.get_secret_value())["port"] or 5432)


def _found(there: World, day: Day, longer: float) -> Iterator[Line]:
    for what, count in {**day.upset, **day.recipients.acts}.items():
        yield figure(what, count)
    for status, count in accountant.statuses(there).items():
        yield figure(f"leads, with those of follow-ups: {status}", count)
    yield figure("until the last campaign had ended, after the day", longer, " h")
    for what, count in {**day.broken, **accountant.faults(there)}.items():
        yield holds(what, 0, count)
    for one in day.watched:
        yield from one.lines()


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    parser.add_argument("--hours", type=int, default=HOURS, help="of the day")
    chosen = parser.parse_args()
    minutes = float(os.environ.get("SOAK_MINUTES") or 25)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # its processes too
    began = time.monotonic()
    lines = list(soak(minutes, chosen.campaigns, chosen.hours))
    print(shown(lines))
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes; {machine()}")
    sys.exit(any(line.met is False for line in lines))


if __name__ == "__main__":
    main()
