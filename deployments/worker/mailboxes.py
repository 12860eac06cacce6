"""The worker's reading of mailboxes: a thread of its own, so that no mail waits for it.

Every worker reads what is due; the database gives each mailbox to one at a time. While the
deployment `read-mailboxes` is paused in Prefect it reads nothing.
"""

import threading
import time
from contextlib import ExitStack
from contextvars import copy_context

from prefect.client.orchestration import get_client
from prefect.logging.loggers import get_logger

from outreach.deployment_names import READ
from outreach.errors import ConfigurationError, StoreUnavailable
from outreach.wiring import current, current_settings
from tasks.mailboxes import guard, read_due, tell_returned

SHORTEST_SECONDS = 1.0


class MailboxReading:
    """One thread of the worker's process."""

    def __init__(self) -> None:
        self._log = get_logger("outreach.mailboxes")
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._read,), name="mailboxes", daemon=True
        )

    def start(self) -> None:
        """Unless MAILBOX_SECONDS is 0."""
        if current_settings().mailbox_seconds:
            self._thread.start()

    def stop(self, seconds: float) -> None:
        """Begin no mailbox any more; waits at most `seconds` for those that are being read."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _read(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if self._is_on():
                    current().store.compare_schema()
                    with ExitStack() as afterwards:  # in the reverse order, whatever fails
                        afterwards.callback(tell_returned.fn)
                        afterwards.callback(guard.fn)
                        read_due.fn(self._stopping.is_set)
            except StoreUnavailable as error:
                self._log.warning("Mailboxes are not read for now: %s", error)
            except ConfigurationError as error:
                self._log.error("Mailboxes are not read: %s", error)
            except Exception as error:  # noqa: BLE001 - the thread outlives any error
                self._log.error("The mailboxes' round failed (%s)", type(error).__name__)
            left = began + current_settings().mailbox_seconds - time.monotonic()
            self._stopping.wait(max(SHORTEST_SECONDS, left))

    def _is_on(self) -> bool:
        """Whether nobody paused it in Prefect; while Prefect's server is away it goes on."""
        try:
            with get_client(sync_client=True) as client:
                return not client.read_deployment_by_name(READ).paused
        except Exception:  # noqa: BLE001 - it comes back, or there is no such deployment
            return True
