"""A running sender: what an operator starts and stops, whatever engine is inside.

A test of it may start it, stop it in an operator's ways, kill it, and look at what is left: mails,
the campaign's row, processes, logs. How runs are made is the engine's matter.
"""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import httpx
import psutil
import psycopg

from outreach.local import running
from outreach.settings import Settings

READY = "Ctrl-C ends all."
Way = Literal["SIGTERM", "Ctrl-C", "closed terminal", "down"]
WAYS: tuple[Way, ...] = ("SIGTERM", "Ctrl-C", "closed terminal", "down")


class Sender:
    """`outreach up` on a terminal of its own."""

    def __init__(self, settings: Settings, folder: Path, gmail: httpx.Client) -> None:
        self.folder, self.gmail = folder, gmail
        self.home = settings.outreach_home
        # A proxy that is away: nothing of this machine may be asked for through it.
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1")
        self.environment = {**os.environ, **settings.exported(), **proxies}
        self.said = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal: int | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    # --- start and stop -----------------------------------------------------------------

    def start(self) -> float:
        """Until it says that it is ready; when it was started, on the monotonic clock."""
        began, self.said = time.monotonic(), ""
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", "up", "--port", "0"],
            cwd=self.folder,
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=lambda: _own_terminal(theirs),  # noqa: PLW1509 - no threads that matter
        )
        os.close(theirs)
        while READY not in self.said:
            assert self._read(), f"It ended before it was ready: {self.said}"
        return began

    def stop(self, way: Way = "SIGTERM") -> int:
        """Its exit status; nothing of it is left."""
        assert self._terminal is not None
        match way:
            case "SIGTERM":
                self.process.terminate()
            case "Ctrl-C":
                os.write(self._terminal, b"\x03")
            case "closed terminal":
                os.close(self._terminal)
                self._terminal = None
            case "down":
                assert self.outreach("down").returncode == 0
        return self._ended()

    def kill(self) -> None:
        """`kill -9`: what it started lives on."""
        self.process.kill()
        self.process.wait()

    def outreach(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Another `outreach` command beside it."""
        return subprocess.run(
            [sys.executable, "-m", "outreach.cli", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._ended()
        self.outreach("down")

    # --- what there is ------------------------------------------------------------------

    def sent(self) -> int:
        return len(self.gmail.get("/sandbox/mails?fields=minimal").json())

    def parts(self) -> list[psutil.Process]:
        """Its processes, but for the one that was started."""
        return running.left_behind(self.home)

    def logs(self) -> str:
        return "".join(log.read_text() for log in self.home.glob("prefect/*.log"))

    def _ended(self) -> int:
        while self._read():
            pass
        status = self.process.wait(120)
        if self._terminal is not None:
            os.close(self._terminal)
        assert self.parts() == []
        return status

    def _read(self) -> bool:
        if self._terminal is None:
            return False
        with suppress(OSError):  # the other end is closed
            if text := os.read(self._terminal, 4096):
                self.said += text.decode().replace("\r\n", "\n")
                return True
        return False


def _own_terminal(terminal: int) -> None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def until(look: Callable[[], Any], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def row(db: psycopg.Connection, campaign: UUID, *columns: str) -> tuple[Any, ...]:
    """Columns of a campaign's row."""
    found = db.execute(
        f"select {', '.join(columns)} from campaigns where id = %s".encode(),  # noqa: S608
        [campaign],
    ).fetchone()
    assert found is not None
    return tuple(found)
