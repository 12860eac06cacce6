"""Notes on this machine's disk of the leases that a process has of `gmail-send`.

Prefect gives the slots of a killed process back after the lease. The next process on the machine
releases them at once: each process holds a lock on its notes, which ends with it, however it ends.
"""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

from outreach.local import private

MOST_BYTES = 100_000
SUFFIX = ".leases"


class Notes:
    """The leases of this process, a line each. Without a disk to write on, there are none."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "slots"
        self._file: int | None = None

    def write(self, leases: Iterable[UUID]) -> None:
        """Replace what was noted."""
        with suppress(OSError):  # the slots of a killed process come back later, then
            file = self._opened()
            os.ftruncate(file, 0)
            os.pwrite(file, "".join(f"{lease}\n" for lease in leases).encode(), 0)

    def taken_over(self) -> list[UUID]:
        """The leases of processes that are gone. Forgets them."""
        found: list[UUID] = []
        with suppress(OSError):
            for path in self._folder.glob(f"*{SUFFIX}"):
                with suppress(OSError), path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or its process lives
                    found += _read(file.read(MOST_BYTES))
                    path.unlink()
        return found

    def _opened(self) -> int:
        if self._file is None:
            path = private.folder(self._folder) / f"{uuid4()}{SUFFIX}"
            file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            self._file = file
        return self._file


def _read(noted: bytes) -> list[UUID]:
    leases = []
    for line in noted.decode(errors="replace").splitlines():
        with suppress(ValueError):
            leases.append(UUID(line))
    return leases
