"""What other users of this machine may not read, enter or lock."""

import stat
from pathlib import Path

import pytest

from outreach.cli.app import run
from outreach.errors import ConfigurationError
from outreach.local import claims, private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("holding", [None, (), ("postgres", "prefect", "demo", "up.lock")])
def test_a_home_is_closed(tmp_path: Path, holding: tuple[str, ...] | None) -> None:
    """A new one, an empty one, and one that an older version left open."""
    path = tmp_path / "home"
    for name in holding or ():
        (path / name).mkdir(parents=True)
    if holding is not None:
        path.mkdir(exist_ok=True)
        path.chmod(0o755)

    assert private.home(path) == path
    assert mode(path) == 0o700


def test_a_folder_of_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    """`OUTREACH_HOME=/tmp` closes nobody out of `/tmp`; our own folders there are closed."""
    (tmp_path / "theirs").touch()
    tmp_path.chmod(0o755)

    private.folder(private.home(tmp_path) / "prefect")

    assert (mode(tmp_path), mode(tmp_path / "prefect")) == (0o755, 0o700)


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """In a sentence."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"OUTREACH_HOME cannot be used \(Not a directory"):
        private.home(tmp_path / "file" / "home")


@pytest.mark.parametrize("before", [None, 0o644])
def test_files_and_locks_are_closed_whoever_made_them(tmp_path: Path, before: int | None) -> None:
    """Whatever the umask says, and where an older version left them open."""
    log, page, lock = (tmp_path / name for name in ("log", "page", "lock"))
    for path in (log, page, lock) if before else ():
        path.write_text("before ")
        path.chmod(before or 0)

    with private.appending(log) as file:
        file.write(b"after")
    private.write(page, b"after")
    with claims.claimed(lock):
        held = mode(lock)

    assert {mode(log), mode(page), held} == {0o600}
    assert log.read_text() == ("before after" if before else "after")
    assert page.read_text() == "after"


def test_a_worker_without_a_folder_for_its_results_says_which_one_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container with a read-only root and without a volume."""
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "prefect"
    monkeypatch.setenv("PREFECT_HOME", str(home))
    monkeypatch.chdir(tmp_path)

    assert run(["worker"]) == 1
    assert capsys.readouterr().err == (
        f"Error: The worker cannot write into the folder {home} (Not a directory); mount a volume"
        " there, or set PREFECT_HOME to a folder that it may write to.\n"
    )
