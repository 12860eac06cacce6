"""What `outreach up` becomes once all is prepared: `python -m outreach.cli.supervisor`.

It starts the processes, tells where they are, waits, starts anew what ended by itself, and ends
all. It replaces the process of the command, whose clients and settings would take 45 MB for as long
as it waits. So it imports little, and all of that at its start: an upgrade may come meanwhile.
"""

import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

from outreach.cli.lines import accept_any_stream, note, say
from outreach.cli.telling import status_of
from outreach.errors import ConfigurationError, reason_of
from outreach.local import access, postmaster, running
from outreach.local.processes import Program, await_server, end
from outreach.local.tidy import Tidy

PLAN = "OUTREACH_UP_PLAN"
"""The variable that hands the plan on; it holds passwords, which its children's would hold too."""
LOOK_SECONDS = 0.5
SHORTEST_LIFE_SECONDS = 30.0
"""A process that has ended sooner would end again."""
PROGRAMS = ("server", "worker", "page")
QUIET_SECONDS = 3.0
"""A stop that takes longer is explained."""


@dataclass(frozen=True)
class Plan:
    home: str
    prefect_home: str
    lock: int
    """The descriptor by which this home is ours (`running.alone`)."""
    embedded: bool
    """The campaigns' database is this home's own, too, and stopped at the end."""
    server: Program
    api: str
    """Of the server."""
    start_seconds: float
    """For the server to answer."""
    worker: Program
    page: Program
    """The page to unsubscribe."""
    listener: int
    """On which the page will answer."""
    page_at_once: bool
    """Else it starts with the first request: 45 MB that few need on such a machine."""
    results: str
    results_seconds: float
    announced: list[str]
    """Said once all runs."""


def become(plan: Plan) -> NoReturn:
    """Replace this process by the supervisor: its id, children and locks stay. Raises OSError."""
    for descriptor in (plan.lock, plan.listener, *plan.server.passed):
        os.set_inheritable(descriptor, True)
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until it can answer them
    os.execve(  # noqa: S606 - our own interpreter
        sys.executable, [sys.executable, "-P", "-m", __name__], _environment(plan)
    )


def main() -> int:
    """Until a signal, or until a part ends on its own; its exit status."""
    accept_any_stream()
    plan = _plan()
    return status_of(lambda: _run(plan))


def _run(plan: Plan) -> int:
    with ExitStack() as ends:
        _end_what_is_prepared(ends, plan)
        try:
            answer_signals()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            parts, page = _start(ends, plan)
            for line in plan.announced:
                say(line)
            sys.stdout.flush()
            _watch(parts, page, _tidy(plan, parts))
        except KeyboardInterrupt:
            ignore_signals()
            say("Ending …")
        finally:
            ignore_signals()
    return 0


# --- the parts -----------------------------------------------------------------------------------


class Part(Protocol):
    """What has to live as long as this process."""

    name: str
    log: str

    def is_alive(self) -> bool: ...

    def start_anew(self) -> str | None:
        """What became of it, to be told; None when it cannot start, or has just done so."""


class Database:
    """Of Prefect's server."""

    name = "Prefect's database"

    def __init__(self, home: Path) -> None:
        self._home = home
        self.log = str(postmaster.folder_of(home) / "log")

    def is_alive(self) -> bool:
        return postmaster.is_alive(self._home)

    def start_anew(self) -> None:
        return None


