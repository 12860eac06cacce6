"""The same work by a plain asyncio script and by Celery: `peer_asyncio.py`, `peer_celery.py`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import psutil

from benchmarks.harness import ROOT, World, cpu_of, free_port, said
from benchmarks.table import Line, at_most, told

TABLE = """
create table if not exists peer_leads (
  id integer primary key, email text, name text, company text, status text, message_id text
)
"""


def compared(there: World, leads: int, grouped: float, *, has_redis: bool) -> Iterator[Line]:
    """`grouped`: CPU milliseconds of a mail of ours, which are to be no more than the script's."""
    there.db.execute(TABLE)
    there.db.execute("truncate peer_leads")
    there.db.execute(
        "insert into peer_leads "
        "select n, 'lead' || n || '@acme.example', 'Lead ' || n, 'Acme', 'pending' "
        "from generate_series(1, %s) n",
        [2 * leads],
    )
    before = there.cpu()["postgres"]
    script = said(there.start("benchmarks.peer_asyncio", str(leads)))
    spent = there.cpu()["postgres"] - before + script["cpu"]
    yield told("peer: asyncio and httpx, no engine", leads / script["seconds"], "/s")
    plain = 1000 * spent / leads
    yield told("peer: asyncio and httpx, CPU a mail", plain, " ms")
    yield at_most("CPU a mail: direct, grouped, beside that script's", grouped, plain, " ms")
    if not has_redis or find_spec("celery") is None:
        yield told("peer: Celery", "not measured: no redis-server, or no Celery in .venv")
        return
    before = there.cpu()["postgres"]
    with _redis() as (port, redis), _celery(there, port) as worker:
        cpu = cpu_of(redis) + cpu_of(worker)
        sent = said(there.start("benchmarks.peer_celery", str(port), str(leads)))
        while there.one("select count(*) from peer_leads where status = 'sent'") < 2 * leads:
            time.sleep(0.2)
        seconds = time.monotonic() - sent["began"]
        spent = (
            cpu_of(redis) + cpu_of(worker) - cpu + there.cpu()["postgres"] - before + sent["cpu"]
        )
    yield told("peer: Celery (prefork, 32)", leads / seconds, "/s")
    yield told("peer: Celery, CPU a mail", 1000 * spent / leads, " ms")


@contextmanager
def _redis() -> Iterator[tuple[int, psutil.Process]]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL) as process:
        try:
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def _celery(there: World, port: int) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.peer_celery", "worker", "-c", "32"]
    environment = there.environment() | {"PEER_REDIS": f"redis://127.0.0.1:{port}/0"}
    with subprocess.Popen(
        [*command, "--loglevel", "ERROR"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            worker = psutil.Process(process.pid)
            while len(worker.children()) < 32:
                time.sleep(0.1)
            time.sleep(2)  # they import
            yield worker
        finally:
            process.terminate()
