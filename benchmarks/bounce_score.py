"""How well a reader of bounces reads a folder of mails of which the truth is known.

The folder has `expected.json` and `mails/`. Its `hard` is our dead; its `soft` covers our block,
soft and delay, which its `reason` tells apart.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(os.environ.get("BOUNCES") or Path(__file__).parents[2] / "shared" / "bounces")
"""Beside the repository, and no part of it; `BOUNCES` names another one."""

SENDERS_FAULT = frozenset(
    {
        "authfailure", "badreputation", "blocked", "contenterror", "norelaying", "notcompliantrfc",
        "policyviolation", "rejected", "requireptr", "securityerror", "spamdetected", "toomanyconn",
        "virusdetected",
    }
)  # fmt: skip

"""The reasons of a block."""
_VERDICTS = {"dead": "hard", "block": "soft", "soft": "soft", "delay": "soft"}


class Told(NamedTuple):
    """What a reader says of a mail: by address in lower case, our verdict or none."""

    kind: str | None
    verdicts: dict[str, str | None]
    message_id: str | None


Reader = Callable[[bytes], Told]


@dataclass
class Score:
    """Counts, and what was read otherwise than expected."""

    counts: Counter[str] = field(default_factory=Counter)
    misread: list[tuple[str, str]] = field(default_factory=list)

    def count(self, name: str, *, right: bool, of: str = "") -> None:
        """One more of this name, and whether it was right."""
        self.counts[f"{name} of"] += 1
        self.counts[name] += right
        if not right:
            self.misread.append((name, of))

    def share(self, name: str) -> float:
        """Per cent; 100 where there is none."""
        return 100 * self.counts[name] / (self.counts[f"{name} of"] or 1)


def expected(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The truth, a mail each."""
    found: list[dict[str, Any]] = json.loads((folder / "expected.json").read_text("utf-8"))
    return found


def raw(mail: dict[str, Any], folder: Path = FOLDER) -> bytes:
    return (folder / "mails" / mail["file"]).read_bytes()


def half(mail: dict[str, Any]) -> int:
    """0: rules were made on it; 1: they were only judged on it. By the file's name alone."""
    return hashlib.sha256(mail["file"].encode()).digest()[0] % 2


def score(reader: Reader, mails: Iterable[dict[str, Any]], folder: Path = FOLDER) -> Score:
    """The counts over these mails."""
    made = Score()
    for mail in mails:
        told = reader(raw(mail, folder))
        if mail["kind"] in {"bounce", "delay"}:
            _score_bounce(made, mail, told)
        else:
            is_bounce = told.kind in {"bounce", "delay"} or (
                told.kind is None and bool(told.verdicts)
            )
            made.count("other mails not called bounces", right=not is_bounce, of=mail["file"])
    return made


def _score_bounce(made: Score, mail: dict[str, Any], told: Told) -> None:
    file = mail["file"]
    made.count("kind", right=told.kind == mail["kind"], of=file)
    right = set()
    for one in mail["recipients"]:
        names = {one["address"].lower(), one.get("original_address", one["address"]).lower()}
        right |= names
        found = names & told.verdicts.keys()
        made.count("recipients found", right=bool(found), of=file)
        if "gmail" in file or "google" in file or "gsuite" in file:
            made.count("recipients found, Google's", right=bool(found), of=file)
        for name in sorted(found)[:1]:
            _score_verdict(made, mail, one, told.verdicts[name])
    for name in told.verdicts:
        made.count("addresses right", right=name in right, of=file)
    if mail["original_message_id"]:
        same = told.message_id == mail["original_message_id"]
        made.count("original Message-ID", right=same, of=file)


def _score_verdict(
    made: Score, mail: dict[str, Any], one: dict[str, Any], verdict: str | None
) -> None:
    file = f"{mail['file']} {one['reason']} {verdict}"
    made.count("verdict in accept", right=_VERDICTS.get(verdict or "") in one["accept"], of=file)
    if one["accept"] == ["hard"]:
        made.count("dead found", right=verdict == "dead", of=file)
    if verdict == "dead":
        made.count("dead right", right="hard" in one["accept"], of=file)
    if mail["kind"] == "delay":
        made.count("delays not called dead", right=verdict != "dead", of=file)
    elif one["verdict"] == "soft":
        is_block = one["reason"] in SENDERS_FAULT
        made.count("block or not, by reason", right=is_block == (verdict == "block"), of=file)
