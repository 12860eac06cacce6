"""Task runs that do nothing, as long as Gmail takes: `python -m benchmarks.peer_prefect COUNT`."""

import importlib
import json
import sys
import time

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

from benchmarks.sender import IMPORTED_LATE

IN_FLIGHT = 32
MAPPED = 200


@task
def nothing(number: int) -> int:
    time.sleep(0.05)
    return number


@flow(task_runner=ThreadPoolTaskRunner(max_workers=IN_FLIGHT))  # type: ignore[arg-type]
def engine(count: int) -> None:
    for first in range(0, count, MAPPED):
        nothing.map(range(first, first + MAPPED)).wait()


if __name__ == "__main__":
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    cpu, began = time.process_time(), time.monotonic()
    engine(int(sys.argv[1]))
    measured = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(measured), flush=True)
