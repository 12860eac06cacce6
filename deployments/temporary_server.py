"""A Prefect server for one command, with the database of Prefect's home. It ends with the command.

Prefect's own temporary server is started while its client waits, after this process has imported
the server, too: half of the time to the first mail. This one starts beside the command's own work.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from deployments.server import end, free_port, until_healthy
from outreach import commands
from outreach.errors import ConfigurationError
from tasks.ending import hand_over

HAND_OVER_SECONDS = 10.0
"""For what the run has told last."""
STOP_SECONDS = 5.0


class TemporaryServer:
    def __init__(self) -> None:
        """Launch it."""
        settings = get_current_settings()
        self.api = f"http://127.0.0.1:{(port := free_port())}/api"
        self._seconds = settings.server.ephemeral.startup_timeout_seconds
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-m", "deployments.own_server", str(port), "--for-stdin"],
            env=os.environ | settings.to_environment_variables(exclude_unset=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the command, which ends it
        )

    def wait(self) -> None:
        """Until it answers. Raises ConfigurationError."""
        if (cause := until_healthy(self.process, self.api, self._seconds)) is not None:
            raise ConfigurationError(
                f"Nothing was started, since Prefect's temporary server did not come up ({cause})",
                "try again when the machine is less busy, or set PREFECT_API_URL to a server that "
                f"runs: {commands.UP} starts one",
            )


@contextmanager
def temporary_server() -> Iterator[TemporaryServer]:
    """Launched for the block, in which it is Prefect's server of this process."""
    server = TemporaryServer()
    try:
        with temporary_settings({PREFECT_API_URL: server.api}):
            yield server
    finally:
        hand_over(HAND_OVER_SECONDS)
        end(server.process, STOP_SECONDS)
