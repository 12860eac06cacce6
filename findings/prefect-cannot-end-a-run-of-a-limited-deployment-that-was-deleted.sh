#!/usr/bin/env bash
# A deployment has a concurrency limit, one of its runs is Pending and so holds a slot, and the deployment is deleted.
# Its run stays, without a deployment; one would expect that it can be ended like any other, at least by force.
# Each state that would end it is answered with 500, forced or not, and the run is Pending for good: with the
# deployment its limit went, and the rule that gives back the slot fails on that. Runs of a deployment without a limit
# end as usual. Only deleting the run helps; a program that ends stale runs in a loop stops at this one each time.
# Seen with Prefect 3.9.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  prefect==3.9.1 "fastapi<0.150" "sqlalchemy<2.1"
cd "$folder"
for name in "${!PREFECT_@}"; do unset "$name"; done
export PREFECT_HOME="$folder/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
export PREFECT_SERVER_ALLOW_EPHEMERAL_MODE=true PREFECT_LOGGING_LEVEL=CRITICAL PREFECT_LOGGING_SERVER_LEVEL=CRITICAL

cat >try.py <<'END_OF_PROGRAM'
import sys
from importlib.metadata import version

import httpx
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Cancelled, Crashed, Pending


@flow
def work() -> None:
    pass


def ended(client, limit):
    """What the server answers to states that end a run whose deployment is gone, and what the run then is."""
    deployment = client.create_deployment(
        flow_id=client.create_flow(work), name=f"limit-{limit}", entrypoint="try.py:work", concurrency_limit=limit
    )
    run = client.create_flow_run_from_deployment(deployment).id
    client.set_flow_run_state(run, Pending())
    client.delete_deployment(deployment)
    answers = []
    for state, force in ((Cancelled(), False), (Crashed(), True)):
        try:
            answers.append(client.set_flow_run_state(run, state, force=force).status.value)
        except httpx.HTTPStatusError as error:
            answers.append(error.response.status_code)
    return answers, client.read_flow_run(run).state.name


print("Prefect", version("prefect"))
with get_client(sync_client=True) as client:
    seen = {limit: ended(client, limit) for limit in (None, 1)}
print("expected: both runs end")
for limit, (answers, state) in seen.items():
    print(f"seen: limit {limit}: answers {answers}, the run is {state}")
if seen[None][1] == "Pending" or seen[1] != ([500, 500], "Pending"):
    sys.exit("Changed: a run whose deployment with a limit was deleted can be ended.")
END_OF_PROGRAM
"$folder/venv/bin/python" try.py
