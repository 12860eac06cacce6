"""Answers recipients where another process listens: `python -m outreach.public DESCRIPTOR`.

It is `outreach web` for `outreach up`, which passes its listening socket on.
"""

import signal
import socket
import sys
from contextlib import closing

from outreach import settings as settings_module
from outreach import wiring
from outreach.errors import ConfigurationError
from outreach.gc_tuning import rarely_collected
from outreach.loopback import never_through_a_proxy
from outreach.public import server


def main(descriptor: int) -> None:
    """Serve until a signal. Needs our settings."""
    never_through_a_proxy()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = settings_module.load()
    try:
        wiring.refuse_mixed_worlds(settings)
        with rarely_collected(), closing(wiring.open_store(settings)) as store:
            listener = socket.socket(fileno=descriptor)
            server.serve(store, settings, listener, ready=lambda: None)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(int(sys.argv[1]))
