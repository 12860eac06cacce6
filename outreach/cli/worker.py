"""`outreach worker`: runs campaigns on this machine for a Prefect server, many in one process."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from outreach.deployment_names import POOL
from outreach.errors import ConfigurationError


def worker(
    *,
    pool: Annotated[str, typer.Option(help="The work pool to serve.")] = POOL,
    name: Annotated[
        str | None, typer.Option(help="Of this worker in Prefect's UI; else the machine's.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Campaigns at once in this process; else all that come."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Of /metrics and /health; else METRICS_PORT. 0 takes a free one."
        ),
    ] = None,
) -> NoReturn:
    """Run campaigns for Prefect's server at PREFECT_API_URL, until SIGTERM or Ctrl-C."""
    from deployments.server import RUN_SETTINGS
    from outreach import settings as settings_module
    from outreach.cli import flow_runs

    settings = settings_module.load()
    if metrics_port is not None:
        settings = settings.model_copy(update={"metrics_port": metrics_port})
    _need_prefect_home()
    flow_runs.use_own_password()
    if (address := flow_runs.api_address()) is None:
        raise ConfigurationError(
            "PREFECT_API_URL is not set", "set it to Prefect's server, or use `outreach up`"
        )
    environment = {
        **RUN_SETTINGS,
        **os.environ,
        **settings.exported(),  # `.env` is read here and nowhere below
        "PREFECT_API_URL": address,
    }
    # -P: a foreign `tasks.py` in this folder must not be loaded.
    command = [sys.executable, "-P", "-m", "deployments.worker", pool]
    command += ["--name", name] if name else []
    command += ["--limit", str(limit)] if limit else []
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves


def _need_prefect_home() -> None:
    """Prefect itself only warns, and each run would fail at its end. Raises ConfigurationError."""
    from outreach.local import private

    folder = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    try:
        private.writable(folder)
    except OSError as error:
        raise ConfigurationError(
            f"The worker cannot write into the folder {folder} ({error.strerror})",
            "mount a volume there, or set PREFECT_HOME to a folder that it may write to",
        ) from None
