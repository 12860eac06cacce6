"""How a process of ours ends: its exit status, and of an error one sentence without a secret."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable

from outreach.cli.lines import discard_rest, note
from outreach.errors import (
    ConfigurationError,
    OutreachError,
    Rejected,
    StoreFull,
    StoreUnavailable,
)

INTERRUPTED = 130
"""A shell's exit status after Ctrl-C."""


def without_the_pools_log() -> None:
    """For a database outage the command has a message of its own."""
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def status_of(work: Callable[[], int]) -> int:
    """Do the work of this process; its exit status. Every error is one sentence on stderr."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        discard_rest()  # its reader has closed the pipe
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort
        note(f"Error: {message(error)}")
        return 1
    return status


def message(error: Exception) -> str:
    """The message; of an unexpected error only the kind: its text may hold a secret."""
    match error:
        case StoreUnavailable() if not isinstance(error, StoreFull):
            said = f"{error.problem}; check DATABASE_URL or SUPABASE_URL, or try later."
        case OutreachError() | ConfigurationError() | Rejected():
            said = str(error)
        case OSError(strerror=str()) if type(error).__module__ == "builtins":
            said = _of_the_system(error)
        case _ if os.environ.get("OUTREACH_DEBUG"):
            traceback.print_exception(error)
            said = f"Unexpected {type(error).__name__}."
        case _:
            said = f"Unexpected {type(error).__name__}; set OUTREACH_DEBUG=1 for the traceback."
    return " ".join(said.split())


def _of_the_system(error: OSError) -> str:
    """The operating system's refusal; libraries' errors of this kind may quote an address."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full ({where or error.strerror}); make room on it, then try again."
    if where:
        return (
            f"{where} cannot be used ({error.strerror}); correct its rights, or name another "
            "place, such as with OUTREACH_HOME."
        )
    return f"This machine refuses what the command needs ({error.strerror}); try again."
