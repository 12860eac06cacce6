"""Locks by which processes show that they live: the kernel frees one when its last holder ends.

Little is imported here: `outreach up` looks at them for as long as it waits.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from outreach.local import private

ALIVE = "alive"
"""The lock of a server, in its folder, which its processes inherit."""
AGAIN_SECONDS = 0.05


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of this file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def claimed(path: Path, seconds: float = 0.0) -> Iterator[int | None]:
    """Hold the lock: its descriptor, which children may inherit and hold on.

    None where another process still holds it after these seconds. Raises OSError.
    """
    deadline = time.monotonic() + seconds
    with private.appending(path) as file:
        while not (ours := _try(file.fileno())) and time.monotonic() < deadline:
            time.sleep(AGAIN_SECONDS)
        yield file.fileno() if ours else None


def _try(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
