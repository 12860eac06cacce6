#!/usr/bin/env bash
# A flow run is created with an idempotency key, which the API describes as a guard against creating it twice. Whoever
# uses a key again after its run has ended might expect an error, or a new run. The server answers 200 in place of 201
# with the old run: cancelled as it is, with its old parameters; those of the second request are dropped without a
# word. Nothing is scheduled. So a database that was restored to an earlier time, and counts its keys anew, gets the
# runs of then and takes their end for that of its own work. A key with the time in it avoids it.
# Seen with Prefect 3.9.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet prefect==3.9.1 "fastapi<0.150" "sqlalchemy<2.1"
cd "$folder"
export PREFECT_HOME="$folder/home" PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
export PREFECT_SERVER_ALLOW_EPHEMERAL_MODE=true PREFECT_LOGGING_LEVEL=CRITICAL
unset PREFECT_API_URL

cat >flow.py <<'END'
from prefect import flow


@flow
def work(number: int = 0) -> None:
    pass
END
cat >try.py <<'END'
from importlib.metadata import version

from flow import work
from prefect.client.orchestration import get_client
from prefect.states import Cancelled

print("prefect", version("prefect"))
with get_client(sync_client=True) as client:
    deployment = client.create_deployment(
        flow_id=client.create_flow(work), name="work", entrypoint="flow.py:work"
    )

    def create(number: int):
        body = {"parameters": {"number": number}, "idempotency_key": "key-1"}
        return client.request(
            "POST", "/deployments/{id}/create_flow_run", path_params={"id": deployment}, json=body
        )

    first = create(1)
    client.set_flow_run_state(first.json()["id"], Cancelled(), force=True)
    again = create(2)
    seen = {
        "status codes": (first.status_code, again.status_code),
        "the same run": first.json()["id"] == again.json()["id"],
        "its state": again.json()["state"]["type"],
        "its number": again.json()["parameters"]["number"],
    }
print(seen)
expected = {
    "status codes": (201, 200),
    "the same run": True,
    "its state": "CANCELLED",
    "its number": 1,
}
if seen != expected:
    raise SystemExit("Changed: expected " + str(expected))
END
"$folder/venv/bin/python" try.py
