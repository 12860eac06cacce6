"""How many recipients a second one core of `outreach web` unsubscribes, each answer durable."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from uuid import uuid4

import psutil

from benchmarks.harness import World, cpu_of, world
from benchmarks.table import Line, at_least, figure, holds

MAILS = 20_000
CLIENTS = 16
A_SECOND = 1000.0
BODY = b"List-Unsubscribe=One-Click"
INSERT = """
insert into send_attempts (
  id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
  finished_at, outcome)
select
  gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
  x.token || '@acme' || x.n %% 1000 || '.example', now(), x.token, now(), 'sent'
from unnest(%s::text[]) with ordinality x (token, n)
"""


def run(*, quick: bool) -> Iterator[Line]:
    with world(prefect=False) as there:
        tokens = [f"o{uuid4().hex}" for _ in range(500 if quick else MAILS)]
        there.db.execute(INSERT, (tokens,))
        there.db.execute("vacuum analyze")
        yield from _measured(there, tokens)


def _measured(there: World, tokens: list[str]) -> Iterator[Line]:
    process, port = there.web()
    web, asked = psutil.Process(process.pid), SimpleQueue[str]()
    web.cpu_affinity([0])
    for token in tokens:
        asked.put(token)
    answers: Counter[str] = Counter()
    clients = [threading.Thread(target=_ask, args=(port, asked, answers)) for _ in range(CLIENTS)]
    before, database, began = cpu_of(web), cpu_of(there.database), time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds, used = time.monotonic() - began, cpu_of(web) - before
    postgres = cpu_of(there.database) - database
    memory = web.memory_info().rss / 2**20
    process.terminate()
    process.wait(20)
    count = len(tokens)
    yield at_least("web: unsubscribes a second of its CPU", count / used, A_SECOND)
    yield figure("web: the same on the clock, with its clients on this machine", count / seconds)
    yield figure("web: Postgres' CPU for one", postgres / count * 1000, " ms")
    yield figure("web: memory afterwards", memory, " MB")
    found = there.db.execute("select count(*) from suppressions").fetchone()
    yield holds(
        "web: answered 200, and suppressed", (count, count), (answers["200"], *(found or ()))
    )


def _ask(port: int, asked: SimpleQueue[str], answers: Counter[str]) -> None:
    """One connection of a mail provider, which is kept."""
    with socket.create_connection(("127.0.0.1", port)) as stream, stream.makefile("rb") as read:
        while True:
            try:
                token = asked.get_nowait()
            except Empty:
                return
            stream.sendall(
                b"POST /api/unsubscribe/%b HTTP/1.1\r\nHost: app.example\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
                % (token.encode(), len(BODY), BODY)
            )
            status, length = read.readline().split()[1].decode(), 0
            while line := read.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            read.read(length)
            answers[status] += 1
