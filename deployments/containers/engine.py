"""Real containers of the services of compose.yaml, by buildah and podman.

All share one network without a way out. PODMAN, BUILDAH (commands with options) and PODMAN_RUN
(options of `podman run`) suit a machine that needs more.
"""

import json
import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NAME = "outreach-trial"
IMAGE, DATABASE, DEBIAN = (f"localhost/{NAME}{part}" for part in ("", "-database", "-debian"))
PODMAN = shlex.split(os.environ.get("PODMAN", "podman"))
BUILDAH = shlex.split(os.environ.get("BUILDAH", "buildah"))
# Healthchecks by podman need systemd: `healthy` runs their command.
RUN = ["--no-healthcheck", *shlex.split(os.environ.get("PODMAN_RUN", ""))]
VALUES = {
    "POSTGRES_PASSWORD": "trial",
    "PREFECT_AUTH": "admin:trial",
    "OUTREACH_IMAGE": IMAGE,
    "POSTGRES_IMAGE": DATABASE,
    # With the sandbox, only a database of this machine is allowed.
    "DATABASE_URL": "postgresql://postgres:trial@127.0.0.1:5432/outreach",
}
SETTINGS = {
    "GMAIL_API_URL": "http://127.0.0.1:8025",
    "GOOGLE_TOKEN_URL": "http://127.0.0.1:8025/token",
    "GOOGLE_AUTH_URL": "http://127.0.0.1:8025/auth",
    "SEND_PACE_SECONDS": "1",
}
"""In the place of settings.env."""

# Debian's Postgres, configured by the variables of the official image.
POSTGRES = """\
FROM {base}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive \\
    apt-get install -y --no-install-recommends postgresql
COPY start /start
ENTRYPOINT ["sh", "/start"]
"""
START = """\
set -e
export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
install -d -o postgres /data
as="setpriv --reuid postgres --regid postgres --clear-groups"
$as initdb -D /data --encoding UTF8 --locale C > /dev/null
echo "create database $POSTGRES_DB" | $as postgres --single -D /data postgres > /dev/null
exec $as postgres -D /data -k /tmp
"""
FIRST = "database"
"""Its network is that of all."""
HOSTS = Path(tempfile.gettempdir(), f"{NAME}-hosts")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SECONDS = 120.0


class Failure(Exception):
    """What went otherwise than it should."""


def run(*words: str, given: str = "") -> str:
    """The command's output. Raises Failure."""
    done = subprocess.run(  # noqa: S603
        words, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failure(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return str(done.stdout).strip()


def until(look: Callable[[], bool], what: str) -> None:
    """Raises Failure after two minutes."""
    deadline = time.monotonic() + SECONDS
    while not look():
        if time.monotonic() > deadline:
            raise Failure(f"waited {SECONDS:.0f} s for {what}")
        time.sleep(1)


# --- images -----------------------------------------------------------------------------


def debian() -> str:
    """An image of Debian with Python, made once."""
    if DEBIAN not in run(*BUILDAH, "images", "--format", "{{.Name}}").splitlines():
        packages = "python3,python3-venv,ca-certificates"
        with tempfile.TemporaryDirectory() as folder:
            run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder)
            made = run(*BUILDAH, "from", "scratch")
            run(*BUILDAH, "copy", "--quiet", made, folder, "/")
            run(*BUILDAH, "commit", "--quiet", "--rm", made, DEBIAN)
    return DEBIAN


def build(base: str) -> None:
    """The image and a database for it. Layers that did not change are kept."""
    common = ["bud", "--isolation=chroot", "--format=docker", "--layers"]
    own = [f"--build-arg=BASE={base}", f"--file={FOLDER / 'Dockerfile'}"]
    own += [f"--ignorefile={FOLDER / 'Dockerfile.dockerignore'}"]
    own += [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"]  # a registry may be in one's own network
    run(*BUILDAH, *common, *own, f"--tag={IMAGE}", str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(POSTGRES.format(base=base))
        Path(folder, "start").write_text(START)
        run(*BUILDAH, *common, f"--tag={DATABASE}", folder)


# --- containers -------------------------------------------------------------------------


def services() -> dict[str, dict[str, Any]]:
    """Of compose.yaml, with its variables filled in."""
    text, before = (FOLDER / "compose.yaml").read_text("utf-8"), ""
    while text != before:  # one may be in another's default
        text, before = re.sub(r"\$\{(\w+)(?::([-?])([^{}]*))?\}", _value, text), text
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return found


def _value(variable: re.Match[str]) -> str:
    return VALUES.get(variable[1], variable[3] if variable[2] == "-" else "")


def start(name: str, service: dict[str, Any], *command: str) -> None:
    """As its service says, in the trial's network."""
    words = [*RUN, "--detach", f"--name={NAME}-{name}", *_options(name, service)]
    run(*PODMAN, "run", *words, service["image"], *(command or service.get("command", [])))


def _options(name: str, service: dict[str, Any]) -> list[str]:
    told = SETTINGS if "env_file" in service else {}
    environment = {**told, **service.get("environment", {})}
    words = [f"--env={key}={value}" for key, value in environment.items()]
    words += [f"--tmpfs={path}" for path in service.get("tmpfs", [])]
    words += [f"--volume={NAME}-{volume}" for volume in service.get("volumes", [])]
    words += [f"--cap-drop={one}" for one in service.get("cap_drop", [])]
    words += [f"--security-opt={one}" for one in service.get("security_opt", [])]
    if service.get("read_only"):
        words += ["--read-only", "--read-only-tmpfs=false"]
    words += ["--no-hosts", f"--volume={HOSTS}:/etc/hosts:ro"]
    return [*words, f"--network={'none' if name == FIRST else f'container:{NAME}-{FIRST}'}"]


def inside(name: str, *words: str, given: str = "") -> str:
    """The output of a command in this container."""
    return run(*PODMAN, "exec", "--interactive", f"{NAME}-{name}", *words, given=given)


def page(address: str) -> str:
    """As a neighbour in the network reads it."""
    read = f"import urllib.request as u; print(u.urlopen({address!r}).read().decode())"
    return inside("sandbox", "python", "-c", read)


def healthy(name: str) -> bool:
    """By the command of the image's HEALTHCHECK."""
    image = json.loads(run(*PODMAN, "image", "inspect", IMAGE))[0]
    try:
        inside(name, *(image.get("HealthCheck") or image["Healthcheck"])["Test"][1:])
    except Failure:
        return False
    return True


def ended(name: str) -> int:
    """Its exit status; waits for it."""
    return int(run(*PODMAN, "wait", f"{NAME}-{name}"))


def logs(name: str) -> str:
    told = subprocess.run(  # noqa: S603
        [*PODMAN, "logs", f"{NAME}-{name}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return told.stdout.strip()


@contextmanager
def gone_at_the_end() -> Iterator[None]:
    """Containers and volumes; the images stay for the next time."""
    _remove()
    # Each service by its name, as in the network of compose.
    HOSTS.write_text(f"127.0.0.1 localhost {' '.join(services())}\n")
    try:
        yield
    finally:
        _remove()


def _remove() -> None:
    for name in ("alone", "web", "worker", "setup", "sandbox", "server", "database"):
        run(*PODMAN, "rm", "--force", "--ignore", "--time=5", f"{NAME}-{name}")
    HOSTS.unlink(missing_ok=True)
    for volume in run(*PODMAN, "volume", "ls", "--quiet").splitlines():
        if volume.startswith(f"{NAME}-"):
            run(*PODMAN, "volume", "rm", "--force", volume)
