"""`outreach web`: answers recipients and their mail programs, for who has no web app that does."""

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from outreach.cli.context import opened_store
from outreach.cli.lines import say

PORT = 4280


def web(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = PORT,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Of /metrics; else WEB_METRICS_PORT. 0 takes a free one."
        ),
    ] = None,
) -> None:
    """Serve the page to unsubscribe and the open pixel, until Ctrl-C or SIGTERM.

    Put a proxy with TLS before it, and let APP_URL be the proxy's address.
    """
    from outreach import settings as settings_module
    from outreach.public import server

    signal.signal(signal.SIGTERM, _interrupt)
    settings = settings_module.load()
    if metrics_port is not None:
        settings = settings.model_copy(update={"web_metrics_port": metrics_port})
    with opened_store() as store:
        listener = server.listen(host, port)
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{listener.getsockname()[1]}"

        def ready() -> None:
            say(f"{url} answers recipients. Ctrl-C ends it.")
            sys.stdout.flush()

        server.serve(store, settings, listener, ready)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM acts as Ctrl-C."""
    raise KeyboardInterrupt
