"""What a failed call means, by Postgres' error code, and which calls are made again."""

import time
from collections.abc import Callable

from outreach.errors import ConfigurationError, Rejected, StoreFull, StoreUnavailable
from outreach.store.store import Row

PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of one call: a server that restarts is back by then, and with the
retries of its tasks a run outlives half a minute. What lasts longer ends it, for the dispatcher."""

_MISSING = {"42883", "42P01", "42703", "3F000"}
"""Undefined function, table, column, schema."""

_PASSING = {"08", "25", "40", "53", "55", "57", "58", "XX"}
"""Connection, read-only standby, rollback, resources, locks, shutdown, system error, and internal
error: a function that a release dropped between being found and being called."""

_STATEMENT_TIMEOUT = "57014"
_DISK_FULL = "53100"
_NOT_NULL = "23502"
_QUOTES_VALUES = "22"
"""Errors of this class repeat what was given, and that may be a secret."""


class TransientError(Exception):
    """This call failed for a reason that may pass at once; it may be made again."""


class CallRefused(Rejected):
    """Nobody foresaw this refusal. Without Postgres' details: they may quote a whole row."""


def of_code(code: str, message: str | None) -> Exception:
    """What to raise for a SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix)."""
    if code in _MISSING:
        return outdated(message)
    if code == _STATEMENT_TIMEOUT:
        # Made again at once it would take as long again.
        return StoreUnavailable("The database stopped the call at its statement time-out.")
    if code == _DISK_FULL:
        return StoreFull()
    if code == _NOT_NULL and '"user_id"' in str(message):
        return Rejected("In this database each row has an owner", "name the user with --user-id")
    if code[:2] in _PASSING:
        return TransientError(f"error {code}")
    message = "" if message is None or code.startswith(_QUOTES_VALUES) else f": {message}"
    return CallRefused(f"The database refuses the call (error {code}{message}).")


def outdated(what: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"The database lacks what this version needs ({what})", "run `outreach db migrate`"
    )


def repeated(call: Callable[[], list[Row]]) -> list[Row]:
    """Make the call again when the database was away, overloaded or broke a deadlock."""
    for pause in PAUSES:
        try:
            return call()
        except TransientError:
            time.sleep(pause)
    try:
        return call()
    except TransientError as error:
        raise StoreUnavailable(f"The database is away ({error}).") from None
