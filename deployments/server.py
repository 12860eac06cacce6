"""A Prefect server of this machine's own, set up for the load that campaigns make.

`prefect server start --background` dies on its first log line, so it runs in the foreground as our
child; the ephemeral server loses task runs, so nobody relies on that one.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from outreach.errors import ConfigurationError

SETTINGS = {
    # Task runs are recorded in batches: 186 a second instead of 55.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # In memory, a server's restart would hold the slots of `gmail-send` for good.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "DO_NOT_TRACK": "1",
}

START_SECONDS = 90.0
STOP_SECONDS = 15.0


def isolated_environment(home: Path) -> dict[str, str]:
    """This process's environment without any Prefect setting but ours, all state under `home`."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
    return {**others, **SETTINGS, "PREFECT_HOME": str(home.resolve())}


@contextmanager
def prefect_server(home: Path, port: int | None = None) -> Iterator[str]:
    """A running server with its UI; the address of its API. Ended, and waited for, at the exit.

    Raises ConfigurationError when the port is taken or the server does not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = _free(port)
    address = f"http://127.0.0.1:{port}"
    # The API's own address goes to the UI: it has to be known before the server starts.
    environment = {**isolated_environment(home), "PREFECT_API_URL": f"{address}/api"}
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, *command],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(process, f"{address}/api", home / "server.log")
        yield f"{address}/api"
    finally:
        _end(process)


def _free(port: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError:
            raise ConfigurationError(
                f"Port {port} is in use by another program; end it, or choose another port."
            ) from None
        return int(probe.getsockname()[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], api: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{api}/health", timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise ConfigurationError(f"Prefect's server did not start; its log is {log}.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole session: the server starts helpers of its own."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
