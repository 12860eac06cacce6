"""Answers recipients where `outreach up` listens: `python -m outreach.cli.page DESCRIPTOR`.

It is `outreach web` on a socket that was passed on.
"""

import signal
import socket
import sys
from contextlib import closing

from outreach import settings as settings_module
from outreach import wiring
from outreach.cli.telling import status_of, without_the_pools_log
from outreach.gc_tuning import rarely_collected
from outreach.loopback import never_through_a_proxy
from outreach.public import server


def main(descriptor: int) -> int:
    """Serve until a signal; the exit status. Needs our settings."""
    never_through_a_proxy()
    without_the_pools_log()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return status_of(lambda: _serve(descriptor))


def _serve(descriptor: int) -> int:
    settings = settings_module.load()
    wiring.refuse_mixed_worlds(settings)
    with rarely_collected(), closing(wiring.open_store(settings)) as store:
        listener = socket.socket(fileno=descriptor)
        server.serve(store, settings, listener, ready=lambda: None)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
