"""Debian's PgBouncer in front of a test's Postgres."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from tests.programs import needed

HOST = "127.0.0.1"
START_SECONDS = 20.0


@contextmanager
def transaction_pooling(url: SecretStr) -> Iterator[SecretStr]:
    """The same database, through a pooler that lends a session for one transaction at a time."""
    program = needed("pgbouncer", "pgbouncer")
    port = _free_port()
    own = {"host": HOST, "port": port, "sslmode": "disable", "gssencmode": "disable"}
    pooled = SecretStr(make_conninfo(url.get_secret_value(), **own))
    with tempfile.NamedTemporaryFile("w", prefix="outreach-pgbouncer-", suffix=".ini") as file:
        file.write(_settings(url, port))
        file.flush()
        user = {"user": "nobody"} if os.getuid() == 0 else {}  # it refuses to run as root
        if user:
            shutil.chown(file.name, **user)
        process = subprocess.Popen(
            [program, "-q", file.name], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user
        )
        try:
            _until_it_answers(pooled)
            yield pooled
        finally:
            process.terminate()
            process.wait()


def _settings(url: SecretStr, port: int) -> str:
    at = conninfo_to_dict(url.get_secret_value())
    return f"""
[databases]
{at["dbname"]} = host={at["host"]} port={at["port"]} user={at["user"]} password={at["password"]}
[pgbouncer]
listen_addr = {HOST}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
"""


def _until_it_answers(url: SecretStr) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url.get_secret_value(), connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
