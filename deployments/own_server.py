"""A Prefect server for this machine alone: `python -m deployments.own_server PORT [--for-stdin]`.

It is `prefect server start`, but refuses foreign requests: from a page of another origin in a
browser here, or to a foreign host name that leads to this machine. With `--for-stdin` it serves one
command: without a UI, until its standard input ends, and not where Prefect's own settings name
another server: the command may not know them yet.
"""

import gc
import os
import signal
import sys
import threading
from importlib import import_module

from outreach.gc_tuning import rarely_collected
from outreach.local.processes import meanwhile

HOST = "127.0.0.1"
PREPARED = {
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}
"""Settings of a server whose database is prepared by another process."""


def main(port: int, *, for_stdin: bool = False) -> None:
    """Serve until a signal; its settings are Prefect's own."""
    with rarely_collected():  # its imports, too: a fifth less CPU
        if not for_stdin:
            with meanwhile("deployments.server_database"):
                os.environ |= PREPARED
                import_module("prefect.server.api.server")
            _serve(port)
            return
        # By this, not by an argument: Prefect's services would make another app for themselves.
        os.environ["PREFECT__SERVER_EPHEMERAL"] = "1"
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        from prefect.settings import get_current_settings

        if not get_current_settings().api.url:
            _serve(port)


def _serve(port: int) -> None:
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    from deployments.background_pace import look_each_second
    from deployments.connection_pool import wait_for_connections
    from deployments.sqlite_writes import write_in_turn
    from deployments.timestamps import encode_plainly
    from outreach.web.guard import LocalOnly

    encode_plainly()
    write_in_turn()
    wait_for_connections()
    look_each_second()
    server = get_current_settings().server
    # Around the app, not in it: the server calls its own app under another host name.
    guarded = LocalOnly(create_app(final=True))
    gc.freeze()  # what was imported since
    uvicorn.run(
        guarded,
        host=HOST,
        port=port,
        timeout_keep_alive=server.api.keepalive_timeout,
        log_level=(server.logging_level).lower(),
    )


def _end_with_stdin() -> None:
    """However the other end dies. Unbuffered: the lock of a buffer would hold up our own end."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(int(sys.argv[1]), for_stdin="--for-stdin" in sys.argv)
