#!/usr/bin/env bash
# A task with `persist_result=False` and no cache keeps nothing, so its end should cost no call to the file system.
# Prefect makes a record of the result all the same, with the path that it would have: it resolves that path twice, of
# each run, and each time asks the system about every folder on the way. A completed state that the task returns
# with a `ResultRecord` as its data spares both.
# Seen with Prefect 3.9.1 on Python 3.11.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1
cd "$folder"

HOME=$folder PREFECT_HOME=$folder DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_SERVER_LOGGING_LEVEL=CRITICAL \
  PREFECT_LOGGING_LEVEL=CRITICAL "$folder/venv/bin/python" - <<'END'
from importlib.metadata import version

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultRecord, ResultRecordMetadata
from prefect.serializers import PickleSerializer
from prefect.states import Completed
from prefect.testing.utilities import prefect_test_harness

print("prefect", version("prefect"))
resolve, calls = LocalFileSystem._resolve_path, 0


def counted(*arguments, **named):
    global calls
    calls += 1
    return resolve(*arguments, **named)


LocalFileSystem._resolve_path = counted
NOTHING = ResultRecord(
    result=None, metadata=ResultRecordMetadata(serializer=PickleSerializer(), storage_key="none")
)


@task(persist_result=False, cache_policy=NO_CACHE)
def send(data):
    return Completed(message="sent", data=data)


def looked_up(data):
    global calls
    calls = 0
    for _ in range(10):
        assert send(data, return_state=True).is_completed()
    return calls / 10


with prefect_test_harness(server_startup_timeout=90):
    plain, recorded = looked_up(None), looked_up(NOTHING)
print(f"Paths resolved a run: {plain:g}, and {recorded:g} with a record as data.")
assert (plain, recorded) == (2, 0), "This has changed."
END
