"""`outreach down`: end what `outreach up` started, from another terminal or after it was killed."""

from pathlib import Path
from typing import TYPE_CHECKING

from outreach import commands
from outreach.cli.lines import say
from outreach.errors import ConfigurationError

if TYPE_CHECKING:
    import psutil

PATIENCE_SECONDS = 120.0
"""Its runs, its server and its databases have their own time-outs, which add up to less."""


def down() -> None:
    """End what `outreach up` started on this OUTREACH_HOME. Nothing to end is no error."""
    from outreach import settings as settings_module
    from outreach.local import running

    home = settings_module.load().outreach_home.resolve()
    owner = running.owner(home)
    if owner is not None:
        _end(owner)
    left = _end_left_behind(home)
    say("Ended." if owner or left else f"Nothing of {commands.UP} runs on {home}.")


def _end(owner: "psutil.Process") -> None:
    """Like Ctrl-C in its own terminal. Raises ConfigurationError."""
    import psutil

    from outreach.local import running

    say(f"Ending {commands.UP} (process {owner.pid}): mails in flight are recorded first …")
    try:
        owner.terminate()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise ConfigurationError(
            f"{commands.UP} (process {owner.pid}) is another user's", "that user has to end it"
        ) from None
    if not running.wait_until_gone(owner, PATIENCE_SECONDS):
        raise ConfigurationError(
            f"{commands.UP} (process {owner.pid}) has not ended after {PATIENCE_SECONDS:.0f} s",
            f"end it with `kill -9 {owner.pid}`, then {commands.DOWN} ends what it leaves",
        )


def _end_left_behind(home: Path) -> bool:
    """End what a killed `outreach up` left, with its databases; False if there was nothing."""
    from outreach.local import postgres, running

    left = running.left_behind(home)
    if left:
        say(describe_left(left))
        running.end_left_behind(home)
    prefect_stopped = (home / "prefect").exists() and postgres.stop(home / "prefect")
    if left or prefect_stopped:
        postgres.stop(home)
    return bool(left) or prefect_stopped


def describe_left(left: "list[psutil.Process]") -> str:
    pids = ", ".join(str(process.pid) for process in left)
    return f"Ending what an {commands.UP} that was killed left running: processes {pids} …"
