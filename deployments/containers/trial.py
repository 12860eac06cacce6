"""Builds the image and runs every service of compose.yaml in real containers: `make containers`.

Needs root, Debian's buildah, podman and runc, and an image of Debian with Python: that of BASE, or
one that debootstrap makes. The Gmail sandbox is the only Gmail.
"""

import json
import os
import shutil
import time
from typing import Any

from deployments.containers.engine import (
    IMAGE,
    NAME,
    PODMAN,
    Failure,
    build,
    debian,
    ended,
    gone_at_the_end,
    healthy,
    inside,
    logs,
    page,
    run,
    services,
    start,
    until,
)

PROGRAMS = ("buildah", "podman", "runc", "debootstrap")
LEADS = 30
READY = "$(echo /usr/lib/postgresql/*/bin)/pg_isready --quiet --host 127.0.0.1 && echo yes || true"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a person watches


def check(holds: object, told: str) -> None:
    """Tell what holds. Raises Failure."""
    if not holds:
        raise Failure(told)
    say(f"ok  {told}")


def try_all() -> None:
    found = services()
    _begin(found)
    _without_a_volume(found["worker"])
    start("worker", found["worker"])
    start("web", found["web"])
    until(lambda: healthy("worker") and healthy("web"), "the worker and `web`")
    until(lambda: _answers("http://127.0.0.1:9464/ready"), "a worker that is ready")
    user = inside("worker", "id", "-u")
    check(user == "10001", f"worker and web: healthy, as the user {user}, on a read-only root")
    _drained_and_continued(_started())


def _begin(found: dict[str, dict[str, Any]]) -> None:
    start("database", found["database"])
    until(lambda: inside("database", "sh", "-c", READY) == "yes", "Postgres")
    start("sandbox", {"image": IMAGE}, "outreach", "sandbox")
    start("server", found["server"])
    until(lambda: healthy("server"), "Prefect's server")
    check(
        "<html" in page("http://127.0.0.1:4200/"),
        "server: healthy, with its UI, on a read-only root",
    )
    start("setup", found["setup"])
    check(ended("setup") == 0, "setup: schema, work pool, deployments")


def _without_a_volume(worker: dict[str, Any]) -> None:
    start("alone", {**worker, "volumes": []})
    status, told = ended("alone"), logs("alone")
    one_line = status == 1 and "\n" not in told and "/home/outreach/prefect" in told
    check(one_line, f"a read-only root without a volume: {told}")


def _started() -> str:
    """A campaign in mid-way; its id."""
    account = ["accounts", "add", "ada@ours.example", "--refresh-token-stdin"]
    inside("worker", "outreach", *account, given="sandbox:ada@ours.example:modify")
    header = "email,name,company,email_subject,email_template"
    rows = (f"lead{n}@acme.example,Lead {n},Acme,Hello,Hi {{{{ name }}}}" for n in range(LEADS))
    inside("worker", "sh", "-c", "cat > leads.csv", given="\n".join([header, *rows]))
    inside("worker", "outreach", "leads", "import", "leads.csv", "--tag", "spring")
    chosen = ["--name=Spring", "--tag=spring", "--account=ada@ours.example", "--attachment="]
    campaign = inside("worker", "outreach", "campaigns", "create", *chosen)
    inside("worker", "outreach", "campaigns", "start", campaign)
    until(lambda: _leads(campaign)["sent"] >= LEADS // 5, "the first mails")
    return campaign


def _drained_and_continued(campaign: str) -> None:
    running = _metric("http://127.0.0.1:9464/metrics", "outreach_runs")
    began = time.monotonic()
    run(*PODMAN, "stop", "--time=60", f"{NAME}-worker")
    took, status, leads = time.monotonic() - began, ended("worker"), _leads(campaign)
    drained = running == 1 and status == 0 and leads["pending"]
    check(drained, f"SIGTERM in mid-campaign: exit status {status} after {took:.1f} s; {leads}")
    run(*PODMAN, "start", f"{NAME}-worker")
    until(lambda: _leads(campaign)["sent"] == LEADS, "the rest of the campaign")
    twice = page("http://127.0.0.1:8025/sandbox/duplicates").strip()
    check(twice == "{}", f"started again: {_leads(campaign)}; mailed twice: {twice}")
    sent = _metric("http://127.0.0.1:9464/metrics", 'outreach_sends_total{outcome="sent"}')
    round_at = "outreach_dispatcher_last_round_timestamp_seconds"
    until(lambda: _metric("http://127.0.0.1:9464/metrics", round_at) > 0, "a round of repairs")
    up = _metric("http://127.0.0.1:9465/metrics", "outreach_database_up")
    check(sent and up, f"metrics: {sent:.0f} sent since then; the database answers")


def _leads(campaign: str) -> dict[str, int]:
    status = json.loads(inside("web", "outreach", "campaigns", "status", campaign, "--json"))
    leads: dict[str, int] = status["leads"]
    return leads


def _metric(address: str, name: str) -> float:
    lines = page(address).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def _answers(address: str) -> bool:
    try:
        return bool(page(address))
    except Failure:
        return False


def main() -> None:
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise SystemExit(f"Missing: {', '.join(missing)}; install Debian's packages of these names")
    try:
        build(os.environ.get("BASE") or debian())
        say("ok  the image is built")
        with gone_at_the_end():
            try_all()
    except Failure as error:
        raise SystemExit(f"Failed: {error}") from None


if __name__ == "__main__":
    main()
