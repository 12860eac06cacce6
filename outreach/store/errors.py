"""Maps Postgres' error codes to our errors, and decides which calls are retried."""

import time
from collections.abc import Callable

from outreach import commands
from outreach.errors import ConfigurationError, Rejected, StoreFull, StoreUnavailable
from outreach.store.calls import Row

PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of one call: a server that restarts is back by then, and with the
retries of its tasks a run survives half a minute. A longer outage ends the run; the dispatcher
starts the next one.
"""

_MISSING = {"42883", "42P01", "42703", "3F000"}
"""Undefined function, table, column, schema."""

_PASSING = {"08", "25", "40", "53", "55", "57", "58", "XX"}
"""Connection, read-only standby, rollback, resources, locks, shutdown, system error, and internal
error: a function that a release dropped between lookup and call.
"""

_STATEMENT_TIMEOUT = "57014"
_DISK_FULL = "53100"
_NOT_NULL = "23502"
_QUOTES_VALUES = "22"
"""Errors of this class repeat their input, which may be a secret."""


class TransientError(Exception):
    """A transient failure of this call; it may be retried."""


class CallRefused(Rejected):
    """An unexpected refusal. Without Postgres' details: they may quote a whole row."""


def of_code(code: str, message: str | None) -> Exception:
    """The error for a SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix)."""
    if code in _MISSING:
        return outdated(message)
    if code == _STATEMENT_TIMEOUT:
        # An immediate retry would take as long again.
        return StoreUnavailable("The database stopped the call at its statement time-out.")
    if code == _DISK_FULL:
        return StoreFull()
    if code == _NOT_NULL and '"user_id"' in str(message):
        return Rejected("In this database each row has an owner", "name the user with --user-id")
    if code[:2] in _PASSING:
        return TransientError(f"error {code}")
    quoted = "" if message is None or code.startswith(_QUOTES_VALUES) else f": {message}"
    return CallRefused(f"The database refuses the call (error {code}{quoted}).")


def outdated(what: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"The database lacks what this version needs ({what})", f"run {commands.MIGRATE}"
    )


def repeated(call: Callable[[], list[Row]]) -> list[Row]:
    """Retry the call when the database was away, overloaded or broke a deadlock."""
    for pause in PAUSES:
        try:
            return call()
        except TransientError:
            time.sleep(pause)
    try:
        return call()
    except TransientError as error:
        raise StoreUnavailable(f"The database is away ({error}).") from None
