"""Answers recipients where `outreach up` listens: `python -m outreach.cli.page DESCRIPTOR`.

It is `outreach web` on a socket that was passed on.
"""

import signal
import socket
import sys
from contextlib import closing

from outreach import settings as settings_module
from outreach import wiring
from outreach.cli.lines import note
from outreach.cli.telling import INTERRUPTED, message, without_the_pools_log
from outreach.gc_tuning import rarely_collected
from outreach.loopback import never_through_a_proxy
from outreach.public import server


def main(descriptor: int) -> int:
    """Serve until a signal; the exit status. Needs our settings."""
    never_through_a_proxy()
    without_the_pools_log()
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _serve(descriptor)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort
        note(f"Error: {message(error)}")
        return 1
    return 0


def _serve(descriptor: int) -> None:
    settings = settings_module.load()
    wiring.refuse_mixed_worlds(settings)
    with rarely_collected(), closing(wiring.open_store(settings)) as store:
        listener = socket.socket(fileno=descriptor)
        server.serve(store, settings, listener, ready=lambda: None)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
