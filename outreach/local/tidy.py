"""Bounds what `outreach up` writes while it lives: its logs, and the results of its runs."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from outreach.local import private

LOG_OCTETS = 20_000_000
"""A longer log begins anew; what it held is kept until the next time."""
ROUND_SECONDS = 3600.0


@dataclass
class Tidy:
    logs: Sequence[Path]
    results: Path
    """The folder in which Prefect keeps what a flow run returned, a file each."""
    results_seconds: float
    """How long a result is kept; it may be infinite."""
    _next_round: float = 0.0

    def look(self, now: float) -> None:
        """Tidy, if the last time was an hour ago. `now`: seconds since 1970.

        A full disk or a file that is gone is left to the next time: nothing here may end `up`.
        """
        if now < self._next_round:
            return
        self._next_round = now + ROUND_SECONDS
        for log in self.logs:
            with suppress(OSError):
                bound_log(log)
        with suppress(OSError):
            forget_results(self.results, now - self.results_seconds)


def bound_log(log: Path) -> None:
    """Move what a long log holds to `NAME.1`, over what was there. Raises OSError.

    The file itself stays, since its writers hold it open and append; a line that one of them writes
    in the instant between the copy and the cut is lost.
    """
    if log.stat().st_size <= LOG_OCTETS:
        return
    older = log.with_name(f"{log.name}.1")
    older.unlink(missing_ok=True)
    with log.open("rb") as source, private.appending(older) as target:
        shutil.copyfileobj(source, target)
    with log.open("r+b") as file:
        file.truncate()


def forget_results(folder: Path, before: float) -> None:
    """Remove the results written before that time, in seconds since 1970. Raises OSError."""
    for result in folder.iterdir():
        with suppress(FileNotFoundError):
            if result.is_file() and result.stat().st_mtime < before:
                result.unlink()
