"""Our own processes: starts them, waits for their servers, ends them. It imports little."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from outreach.errors import ConfigurationError
from outreach.local import private

STOPS = {signal.SIGTERM, signal.SIGINT}
"""By which our processes are asked to end."""
ANSWER_SECONDS = 2.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """A Python process that we start, in a session of its own: Ctrl-C is left to its starter."""

    arguments: list[str]
    """Of Python."""
    folder: str
    environment: dict[str, str]
    log: str
    stop_seconds: float
    """How long it may take to end."""
    passed: list[int]
    """Descriptors that it inherits."""

    def start(self) -> "subprocess.Popen[bytes]":
        """Raises OSError."""
        with private.appending(Path(self.log)) as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter
                # -P: no module of the folder is loaded.
                [sys.executable, "-P", *self.arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.passed,
                start_new_session=True,
            )


@contextmanager
def meanwhile(module: str) -> Iterator[None]:
    """Run a module of ours beside the block, in a process that has ended at the exit.

    Raises SystemExit with its status where that is none of success: its log tells why.
    """
    with subprocess.Popen([sys.executable, "-P", "-m", module]) as process:  # noqa: S603 - our own
        yield
    if process.returncode:
        raise SystemExit(process.returncode)


def await_server(
    process: subprocess.Popen[bytes], api: str, seconds: float, log: str | Path
) -> None:
    """As `until_healthy`. Raises ConfigurationError where it does not come up."""
    if (cause := until_healthy(process, api, seconds)) is not None:
        raise ConfigurationError(f"Prefect's server did not start ({cause})", f"its log is {log}")


def until_healthy(process: subprocess.Popen[bytes], api: str, seconds: float) -> str | None:
    """Wait until the Prefect server behind this API answers; None then, else why it does not.

    `api`: http://127.0.0.1:PORT/api
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (status := process.poll()) is not None:
            return f"it exited with code {status}"
        if _is_healthy(api):
            return None
        time.sleep(LOOK_SECONDS)
    return f"it was not up after {seconds:.0f} s"


def _is_healthy(api: str) -> bool:
    """On this machine, whatever proxy is set."""
    address = urlsplit(api)
    connection = http.client.HTTPConnection(address.netloc, timeout=ANSWER_SECONDS)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{address.path}/health")
        return connection.getresponse().status == http.client.OK
    return False


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process that leads a session, and then the rest of that session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
