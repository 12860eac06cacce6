"""Ends a run's process, whatever its threads are doing.

Python cannot end a thread from outside: one whose render never ends, or whose call never returns,
would keep its process, and with it the slots that the run holds. So the process is ended. A mail
that may be leaving in that moment was written ahead, and is reconciled.
"""

import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.events.worker import EventsWorker
from prefect.exceptions import ObjectNotFound
from prefect.logging.handlers import APILogHandler

from tasks.log import Logger
from tasks.token import is_hosted

GRACE_SECONDS = 2.0
"""Seconds for the mails in flight to be recorded, once the run's end is due."""
UNWIND_SECONDS = 1.0
"""Seconds for the run to give back what it holds. With the detection, five seconds."""
STDERR = 2
_ending = Event()


def watch(seconds: float) -> None:
    """End the process unless this is called again within `seconds`.

    It needs no Python thread, so it works during a call that lets none of them run.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)


def watch_no_longer() -> None:
    faulthandler.cancel_dump_traceback_later()


def end_process(logger: Logger) -> None:
    """Interrupt the main thread as SIGTERM does, and end the process if that does not suffice."""
    _ending.set()
    watch(UNWIND_SECONDS)
    logger.error("A thread of this run did not come back, so its process is ended.")
    os.kill(os.getpid(), signal.SIGTERM)
    with suppress(Exception):  # the timer runs
        APILogHandler().flush()


def hand_over(seconds: float) -> None:
    """Give this process's last events and log lines to Prefect's server, while it answers.

    Events that are left wait for it when Python ends: each for over a minute when it is gone.
    """
    # In a thread of its own: where an event loop runs, Prefect returns before anything is sent.
    handing = Thread(target=_hand_over, args=(seconds,), name="hand over")
    handing.start()
    handing.join()


def _hand_over(seconds: float) -> None:
    EventsWorker.drain_all(timeout=seconds)
    APILogHandler().flush()


def is_ending() -> bool:
    """Whether the signal that interrupts the main thread comes from `end_process`."""
    return _ending.is_set()


@contextmanager
def ended_if_cancelled(run: UUID, logger: Logger) -> Iterator[None]:
    """End a run within seconds when it is interrupted here because it was cancelled in Prefect.

    Not in a worker, where an interruption has another way.
    """
    if is_hosted():
        yield
        return
    try:
        yield
    except Exception:
        raise
    except BaseException:  # SIGTERM, for a cancellation as for a stop; the latter has more time
        waiting = Thread(target=_end_if_cancelled, args=(run, logger), name="end", daemon=True)
        waiting.start()
        raise


def _end_if_cancelled(run: UUID, logger: Logger) -> None:
    time.sleep(GRACE_SECONDS)
    with suppress(httpx.HTTPError, ObjectNotFound), get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        if state is not None and state.is_cancelling():
            end_process(logger)
