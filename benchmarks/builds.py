"""This build and an older one, each used from outside: its command, Prefect's API, the database."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import psycopg

from benchmarks.harness import ROOT, TEMPLATE, cpu_of, free_port, gmail
from outreach.local import postgres

BEFORE = "2932f7a"
"""One process a run, and a dispatcher's run each minute."""
READY = "Ctrl-C ends all."
CSV = "email,name,company,email_subject,email_template\n"


class Build(NamedTuple):
    name: str
    root: Path
    """Its source; both use the packages that are installed here."""


@contextmanager
def builds(*, beside: bool, before: str = BEFORE) -> Iterator[list[Build]]:
    """This one, and with `beside` an older one in a worktree of its own."""
    ours = Build("this build", ROOT)
    if not beside:
        yield [ours]
        return
    with tempfile.TemporaryDirectory(prefix="outreach-build-") as folder:
        root = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(root), before], check=True)
        try:
            yield [Build(f"build {before}", root), ours]
        finally:
            subprocess.run([*git, "remove", "--force", str(root)], check=True)


@dataclass
class Machine:
    """`outreach up` of a build, in a folder of its own, with a Gmail of its own."""

    build: Build
    folder: Path
    gmail: httpx.Client
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None
    password: str = ""

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def outreach(self, *words: str, stdin: str = "", **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "outreach.cli", *words],
            cwd=self.build.root,
            env=self.environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"outreach {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def known(self) -> dict[str, str]:
        """What a command has to know to ask this machine's Prefect."""
        password = {"PREFECT_API_AUTH_STRING": self.password} if self.password else {}
        return {"PREFECT_API_URL": self.api, **password}

    def up(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "outreach.cli", "up", "--port", str(self.port)],
            cwd=self.build.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not any(READY in line for line in self.process.stdout or ()):
            raise SystemExit(f"{self.build.name} did not come up")
        if self.build.root == ROOT:  # the older one has none
            self.password = self.outreach("up", "--show-password")
        while not any("dispatch" in one["name"] for one in self.ask("deployments/filter")):
            time.sleep(0.2)

    def ask(self, path: str, body: object = None) -> Any:
        """Prefect's API."""
        user, _, word = self.password.partition(":")
        answer = httpx.post(
            f"{self.api}/{path}",
            json=body or {},
            auth=(user, word) if word else None,
            trust_env=False,
            timeout=60,
        )
        return answer.raise_for_status().json()

    def campaign(self, name: str, leads: int) -> str:
        """A draft with leads and an account of its own."""
        sender = f"{name}@ours.example"
        self.outreach(
            "accounts", "add", sender, "--refresh-token-stdin", stdin=f"bench:{sender}:send"
        )
        rows = (f'{name}.{n}@acme.example,N,Acme,A deck,"{TEMPLATE}"\n' for n in range(leads))
        file = self.folder / f"{name}.csv"
        file.write_text(CSV + "".join(rows))
        self.outreach("leads", "import", str(file), "--tag", name)
        return self.outreach(
            "campaigns", "create", "--name", name, "--tag", name, "--account", sender
        )

    def deployment(self) -> str:
        found = self.ask("deployments/filter")
        return next(str(one["id"]) for one in found if one["name"] == "send-campaign")

    def database(self) -> psycopg.Connection:
        return _connected(self.folder / "home")

    def prefect_database(self) -> psycopg.Connection:
        return _connected(self.folder / "home" / "prefect")

    def posts(self) -> list[list[Any]]:
        """[at, account, to] of each mail that Gmail took, and forget them."""
        posts: list[list[Any]] = self.gmail.delete("/bench/posts").json()
        return posts

    def first_mail(self, began: float, seconds: float = 180) -> float:
        """Seconds from `began`, of the monotonic clock, to the first mail since the last call."""
        while time.monotonic() < began + seconds:
            if posts := self.posts():
                return float(posts[0][0]) - began
            time.sleep(0.05)
        raise SystemExit(f"{self.build.name}: no mail within {seconds:.0f} s")

    def cpu(self) -> float:
        """CPU seconds so far of everything that it has started."""
        return sum(cpu_of(root) for root in self._roots())

    def memory(self) -> float:
        """Octets; a page that several processes share counts once in all."""
        every = (one for root in self._roots() for one in (root, *root.children(recursive=True)))
        return float(sum(one.memory_full_info().pss for one in every))

    def _roots(self) -> list[psutil.Process]:
        """`outreach up` and both Postgres, which leave the tree of their starter."""
        homes = (self.folder / "home", self.folder / "home" / "prefect")
        databases = [found.pid for home in homes if (found := postgres.running(home)) is not None]
        up = [self.process.pid] if self.process else []
        return [psutil.Process(pid) for pid in (*up, *databases)]

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=120)
        self.outreach("db", "stop")


def _connected(home: Path) -> psycopg.Connection:
    if (running := postgres.running(home)) is None:
        raise SystemExit(f"No Postgres of {home} runs.")
    return psycopg.connect(running.url.get_secret_value(), autocommit=True)


@contextmanager
def machine(build: Build, *, pace: float = 2.0) -> Iterator[Machine]:
    with (
        tempfile.TemporaryDirectory(prefix="outreach-bench-") as name,
        gmail(0.05) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        folder = Path(name)
        folder.chmod(0o711)
        deck = folder / "deck.pdf"
        deck.write_bytes(b"%PDF-1.4\n" + os.urandom(100_000))
        others = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        made = Machine(
            build,
            folder,
            client,
            others
            | {
                "PYTHONPATH": str(build.root),  # before the installed one, wherever it is started
                "OUTREACH_HOME": str(folder / "home"),
                "GMAIL_API_URL": address,
                "GOOGLE_TOKEN_URL": f"{address}/token",
                "APP_URL": "https://app.example",
                "ATTACHMENT_PDF": str(deck),
                "SEND_PACE_SECONDS": str(pace),
                "DO_NOT_TRACK": "1",
            },
        )
        try:
            yield made
        finally:
            made.close()
