"""What wakes a dispatcher when a campaign becomes due: notifications of Postgres, or polls.

The trigger `outreach_due` on campaigns notifies. A notification is a hint and may be lost: its
reader looks at the clock too.
"""

import time
from collections.abc import Callable
from typing import Literal, Protocol
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from pydantic import SecretStr

from outreach.errors import StoreUnavailable
from outreach.store.postgres import KEEPALIVES

CHANNEL = "outreach_due"
PROOF_SECONDS = 5.0
"""A notification has come by then, or none comes."""
PROBE_SECONDS = 40.0
"""Between two proofs: a connection that died half-open is noticed within a minute."""
POLL_SECONDS = 1.0

Kind = Literal["notifications", "polls"]


class Alarm(Protocol):
    kind: Kind

    def wait(self, seconds: float) -> bool:
        """Whether a campaign may be due; False after `seconds`. Raises StoreUnavailable."""
        ...

    def close(self) -> None: ...


class SilentError(Exception):
    """LISTEN was accepted, and no notification comes: a pooler in transaction mode is between."""


class Notifications:
    """A session of its own that listens. For one thread."""

    kind: Kind = "notifications"

    def __init__(self, url: SecretStr, notify: Callable[[UUID], None]) -> None:
        """`notify(probe)` notifies this session from another one.

        Raises StoreUnavailable, and SilentError after PROOF_SECONDS.
        """
        self._notify = notify
        self._id = uuid4()
        self._probe = f"outreach_probe_{self._id}"
        try:
            self._connection = psycopg.connect(
                url.get_secret_value(), autocommit=True, connect_timeout=10, **KEEPALIVES
            )
        except psycopg.Error as error:
            raise _away(error) from None
        try:
            self._listen()
        except BaseException:
            self.close()
            raise

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        try:
            if time.monotonic() >= self._probe_at and self._prove():
                return True
            return self._hears(CHANNEL, until)
        except psycopg.Error as error:
            raise _away(error) from None
        except SilentError:
            raise StoreUnavailable("The database no longer notifies.") from None

    def close(self) -> None:
        self._connection.close()

    def _listen(self) -> None:
        try:
            for channel in (CHANNEL, self._probe):
                self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self._prove()
        except psycopg.Error as error:
            raise _away(error) from None

    def _prove(self) -> bool:
        """Be notified, as a row would; whether a campaign may be due, too. Raises SilentError."""
        self._due = False
        self._notify(self._id)
        if not self._hears(self._probe, time.monotonic() + PROOF_SECONDS):
            raise SilentError
        self._probe_at = time.monotonic() + PROBE_SECONDS
        return self._due

    def _hears(self, channel: str, until: float) -> bool:
        while (left := until - time.monotonic()) > 0:
            # To its end: what came with the first in one packet would be lost.
            heard = {one.channel for one in self._connection.notifies(timeout=left, stop_after=1)}
            self._due = self._due or CHANNEL in heard
            if channel in heard:
                return True
        return False


class Polls:
    """Asks the database every second; where it cannot notify."""

    kind: Kind = "polls"

    def __init__(self, next_due: Callable[[], float | None]) -> None:
        """`next_due`: seconds until the next campaign is due. Raises StoreUnavailable."""
        self._next_due = next_due

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL_SECONDS))
            if self._next_due() == 0:
                return True
        return False

    def close(self) -> None:
        """Nothing is held."""


def _away(error: psycopg.Error) -> StoreUnavailable:
    return StoreUnavailable(f"The database is away ({type(error).__name__}).")