class Process:
    def __init__(self, name: str, program: Program, *, again: bool = True) -> None:
        self.name, self.log = name, program.log
        self._program, self._again = program, again
        self._process: subprocess.Popen[bytes] | None = None
        self._began = -inf

    def start(self) -> "subprocess.Popen[bytes]":
        """Raises OSError."""
        self._began = time.monotonic()
        self._process = self._program.start()
        return self._process

    def is_alive(self) -> bool:
        """Also while it has not been started."""
        return self._process is None or self._process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since its last start."""
        return time.monotonic() - self._began

    def start_anew(self) -> str | None:
        if not self._again or self.age < SHORTEST_LIFE_SECONDS:
            return None
        self.end()  # what it has started itself
        self.start()
        return "was started anew"

    def end(self, delayed: str = "") -> None:
        """`delayed` is said when it does not end at once."""
        if (process := self._process) is None:
            return
        try:
            if delayed:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(QUIET_SECONDS)
                if process.poll() is None:
                    say(delayed)
                    sys.stdout.flush()
        finally:
            end(process, self._program.stop_seconds)


class Page(Process):
    """The process that answers recipients. It starts with a request, if not at once.

    Without it the others go on: where it cannot start, it is tried again with a later request.
    """

    def __init__(self, program: Program, listener: int, *, at_once: bool) -> None:
        super().__init__("The page to unsubscribe", program)
        self._listener, self._at_once = listener, at_once

    def wait(self, seconds: float) -> None:
        """For a request that starts it, if it does not run; at most so long."""
        if self._process is not None or self.age < SHORTEST_LIFE_SECONDS:
            time.sleep(seconds)
        elif self._at_once or select.select([self._listener], [], [], seconds)[0]:
            try:
                self.start()
            except OSError as error:
                note(f"{self.name} did not start ({reason_of(error)})")

    def start_anew(self) -> str:
        self.end()
        self._process = None
        return "starts anew with the next request"

    def close(self) -> None:
        """End it, and accept no requests that nobody would answer."""
        os.close(self._listener)
        self.end()


def _start(ends: ExitStack, plan: Plan) -> tuple[list[Part], Page]:
    """Each needs those before it. Raises ConfigurationError."""
    server = Process("Prefect's server", plan.server, again=False)
    ends.callback(server.end)
    await_server(server.start(), plan.api, plan.start_seconds, plan.server.log)
    access.note_address(Path(plan.prefect_home), plan.api)
    worker = Process("The worker", plan.worker)
    ends.callback(worker.end, "Waiting until the mails in flight are recorded, 30 s at most …")
    worker.start()
    page = Page(plan.page, plan.listener, at_once=plan.page_at_once)
    ends.callback(page.close)
    return [Database(Path(plan.prefect_home)), server, worker, page], page


def _watch(parts: list[Part], page: Page, tidy: Tidy) -> NoReturn:
    """Wait for a signal, or until a part ends on its own: then raises ConfigurationError.

    A part may end sooner than the one that caused it: the first in order is named.
    """
    while True:
        while all(part.is_alive() for part in parts):
            tidy.look(time.time())
            page.wait(LOOK_SECONDS)
        time.sleep(LOOK_SECONDS)
        cause = next(part for part in parts if not part.is_alive())
        if (told := cause.start_anew()) is None:
            break
        say(f"{cause.name} ended by itself and {told}; its log is {cause.log}")
        sys.stdout.flush()
    raise ConfigurationError(
        f"{cause.name} ended by itself, so all was ended", f"its log is {cause.log}"
    )


def _tidy(plan: Plan, parts: list[Part]) -> Tidy:
    logs = [postmaster.folder_of(Path(plan.home)) / "log", *(Path(part.log) for part in parts)]
    return Tidy(logs, Path(plan.results), plan.results_seconds)


def _end_what_is_prepared(ends: ExitStack, plan: Plan) -> None:
    """At the exit, after all that this process starts."""
    ends.callback(running.end_left_behind, Path(plan.home))
    if plan.embedded:
        ends.callback(postmaster.stop, Path(plan.home))
    ends.callback(postmaster.stop, Path(plan.prefect_home))


# --- the plan in an environment ------------------------------------------------------------------


def _environment(plan: Plan) -> dict[str, str]:
    """What all programs share, and the plan with the rest: Linux takes 128 kB in a variable."""
    programs = {name: getattr(plan, name) for name in PROGRAMS}
    environments = [set(program.environment.items()) for program in programs.values()]
    shared = dict(set.intersection(*environments))
    for name, program in programs.items():
        own = dict(program.environment.items() - shared.items())
        plan = replace(plan, **{name: replace(program, environment=own)})
    return {**shared, PLAN: json.dumps(asdict(plan))}


def _plan() -> Plan:
    found = json.loads(os.environ.pop(PLAN))
    for name in PROGRAMS:
        environment = {**os.environ, **found[name]["environment"], running.MARK: found["home"]}
        found[name] = Program(**{**found[name], "environment": environment})
    return Plan(**found)


# --- signals -------------------------------------------------------------------------------------


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
STOPS = {signal.SIGINT, *ANSWERS}


def answer_signals() -> None:
    """By a KeyboardInterrupt; those that are ignored, as `nohup` has it, stay so."""
    for number, answer in ANSWERS.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, answer)


def ignore_signals() -> None:
    """A shutdown is not interrupted by impatience; every step has its time-out."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
