"""`outreach up`: all processes for campaigns on one machine, until Ctrl-C.

The database (an embedded Postgres unless another one is set), a Prefect server with its UI, the
worker that runs all campaigns, and the page on which recipients unsubscribe.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from outreach.cli.output import say
from outreach.cli.web import PORT as WEB_PORT
from outreach.errors import ConfigurationError

if TYPE_CHECKING:
    from outreach.local.tidy import Tidy
    from outreach.settings import Settings

PORT = 4200
LOOK_SECONDS = 0.5
STOP_SECONDS = 45.0
"""A flow run that is told to end has 30 s before it is killed."""
SHORTEST_LIFE_SECONDS = 30.0
"""A worker that has ended sooner would end again."""
WEB_STOP_SECONDS = 15.0
QUIET_SECONDS = 3.0
"""A stop that takes longer is explained."""


@dataclass(frozen=True)
class Part:
    """A process that has to live as long as this one."""

    name: str
    is_alive: Callable[[], bool]
    log: Path
    start_anew: Callable[[], bool] = lambda: False
    """Starts it again; False when it cannot, or has just done so."""


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
    for number, answer in ANSWERS.items():
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, answer)
    with ExitStack() as started:
        try:
            parts = _start(started, settings, port, web_port)
            _watch(parts, _tidy(settings, parts))
        except KeyboardInterrupt:
            say("Ending …")
        finally:
            _ignore_signals()


def _start(started: ExitStack, settings: "Settings", port: int, web_port: int | None) -> list[Part]:
    """Raises ConfigurationError, with nothing left running."""
    from outreach.local import access, postgres, private, running

    private.from_now_on()
    home = private.home(settings.outreach_home)
    prefect_home = private.folder(home / "prefect")
    _leave_current_folder(prefect_home)
    from deployments.server import locked_server

    started.enter_context(_alone(home))
    started.enter_context(_database(settings))
    web_port = _free_port(web_port)
    marked = {running.MARK: str(home)}
    server = started.enter_context(locked_server(prefect_home, port or None, marked))
    password = access.password(prefect_home)
    serving = started.enter_context(_serving(settings, prefect_home, server.api, password))
    recipients = started.enter_context(_web(settings, prefect_home, web_port))
    say(f"Prefect   {server.api.removesuffix('/api')}")
    say(f"Password  {password} (its page asks for it once)")
    say(f"Logs      {server.log}")
    say(f"          {serving.log}")
    say(f"          {recipients.log}")
    say(f"Web       http://127.0.0.1:{web_port} (the page to unsubscribe, the open pixel)")
    if settings.metrics_port:
        say(f"Metrics   http://{settings.metrics_host}:{settings.metrics_port}/metrics")
    say(f"Commands  in other terminals: export PREFECT_API_URL={server.api}")
    say('          and: export PREFECT_API_AUTH_STRING="$(outreach up --show-password)"')
    say("Campaigns that are due are sent. Ctrl-C ends all.")
    sys.stdout.flush()
    return [
        Part(
            "Prefect's database",
            lambda: postgres.is_alive(prefect_home),
            prefect_home / "postgres" / "log",
        ),
        Part("Prefect's server", lambda: server.process.poll() is None, server.log),
        serving,
        recipients,
    ]


def _watch(parts: list[Part], tidy: "Tidy") -> NoReturn:
    """Wait for a signal, or until a part ends on its own: then raises ConfigurationError.

    Each part needs those before it, and may end sooner than the one that caused it: the first in
    order is named.
    """
    while True:
        while all(part.is_alive() for part in parts):
            tidy.look(time.time())
            time.sleep(LOOK_SECONDS)
        time.sleep(LOOK_SECONDS)
        cause = next(part for part in parts if not part.is_alive())
        if not cause.start_anew():
            break
        say(f"{cause.name} ended by itself and was started anew; its log is {cause.log}")
        sys.stdout.flush()
    raise ConfigurationError(
        f"{cause.name} ended by itself, so all was ended", f"its log is {cause.log}"
    )


def _tidy(settings: "Settings", parts: list[Part]) -> "Tidy":
    from deployments.server import RESULTS, runs_kept
    from outreach.local.tidy import Tidy

    home = settings.outreach_home
    logs = [home / "postgres" / "log", *(part.log for part in parts)]
    return Tidy(logs, home / "prefect" / RESULTS, runs_kept())


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold this home's lock, after ending what a killed `outreach up` left there."""
    from outreach.cli.down import describe_left
    from outreach.local import running

    with running.alone(home):
        if left := running.left_behind(home):
            say(describe_left(left))
            running.end_left_behind(home)
        shutil.rmtree(home / "prefect" / "tmp", ignore_errors=True)
        yield


