"""`outreach up`: all processes for campaigns on one machine, until Ctrl-C.

The database (an embedded Postgres unless another one is set), a Prefect server with its UI, the
worker that runs all campaigns, and the page on which recipients unsubscribe. Here all is prepared;
then the supervisor takes over.
"""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outreach.cli.lines import say
from outreach.cli.web import PORT as WEB_PORT
from outreach.errors import ConfigurationError

if TYPE_CHECKING:
    from outreach.cli.supervisor import Plan
    from outreach.local.processes import Program
    from outreach.settings import Settings

PORT = 4200
STOP_SECONDS = 45.0
"""A flow run that is told to end has 30 s before it is killed."""
WEB_STOP_SECONDS = 15.0


def up(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of Prefect's server; 0 takes a free one.")
    ] = PORT,
    web_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help=f"Of the page to unsubscribe; {WEB_PORT}, or a free one, unless told.",
            show_default=False,
        ),
    ] = None,
    show_password: Annotated[
        bool,
        typer.Option("--show-password", help="Show the password of Prefect's server, and end."),
    ] = False,
) -> None:
    """Run all on this machine until Ctrl-C: database, Prefect with its UI, the deployments."""
    from outreach import settings as settings_module

    settings = _absolute(settings_module.load())
    if show_password:
        from outreach.local import access

        say(access.known_password(settings.outreach_home / "prefect"))
        return
    from outreach.cli import supervisor

    supervisor.answer_signals()
    with ExitStack() as prepared:
        try:
            supervisor.become(_prepare(prepared, settings, port, web_port))
        except KeyboardInterrupt:
            say("Ending …")
        finally:
            supervisor.ignore_signals()


def _prepare(prepared: ExitStack, settings: "Settings", port: int, web_port: int | None) -> "Plan":
    """Raises ConfigurationError, with nothing left running."""
    from outreach.local import access, private

    private.from_now_on()
    home = private.home(settings.outreach_home)
    prefect_home = private.folder(home / "prefect")
    _leave_current_folder(prefect_home)
    from deployments import server as servers
    from outreach.cli.supervisor import Plan

    lock = prepared.enter_context(_alone(home))
    prepared.enter_context(_database(settings))
    listener = prepared.enter_context(_listener(web_port))
    password = access.password(prefect_home)
    server = prepared.enter_context(
        servers.prepared(prefect_home, port or None, {servers.PASSWORD_SETTING: password})
    )
    worker = _worker(settings, prefect_home, server.api, password)
    page = _page(settings, prefect_home, listener)
    web = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return Plan(
        home=str(home),
        prefect_home=str(prefect_home),
        lock=lock,
        embedded=_is_embedded(settings),
        server=server.program,
        api=server.api,
        start_seconds=servers.START_SECONDS,
        worker=worker,
        page=page,
        listener=listener.fileno(),
        page_at_once=settings.web_metrics_port is not None,
        results=str(prefect_home / servers.RESULTS),
        results_seconds=servers.runs_kept(),
        announced=[
            f"Prefect   {server.api.removesuffix('/api')}",
            f"Password  {password} (its page asks for it once)",
            f"Logs      {server.program.log}",
            f"          {worker.log}",
            f"          {page.log}",
            f"Web       {web} (the page to unsubscribe, the open pixel)",
            *_metrics(settings),
            f"Commands  in other terminals: export PREFECT_API_URL={server.api}",
            '          and: export PREFECT_API_AUTH_STRING="$(outreach up --show-password)"',
            "Campaigns that are due are sent. Ctrl-C ends all.",
        ],
    )


def _metrics(settings: "Settings") -> list[str]:
    if not settings.metrics_port:
        return []
    return [f"Metrics   http://{settings.metrics_host}:{settings.metrics_port}/metrics"]


@contextmanager
def _alone(home: Path) -> Iterator[int]:
    """Hold this home's lock, after ending what a killed `outreach up` left there."""
    from outreach.cli.down import describe_left
    from outreach.local import running

    with running.alone(home) as lock:
        if left := running.left_behind(home):
            say(describe_left(left))
            running.end_left_behind(home)
        shutil.rmtree(home / "prefect" / "tmp", ignore_errors=True)
        yield lock


@contextmanager
def _database(settings: "Settings") -> Iterator[None]:
    """Make the database reachable and current. Starts the embedded one; stops it at the exit."""
    from outreach import wiring
    from outreach.local import postgres

    try:
        wiring.refuse_mixed_worlds(settings)
        store = wiring.open_store(settings)
        try:
            if (difference := store.compare_schema()) is not None:
                say(f"The database: {difference}.")
            list(store.list_accounts())
        finally:
            store.close()
        yield
    finally:
        if _is_embedded(settings):
            postgres.stop(settings.outreach_home)


def _is_embedded(settings: "Settings") -> bool:
    return settings.supabase_url is None and settings.database_url is None


def _worker(settings: "Settings", home: Path, api: str, password: str) -> "Program":
    from deployments.server import RUN_SETTINGS, isolated_environment
    from outreach.local.processes import Program

    environment = {
        **isolated_environment(home),
        **RUN_SETTINGS,
        **settings.exported(),  # `.env` is read here and nowhere below
        "PREFECT_API_URL": api,
        "PREFECT_API_AUTH_STRING": password,
    }
    module = ["-m", "deployments.serving"]
    return Program(module, str(home), environment, str(home / "flows.log"), STOP_SECONDS, [])


def _page(settings: "Settings", home: Path, listener: socket.socket) -> "Program":
    """`outreach web`, for a proxy with TLS on this machine."""
    from deployments.server import isolated_environment
    from outreach.local.processes import Program

    environment = {**isolated_environment(home), **settings.exported()}
    module = ["-m", "outreach.cli.page", str(listener.fileno())]
    passed = [listener.fileno()]
    log = str(home / "web.log")
    return Program(module, str(home), environment, log, WEB_STOP_SECONDS, passed)


def _listener(wanted: int | None) -> socket.socket:
    """On the port that was asked for, or else the usual one; on a free one where that is taken.

    Raises ConfigurationError when the port that was asked for is taken.
    """
    from outreach.public.server import listen

    try:
        return listen("127.0.0.1", WEB_PORT if wanted is None else wanted, "--web-port")
    except ConfigurationError:
        if wanted is not None:
            raise
    return listen("127.0.0.1", 0, "--web-port")


def _absolute(settings: "Settings") -> "Settings":
    """Make paths absolute: they mean the same in every folder."""
    pdf = settings.attachment_pdf
    if pdf is not None and not pdf.startswith("https://"):
        pdf = str(Path(pdf).resolve())
    return settings.model_copy(
        update={"outreach_home": settings.outreach_home.resolve(), "attachment_pdf": pdf}
    )


def _leave_current_folder(folder: Path) -> None:
    """A `tasks.py` or a `.env` in the caller's folder must not be loaded."""
    os.chdir(folder)
    sys.path.insert(0, str(Path(__file__).parents[2]))
