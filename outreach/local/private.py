"""Files and folders with access for our user alone, OUTREACH_HOME first.

They hold leads' addresses (Postgres, logs, results, previews), passwords and locks; and a user who
may read a lock's file may hold the lock.
"""

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from outreach.errors import ConfigurationError

FOLDER, FILE = 0o700, 0o600
PASSABLE = 0o711
OURS = frozenset({"demo", "mails", "postgres", "prefect", "slots"})
"""The folders in a home; its files are named `up.…`."""


def home(path: Path) -> Path:
    """Make a home if it is missing, and close it to other users; returns its absolute path.

    A folder with other contents too, such as `/tmp`, is not ours to close: there each folder of
    ours is closed separately. Raises ConfigurationError.
    """
    path = path.resolve()
    try:
        path.mkdir(mode=_mode(), parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid() and all(map(_is_ours, path.iterdir())):
            path.chmod(_mode())
    except OSError as error:
        raise ConfigurationError(
            f"OUTREACH_HOME cannot be used ({error.strerror}: {error.filename})",
            "set it to a folder that you may write to",
        ) from None
    return path


def from_now_on() -> None:
    """Close all files that this process and its children make from now on to other users."""
    os.umask(0o077)


def folder(path: Path) -> Path:
    """Make a folder of ours if it is missing, and close it. Raises OSError."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    path.chmod(FOLDER)
    return path


def writable(path: Path) -> None:
    """Make a folder if it is missing. Raises OSError unless this process can write into it."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    TemporaryFile(dir=path).close()


def appending(path: Path) -> BinaryIO:
    """Open a log or a lock for writing at its end. Raises OSError."""
    return _opened(path, os.O_APPEND, "ab")


def write(path: Path, content: bytes) -> None:
    """Write a file, over an earlier one. Raises OSError."""
    with _opened(path, os.O_TRUNC, "wb") as file:
        file.write(content)


def _opened(path: Path, flags: int, mode: str) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, FILE)
    os.fchmod(descriptor, FILE)  # for a file that is older than this rule
    return os.fdopen(descriptor, mode)  # type: ignore[return-value]


def _is_ours(path: Path) -> bool:
    return path.name in OURS or path.name.startswith("up.")


def _mode() -> int:
    """Root's Postgres runs as another user, who reaches the data only through Linux' /proc."""
    return FOLDER if os.geteuid() or Path("/proc/self/cwd").exists() else PASSABLE
