"""A Prefect server on this machine, configured for the load of campaigns.

`prefect server start --background` dies on its first log line, so it runs in the foreground as our
child; the ephemeral server loses task runs, so it is not used. Its database is an embedded
Postgres: on SQLite, Prefect's own server answers 503 to a start of a run while another request
writes, and at times accepts no write for a minute.

It answers only to this machine and to its own pages (deployments/own_server.py).
"""

import importlib.util
import json
import math
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outreach.errors import ConfigurationError
from outreach.local import access, claims, postgres, private
from outreach.local.processes import Program, await_server, end

LEASE_STORAGE = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
SETTINGS = {
    # Task runs are recorded in batches: 186 a second instead of 55.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Events too: a twentieth less of the server's CPU.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    # In memory, the slots of `gmail-send` would stay taken for good after a restart of the server.
    LEASE_STORAGE: "prefect.server.concurrency.lease_storage.filesystem",
    # Its rounds, at the pace that one machine needs: half a second of CPU a minute less.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "DO_NOT_TRACK": "1",
}

MINUTE, DAY = 60, 24 * 3600
KEPT = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(30 * DAY),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P7D",  # unlike the one above, it takes no number
    "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": str(10 * MINUTE),
    # Nobody reads these later; each mail has one, or more. The states that they tell stay.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES": json.dumps(
        dict.fromkeys(
            (
                "prefect.flow-run.heartbeat",
                "prefect.task-run.Pending",
                "prefect.task-run.Running",
                "prefect.task-run.Completed",
            ),
            10 * MINUTE,
        )
    ),
}
"""How long the server keeps runs and events. The environment of `outreach up` may say otherwise."""

PASSWORD_SETTING = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105 - its name
RESULTS = "storage"
"""Of Prefect's home: the folder of what flow runs returned."""

CONNECTIONS = {
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "2",
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "13",
}
"""To a Postgres on this machine, where each is a process that grows to 17 MB. At most as many as
Prefect's own 5 and 10, but those beyond the second are waited for (deployments/connection_pool.py)
and closed after their use.
"""

RUN_SETTINGS = {
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # The engine's own line for each task run would be one for each mail.
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
}
"""For the processes of the flows; prefect.yaml has the same as job variables."""

START_SECONDS = 90.0
STOP_SECONDS = 15.0


def isolated_environment(home: Path) -> dict[str, str]:
    """This process's environment with only our Prefect settings, and all state under `home`.

    Temporary files too: Prefect's runner uses one folder name for all users of a machine.
    """
    others = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT_")}
    temporary = private.folder(home.resolve() / "tmp")
    return {
        **others,
        **SETTINGS,
        **_kept(),
        "PREFECT_HOME": str(home.resolve()),
        "TMPDIR": str(temporary),
    }


def runs_kept() -> float:
    """Seconds after its end for which the server keeps a run; infinite where it deletes none."""
    kept = _kept()
    try:
        seconds = float(kept["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"])
    except ValueError:  # the server says what is wrong with it
        return math.inf
    deleted = kept["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"].lower()
    return seconds if "flow_runs" in deleted or deleted == "true" else math.inf


def _kept() -> dict[str, str]:
    """KEPT, or what the environment says instead."""
    return {name: os.environ.get(name, text) for name, text in KEPT.items()}


@dataclass(frozen=True)
class Server:
    api: str
    """http://127.0.0.1:PORT/api"""
    process: subprocess.Popen[bytes]
    database: postgres.Server
    log: Path


@contextmanager
def locked_server(home: Path, port: int | None = None) -> Iterator[Server]:
    """As `running_server`, behind the password of this home: `access.password(home)`."""
    private.folder(home)
    with running_server(home, port, {PASSWORD_SETTING: access.password(home)}) as server:
        access.note_address(home, server.api)
        yield server


@contextmanager
def prefect_server(home: Path, port: int | None = None) -> Iterator[str]:
    """As `running_server`, without a password; gives the address of its API."""
    with running_server(home, port) as server:
        yield server.api


@contextmanager
def running_server(
    home: Path, port: int | None = None, more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server with its UI, its database and all state under `home`. Ended at the exit.

    `more`: settings of Prefect in addition to those above, such as a password. Raises
    ConfigurationError when the port is taken, when a server of this home runs already, or when the
    server does not come up.
    """
    with prepared(home, port, more) as ready:
        process = ready.program.start()
        try:
            log = Path(ready.program.log)
            await_server(process, ready.api, START_SECONDS, log)
            yield Server(ready.api, process, ready.database, log)
        finally:
            end(process, STOP_SECONDS)


@dataclass(frozen=True)
class Prepared:
    """A server that is about to be started."""

    api: str
    """http://127.0.0.1:PORT/api"""
    program: Program
    database: postgres.Server


@contextmanager
def prepared(
    home: Path, port: int | None = None, more: Mapping[str, str] | None = None
) -> Iterator[Prepared]:
    """As `running_server`, with its database running, but not yet the server itself."""
    home.mkdir(parents=True, exist_ok=True)
    free_port(port)  # before there is anything to end
    with _alone(home) as claim, postgres.temporary(home, durable=True) as database:
        port = free_port(port)
        address = f"http://127.0.0.1:{port}"
        api = f"{address}/api"
        environment = {
            **isolated_environment(home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": _for_sqlalchemy(database),
            **CONNECTIONS,
            "PREFECT_API_URL": api,
            # A relative address works under the host name of the request: 127.0.0.1 or localhost.
            "PREFECT_UI_API_URL": "/api",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": address,
            **_place_of_pages(home),
            **(more or {}),
        }
        program = Program(
            ["-m", "deployments.own_server", str(port)],
            str(home),
            environment,
            str(home / "server.log"),
            STOP_SECONDS,
            [claim],
        )
        yield Prepared(api, program, database)


def _place_of_pages(home: Path) -> dict[str, str]:
    """Where the server unpacks its UI: beside its code, or in `home` where that is not writable."""
    spec = importlib.util.find_spec("prefect")
    places = (spec and spec.submodule_search_locations) or []
    if all(os.access(Path(place) / "server", os.W_OK) for place in places):
        return {}
    return {"PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home.resolve() / "ui")}


@contextmanager
def _alone(home: Path) -> Iterator[int]:
    """A lock that the server inherits: it is held as long as we or the server live."""
    with claims.claimed(home / claims.ALIVE) as claim:
        if claim is None:
            raise ConfigurationError(
                f"A Prefect server of {home} still runs", "end it, or whoever started it, first"
            )
        yield claim


def _for_sqlalchemy(database: postgres.Server) -> str:
    return database.url.get_secret_value().replace("postgresql:", "postgresql+asyncpg:", 1)


def free_port(port: int | None = None) -> int:
    """`port`, or any other that is free. Raises ConfigurationError for one in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError:
            raise ConfigurationError(
                f"Port {port} is in use by another program", "end it, or choose another port"
            ) from None
        return int(probe.getsockname()[1])
