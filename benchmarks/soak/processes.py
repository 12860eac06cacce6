"""The processes of the day: two workers, of which one stays, and the page that recipients reach."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import World

STOP_SECONDS = 60.0
BESIDE_SECONDS = 10.0
"""For which an old worker and a new one run side by side in a deploy."""


class Workers:
    """One that stays for the whole day, beside one that is stopped, killed and replaced."""

    def __init__(self, there: World) -> None:
        self._there = there
        self._count = 0
        self.steady = self._begin()
        self.other: subprocess.Popen[bytes] | None = None

    def join(self) -> None:
        """The second one comes."""
        self.other = self._begin()

    def stop_and_start(self) -> None:
        """As systemd restarts it."""
        self._stop_other()
        self.other = self._begin()

    def kill_and_start(self) -> None:
        """As after a power cut."""
        if self.other is not None:
            self.other.kill()
            self.other.wait()
        self.other = self._begin()

    def deploy(self) -> None:
        """A rolling update: the new one is up before the old one is asked to end."""
        new = self._begin()
        time.sleep(BESIDE_SECONDS)
        self._stop_other()
        self.other = new

    def close(self) -> None:
        self.steady.terminate()
        self._stop_other()
        _stop(self.steady)

    def _stop_other(self) -> None:
        if self.other is not None:
            _stop(self.other)

    def _begin(self) -> "subprocess.Popen[bytes]":
        self._count += 1
        folder = self._there.folder / f"worker{self._count}"
        folder.mkdir()
        log = folder / "log"
        with log.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "outreach.cli", "worker", "--name", f"w{self._count}"],
                cwd=folder,
                env=self._there.environment()
                | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    if process.wait(STOP_SECONDS) not in (0, -15):
        raise SystemExit(f"A worker ended with status {process.returncode} when it was stopped.")


@contextmanager
def web(there: World, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    with (there.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", "web", "--port", str(port)],
            cwd=there.folder,
            env=there.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        if not (process.stdout and process.stdout.readline()):
            raise SystemExit("`outreach web` did not come up.")
        yield process
    finally:
        process.terminate()
        process.wait()
