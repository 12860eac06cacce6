"""Finds what `outreach up` runs on a home. Asks the kernel, because pid files are unreliable.

The process holds a lock. All its children inherit the variable MARK, with the home as its value, so
that they are found even after their parent was killed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from outreach import commands
from outreach.errors import ConfigurationError
from outreach.local import private
from outreach.local.claims import claimed, is_held

MARK = "OUTREACH_UP"
LOCK_SECONDS = 0.5
"""Another command may look at the lock in this very moment."""
STOP_SECONDS = 45.0
"""A run that is told to end has 30 s for its mail in flight."""
LOOK_SECONDS = 0.1
TOLERANCE_SECONDS = 0.1
"""Precision of a process's start time, which is stored as text."""


@contextmanager
def alone(home: Path) -> Iterator[int]:
    """Hold the lock: two processes would share a Prefect database and compete for the Postgres.

    Gives its descriptor: it is held as long as that is open. Raises ConfigurationError.
    """
    with claimed(_lock(home), LOCK_SECONDS) as lock:
        if lock is None:
            raise ConfigurationError(
                f"{commands.UP} already runs on {home}",
                f"end that one with {commands.DOWN}, or set OUTREACH_HOME to another folder",
            )
        me = psutil.Process()
        private.write(_pid_file(home), f"{me.pid} {me.create_time()}\n".encode())
        yield lock
        end_left_behind(home)


def owner(home: Path) -> psutil.Process | None:
    """The `outreach up` that runs on this home."""
    if not is_held(_lock(home)):
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
