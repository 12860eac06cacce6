"""Error messages: one sentence with what happened and the remedy, without a secret."""

import errno
import logging
import os
import traceback

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
