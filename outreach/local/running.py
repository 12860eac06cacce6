"""Finds what `outreach up` runs on a home. Asks the kernel, because pid files are unreliable.

The process holds a lock. All its children inherit the variable MARK, with the home as its value, so
that they are found even after their parent was killed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import Timeout

from outreach import commands
from outreach.errors import ConfigurationError
from outreach.local import private

MARK = "OUTREACH_UP"
STOP_SECONDS = 45.0
"""A run that is told to end has 30 s for its mail in flight."""
LOOK_SECONDS = 0.1
TOLERANCE_SECONDS = 0.1
"""Precision of a process's start time, which is stored as text."""


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the lock: two processes would share a Prefect database and compete for the Postgres."""
    lock = private.lock(_lock(home), 0.5)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigurationError(
            f"{commands.UP} already runs on {home}",
            f"end that one with {commands.DOWN}, or set OUTREACH_HOME to another folder",
        ) from None
    try:
        me = psutil.Process()
        private.write(_pid_file(home), f"{me.pid} {me.create_time()}\n".encode())
        yield
        end_left_behind(home)
    finally:
        lock.release()


def owner(home: Path) -> psutil.Process | None:
    """The `outreach up` that runs on this home."""
    if not _lock(home).exists():
        return None
    with suppress(Timeout), private.lock(_lock(home), 0):
        return None
    try:
        pid, started = _pid_file(home).read_text().split()
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(started)) < TOLERANCE_SECONDS:
            return process
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pass
    return None


def left_behind(home: Path) -> list[psutil.Process]:
    """Our own user's processes whose starter has ended, the newest first."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home):
                found.append(process)
    return sorted(found, key=lambda process: process.create_time(), reverse=True)


def end_left_behind(home: Path) -> None:
    """End them in order: runs give their campaigns back, then their runner, then the server."""
    while left := left_behind(home):
        first = next(process for process in left if _parent(process) not in left)
        with suppress(psutil.NoSuchProcess):
            everything = [first, *first.children(recursive=True)]
            first.terminate()
            if not wait_until_gone(first, STOP_SECONDS):
                for process in everything:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                wait_until_gone(first, STOP_SECONDS)


def wait_until_gone(process: psutil.Process, seconds: float) -> bool:
    """False if it still runs after `seconds`. A zombie process counts as gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(LOOK_SECONDS)
                continue
        return True
    return False


def _parent(process: psutil.Process) -> psutil.Process | None:
    with suppress(psutil.Error):
        return process.parent()
    return None


def _lock(home: Path) -> Path:
    return home / "up.lock"


def _pid_file(home: Path) -> Path:
    return home / "up.pid"