@contextmanager
def _database(settings: "Settings") -> Iterator[None]:
    """Make the database reachable and current. Starts the embedded one; stops it at the exit."""
    from outreach import wiring
    from outreach.local import postgres

    embedded = settings.supabase_url is None and settings.database_url is None
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
        if embedded:
            postgres.stop(settings.outreach_home)


@contextmanager
def _serving(settings: "Settings", home: Path, api: str, password: str) -> Iterator[Part]:
    """The worker, in a session of its own: Ctrl-C is handled here.

    Its folder is Prefect's home, where no `.env` and no foreign module is.
    """
    from deployments.server import RUN_SETTINGS, end, isolated_environment
    from outreach.local import running

    environment = {
        **isolated_environment(home),
        **RUN_SETTINGS,
        **settings.exported(),  # `.env` is read here and nowhere below
        "PREFECT_API_URL": api,
        "PREFECT_API_AUTH_STRING": password,
        running.MARK: str(settings.outreach_home),
    }
    worker = _Process(home, environment, "flows.log", "deployments.serving")
    try:
        yield Part("The worker", worker.is_alive, worker.log, worker.start_anew)
    finally:
        worker.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(QUIET_SECONDS)
        if worker.is_alive():
            say("Waiting until the mails in flight are recorded, 30 s at most …")
            sys.stdout.flush()
        end(worker.process, STOP_SECONDS)


@contextmanager
def _web(settings: "Settings", home: Path, port: int) -> Iterator[Part]:
    """`outreach web`, for a proxy with TLS on this machine."""
    from deployments.server import end, isolated_environment
    from outreach.local import running

    environment = {
        **isolated_environment(home),
        **settings.exported(),
        running.MARK: str(settings.outreach_home),
    }
    web = _Process(home, environment, "web.log", "outreach.cli", "web", "--port", str(port))
    try:
        yield Part("The page to unsubscribe", web.is_alive, web.log, web.start_anew)
    finally:
        end(web.process, WEB_STOP_SECONDS)


def _free_port(wanted: int | None) -> int:
    """The port that was asked for, or else the usual one; a free one where that is taken.

    Raises ConfigurationError when the port that was asked for is taken.
    """
    from outreach.public.server import listen

    try:
        with listen("127.0.0.1", WEB_PORT if wanted is None else wanted, "--web-port") as free:
            return int(free.getsockname()[1])
    except ConfigurationError:
        if wanted is not None:
            raise
    return _free_port(0)


class _Process:
    """A process of a module of ours, which is started anew when it ends by itself."""

    def __init__(self, home: Path, environment: dict[str, str], log: str, *module: str) -> None:
        self.log = home / log
        self._home, self._environment, self._module = home, environment, module
        self.process = self._start()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def start_anew(self) -> bool:
        if time.monotonic() - self._began < SHORTEST_LIFE_SECONDS:
            return False
        self.process = self._start()
        return True

    def _start(self) -> "subprocess.Popen[bytes]":
        from outreach.local import private

        self._began = time.monotonic()
        with private.appending(self.log) as log:
            return subprocess.Popen(  # noqa: S603 - our own module
                # -P: no module of the folder is loaded.
                [sys.executable, "-P", "-m", *self._module],
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


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


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM acts as Ctrl-C, and so does closing the terminal."""
    raise KeyboardInterrupt


def _hang_up(number: int, frame: FrameType | None) -> NoReturn:
    """A closed terminal accepts no output: writing to it would fail."""
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    _interrupt(number, frame)


ANSWERS = {signal.SIGTERM: _interrupt, signal.SIGHUP: _hang_up}


def _ignore_signals() -> None:
    """A shutdown is not interrupted by impatience; every step has its time-out."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
