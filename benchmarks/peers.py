"""What others take on this machine in the same minutes.

A plain asyncio script and Celery do the same work with the same Gmail and Postgres
(`peer_asyncio.py`, `peer_celery.py`); Prefect alone runs tasks that do nothing (`peer_prefect.py`).
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NamedTuple

import psutil

from benchmarks.harness import ROOT, World, cpu_of, free_port, said

TABLE = """
drop table if exists peer_leads;
create table peer_leads (
  id integer primary key, email text, name text, company text, status text, message_id text
);
insert into peer_leads
select n, 'lead' || n || '@acme.example', 'Lead ' || n, 'Acme', 'pending'
from generate_series(1, {leads}) n
"""


class Taken(NamedTuple):
    rate: float
    """Mails, or task runs, a second."""
    cpu: float
    """Milliseconds a mail, or a task run, of all that takes part but Gmail."""


class Spent(NamedTuple):
    seconds: float
    cpu: float
    """Seconds, of all that takes part but Gmail."""

    def each(self, leads: int) -> Taken:
        return Taken(leads / self.seconds, 1000 * self.cpu / leads)


def script(there: World, leads: int) -> Taken:
    return paced_script(there, 1, leads, 0).each(leads)


def paced_script(there: World, accounts: int, leads: int, pace: float) -> Spent:
    """Each account sends `leads` mails, one every `pace` seconds."""
    there.db.execute(TABLE.format(leads=accounts * leads).encode())
    before = cpu_of(there.database)
    ran = said(there.start("benchmarks.peer_asyncio", str(leads), str(accounts), str(pace)))
    return Spent(ran["seconds"], cpu_of(there.database) - before + ran["cpu"])


def celery(there: World, leads: int) -> Taken:
    return paced_celery(there, 1, leads, 0).each(leads)


def paced_celery(there: World, accounts: int, leads: int, pace: float) -> Spent:
    """As `paced_script`, by a countdown for each task."""
    there.db.execute(TABLE.format(leads=accounts * leads).encode())
    with _redis() as (port, redis), _celery(there, port) as worker:
        parts = (there.database, redis, worker)
        before = sum(map(cpu_of, parts))
        ran = said(
            there.start("benchmarks.peer_celery", str(port), str(leads), str(accounts), str(pace))
        )
        while there.one("select count(*) from peer_leads where status = 'sent'") < accounts * leads:
            time.sleep(0.2)
        seconds = time.monotonic() - ran["began"]
        return Spent(seconds, sum(map(cpu_of, parts)) - before + ran["cpu"])


def prefect_alone(there: World, leads: int) -> Taken:
    before = there.cpu()["prefect"]
    ran = said(there.start("benchmarks.peer_prefect", str(leads)))
    there.rest()
    spent = there.cpu()["prefect"] - before + ran["cpu"]
    return Taken(leads / ran["seconds"], 1000 * spent / leads)


SCRIPT = "asyncio and httpx, no engine"
PREFECT = "Prefect alone, a task run that does nothing"
CELERY = "Celery (prefork, 32)"
ALL: dict[str, Callable[[World, int], Taken]] = {
    SCRIPT: script,
    PREFECT: prefect_alone,
    CELERY: celery,
}


PACED: dict[str, Callable[[World, int, int, float], Spent]] = {
    SCRIPT: paced_script,
    CELERY: paced_celery,
}


def there_are(peers: Iterable[str] = ALL) -> list[str]:
    """Those of them that can be measured here."""
    has_celery = shutil.which("redis-server") and find_spec("celery")
    return [name for name in peers if name != CELERY or has_celery]


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
