"""A Prefect server for this machine alone: `python -m deployments.own_server PORT`.

It is `prefect server start`, but refuses foreign requests: from a page of another origin in a
browser here, or to a foreign host name that leads to this machine.
"""

import sys

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from outreach.gc_tuning import rarely_collected
from outreach.web.guard import LocalOnly

HOST = "127.0.0.1"


def main(port: int) -> None:
    """Serve until a signal; its settings are Prefect's own."""
    server = get_current_settings().server
    # Around the app, not in it: the server calls its own app under another host name.
    guarded = LocalOnly(create_app(final=True))
    with rarely_collected():
        uvicorn.run(
            guarded,
            host=HOST,
            port=port,
            timeout_keep_alive=server.api.keepalive_timeout,
            log_level=(server.logging_level).lower(),
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
