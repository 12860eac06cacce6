#!/usr/bin/env bash
# `EventsWorker.drain_all()` and `APILogHandler().flush()` send what is left before a program ends. They are called in plain
# synchronous code, so one would expect that all is sent when they return.
# Playwright's synchronous API marks its event loop as the running one of the thread, for as long as it is started. Prefect
# asks for that mark: in such a thread drain_all gives a coroutine and sends nothing, and the flush only begins. A test with a browser
# loses the events of its runs, or waits for them when Python ends.
# Seen with Prefect 3.9.1 and Playwright 1.65.2. No browser is needed. The cure is to call both in a thread of its own.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1 playwright==1.65.2
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" DO_NOT_TRACK=1 PREFECT_LOGGING_LEVEL=CRITICAL

"$folder/venv/bin/python" -W ignore - <<'END'
import inspect
import sys
import threading
from importlib.metadata import version

from playwright.sync_api import sync_playwright
from prefect.events.worker import EventsWorker


def drained():
    answer = EventsWorker.drain_all(timeout=5)
    if inspect.iscoroutine(answer):
        answer.close()
        return "a coroutine, nothing drained"
    return "drained"


def in_a_thread():
    answers = []
    thread = threading.Thread(target=lambda: answers.append(drained()))
    thread.start()
    thread.join()
    return answers[0]


before = drained()
with sync_playwright():
    during, aside = drained(), in_a_thread()
after = drained()
print("Prefect", version("prefect"), "Playwright", version("playwright"))
print("expected: synchronous code drains, whatever else it uses")
print("seen: before Playwright:", before)
print("seen: while it is started:", during)
print("seen: then, in a thread of its own:", aside)
print("seen: after it:", after)
if (before, during, aside, after) != ("drained", "a coroutine, nothing drained", "drained", "drained"):
    sys.exit("Changed: Prefect drains in another way beside Playwright.")
END
