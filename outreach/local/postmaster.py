"""The embedded Postgres of a home, seen from outside: whether it lives, and its end.

Imports little, for who waits beside it.
"""

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from outreach.errors import ConfigurationError
from outreach.local.claims import ALIVE, claimed, is_held

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that a start (with a recovery, if needed) or a stop may take."""
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
"""Answered with one letter even if all connections are taken; a killed postmaster's socket may
still accept for a moment, but answers nothing.
"""


def is_alive(home: Path) -> bool:
    """Whether any process of this home's server is left, without a connection to it."""
    return is_held(folder_of(home) / ALIVE)


def stop(home: Path) -> bool:
    """Shut the server down, even with open connections; False if it was not running."""
    folder = folder_of(home)
    with explained(folder):
        if not is_held(folder / ALIVE):
            return False
    with alone(folder):
        for _ in ticks():
            if not is_held(folder / ALIVE):
                return True
            if found := answering(folder):
                with suppress(ProcessLookupError):
                    os.kill(found[0], signal.SIGINT)
    raise failure(folder, f"has not stopped after {PATIENCE:.0f} s")


def answering(folder: Path) -> tuple[int, int, str] | None:
    """Pid, port and status in postmaster.pid; None unless a live server answers there."""
    if not is_held(folder / ALIVE):
        return None
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
        pid, port, status = int(lines[0]), int(lines[3]), lines[7].strip()
        with socket.create_connection((HOST, port), timeout=5) as probe:
            probe.sendall(_SSL_REQUEST)
            answered = probe.recv(1)
    except (FileNotFoundError, ConnectionError, TimeoutError, ValueError, IndexError):
        return None
    return (pid, port, status) if answered else None


def folder_of(home: Path) -> Path:
    """Where its data, its log and its locks are."""
    return home.resolve() / "postgres"


def ticks() -> Iterator[None]:
    """Look again and again, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        time.sleep(0.01)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time starts or stops the server of this folder."""
    with explained(folder):
        # Passable, not readable: root's Postgres runs as another user, who has to reach the data.
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with claimed(folder / "lock", 2 * PATIENCE) as lock:
            if lock is None:
                raise failure(folder, "is still being started or stopped elsewhere")
            yield


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raises ConfigurationError where the operating system refuses something."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ConfigurationError(
                f"The disk of {folder} is full", "make room on it, then try again"
            ) from None
        where = error.filename or folder
        raise ConfigurationError(
            f"The embedded Postgres cannot use {folder} ({error.strerror}: {where})",
            "run as the user who owns that folder, or set OUTREACH_HOME to another one",
        ) from None


def failure(folder: Path, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The embedded Postgres {what}",
        f"see {folder / 'log'}, then try again, or set "
        "POSTGRES_BIN to the programs of another Postgres",
    )
