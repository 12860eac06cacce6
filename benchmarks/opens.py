"""Fetches of the open pixel at a rate, as `outreach web` records them, and what a kill loses."""

import statistics
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from itertools import count
from uuid import UUID

import psutil

from benchmarks.harness import World, cpu_of, world
from benchmarks.table import Line, at_least, at_most, figure, holds

A_SECOND = 100.0
OFFERED = 120.0
"""Fetches a second that the clients send, at set times."""
SECONDS = 60
KILLS = 5
KILLED_AFTER = 3.3
"""Seconds of fetches."""
LAST = 1.0
"""Seconds before a kill whose fetches may be lost."""
CLIENTS = 8
READER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0"
FILL = """
with account as (
  insert into accounts (email, refresh_token)
  select 'sender' || n || '@us.example', 't' from generate_series(1, 4) n returning id
), senders as (select array_agg(id) as ids from account),
campaign as (insert into campaigns (name, status) values ('Mailed', 'completed') returning id),
lead as (
  insert into campaign_leads (campaign_id, status, assigned_account_id, sent_at)
  select campaign.id, 'sent', senders.ids[1 + n %% 4], now() - interval '1 hour'
  from campaign, senders, generate_series(1, %(rows)s) n returning *
)
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
select
  gen_random_uuid(), campaign_id, id, assigned_account_id, gen_random_uuid(), id || '@x.example',
  sent_at, 'o' || id, sent_at, 'sent'
from lead
"""


def run(*, quick: bool) -> Iterator[Line]:
    seconds, kills = (3, 1) if quick else (SECONDS, KILLS)
    with world(prefect=False) as there:
        fetches, before_kill = int(OFFERED * seconds), int(OFFERED * 2 * KILLED_AFTER)
        there.db.execute(FILL.encode(), {"rows": 2 * fetches + kills * before_kill})
        there.db.execute("vacuum analyze")
        rows = there.db.execute("select id from campaign_leads order by id").fetchall()
        leads = iter([lead for (lead,) in rows])
        yield from _sustained(there, [next(leads) for _ in range(fetches)])
        yield from _ceiling(there, [next(leads) for _ in range(fetches)])
        yield from _killed(there, [[next(leads) for _ in range(before_kill)] for _ in range(kills)])


def _sustained(there: World, leads: list[UUID]) -> Iterator[Line]:
    """Each lead opens its mail for the first time: the dearest kind of fetch."""
    process, port = there.web()
    web = psutil.Process(process.pid)
    before, database = cpu_of(web), cpu_of(there.database)
    fetched = Fetches(port, leads, OFFERED)
    fetched.join()
    late = _until_recorded(there, len(fetched.answered))
    used, postgres = cpu_of(web) - before, cpu_of(there.database) - database
    process.terminate()
    process.wait(20)
    seconds, done = len(leads) / OFFERED, len(fetched.answered)
    times = sorted(1000 * taken for _, taken in fetched.answered.values())
    name = f"opens: fetches a second, for {seconds:.0f} s"
    yield at_least(name, done / (fetched.ended - fetched.began), A_SECOND)
    yield holds(
        "opens: answered, and recorded", (len(leads),) * 2, (done, len(_kept(there, leads)))
    )
    yield figure("opens: recorded after the last answer", late, " s")
    yield figure("opens: an answer, median", statistics.median(times), " ms")
    yield figure("opens: an answer, 99 of 100", times[len(times) * 99 // 100], " ms")
    yield figure("opens: CPU of outreach web, of a second", used / seconds, " s")
    yield figure("opens: CPU of Postgres, of a second", postgres / seconds, " s")


def _ceiling(there: World, leads: list[UUID]) -> Iterator[Line]:
    """As fast as the clients can, on the same machine."""
    process, port = there.web()
    before = _recorded(there)
    fetched = Fetches(port, leads, float("inf"))
    fetched.join()
    _until_recorded(there, before + len(fetched.answered))
    ended = time.monotonic()
    process.terminate()
    process.wait(20)
    yield figure("opens: at most a second, recorded", len(leads) / (ended - fetched.began))
    yield holds("opens: of these, recorded", len(leads), len(_kept(there, leads)))


def _killed(there: World, rounds: list[list[UUID]]) -> Iterator[Line]:
    """SIGKILL amid the fetches: an answer that came before the last second is recorded."""
    answered = lost = 0
    oldest = 0.0
    for leads in rounds:
        process, port = there.web()
        fetched = Fetches(port, leads, OFFERED)
        time.sleep(KILLED_AFTER)
        process.kill()
        killed = time.monotonic()
        process.wait(20)
        fetched.join()
        kept = set(_kept(there, leads))
        ages = [killed - at for lead, (at, _) in fetched.answered.items() if lead not in kept]
        answered, lost = answered + len(fetched.answered), lost + len(ages)
        oldest = max([oldest, *ages])
    yield figure(f"opens: lost by {len(rounds)} kills, of {answered:,}", lost)
    yield at_most("opens: age of the oldest that was lost", oldest, LAST, " s")


class Fetches:
    """A fetch for each lead, begun at once or at a rate, by clients that keep their connections."""

    def __init__(self, port: int, leads: list[UUID], a_second: float) -> None:
        self.answered: dict[UUID, tuple[float, float]] = {}
        """When (of the monotonic clock), and after how long, counted from its set time."""
        self._port, self._leads, self._every = port, leads, 1 / a_second
        self._next = count()
        self.began = self.ended = time.monotonic()
        self._clients = [threading.Thread(target=self._fetch) for _ in range(CLIENTS)]
        for client in self._clients:
            client.start()

    def join(self) -> None:
        for client in self._clients:
            client.join()

    def _fetch(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while (number := next(self._next)) < len(self._leads):
            due = self.began + number * self._every
            time.sleep(max(due - time.monotonic(), 0))
            begun = due if self._every else time.monotonic()
            lead = self._leads[number]
            try:
                connection.request(
                    "GET", f"/api/track/open?id={lead}", headers={"User-Agent": READER}
                )
                connection.getresponse().read()
            except (OSError, HTTPException):  # it was killed
                return
            self.ended = time.monotonic()
            self.answered[lead] = (self.ended, self.ended - begun)


def _recorded(there: World) -> int:
    return int(there.one("select count(*) from mail_events"))


def _kept(there: World, leads: list[UUID]) -> list[UUID]:
    """Those of them whose fetch is in the database."""
    query = "select campaign_lead_id from mail_events where campaign_lead_id = any (%s)"
    return [lead for (lead,) in there.db.execute(query, (leads,))]


def _until_recorded(there: World, fetches: int) -> float:
    """Seconds until that many are; gives up after a minute."""
    began = time.monotonic()
    while _recorded(there) < fetches and time.monotonic() < began + 60:
        time.sleep(0.05)
    return time.monotonic() - began
