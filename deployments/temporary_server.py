"""A Prefect server for one command, with the database of Prefect's home. It ends with the command.

Prefect's own temporary server is started while its client waits, after this process has imported
the server, too: half of the time to the first mail. This one is launched before all else that the
command does, the import of Prefect included.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deployments.server import free_port
from outreach import commands
from outreach.errors import ConfigurationError
from outreach.local.processes import end, until_healthy

HAND_OVER_SECONDS = 10.0
"""For what the run has told last."""
STOP_SECONDS = 5.0


class TemporaryServer:
    def __init__(self, settings: Mapping[str, str]) -> None:
        """Launch it. `settings`: of Prefect, in addition to those that it finds as this process."""
        self.api = f"http://127.0.0.1:{(port := free_port())}/api"
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-m", "deployments.own_server", str(port), "--for-stdin"],
            env=os.environ | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the command, which ends it
        )

    @contextmanager
    def used(self) -> Iterator[None]:
        """For the block it is Prefect's server of this process."""
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from tasks.ending import hand_over

        with temporary_settings({PREFECT_API_URL: self.api}):
            try:
                yield
            finally:
                hand_over(HAND_OVER_SECONDS)

    def wait(self) -> None:
        """Until it answers. Raises ConfigurationError."""
        from prefect.settings import get_current_settings

        seconds = get_current_settings().server.ephemeral.startup_timeout_seconds
        if (cause := until_healthy(self._process, self.api, seconds)) is not None:
            raise ConfigurationError(
                f"Nothing was started, since Prefect's temporary server did not come up ({cause})",
                "try again when the machine is less busy, or set PREFECT_API_URL to a server that "
                f"runs: {commands.UP} starts one",
            )

    def end(self) -> None:
        with self._process:  # and close its standard input
            end(self._process, STOP_SECONDS)


@contextmanager
def launched(settings: Mapping[str, str]) -> Iterator[TemporaryServer]:
    """Launched for the block."""
    server = TemporaryServer(settings)
    try:
        yield server
    finally:
        server.end()
