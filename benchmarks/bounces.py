"""`make bounces`: our reading of a folder of bounces, with flufl.bounce beside it, same run."""

import sys
from collections.abc import Callable, Sequence
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, version
from time import process_time
from typing import Any

from benchmarks.bounce_score import FOLDER, Reader, Score, Told, expected, half, raw, score
from outreach.inbound.classify import classify, read
from outreach.inbound.message import parse

TARGETS = {
    "kind": None,
    "recipients found": 96,
    "recipients found, Google's": 100,
    "addresses right": 98,
    "verdict in accept": 95,
    "dead found": 88,
    "dead right": 95,
    "block or not, by reason": None,
    "original Message-ID": 95,
    "delays not called dead": 100,
    "other mails not called bounces": 100,
}
"""Per cent, of what `benchmarks.bounce_score` counts."""
MAILS = 10_000
MISSING = "not installed"

Step = Callable[[Any], Any]


def ours(content: bytes) -> Told:
    """Our reading."""
    found = classify(content)
    verdicts: dict[str, str | None] = {one.address.lower(): one.verdict for one in found.recipients}
    return Told(found.kind, verdicts, found.original_message_id)


def flufl() -> Reader | None:
    """flufl.bounce's reading: addresses that failed for good, or may pass; None: not installed."""
    try:
        from flufl.bounce import all_failures  # noqa: PLC0415
    except ImportError:
        return None

    def reader(content: bytes) -> Told:
        try:
            passing, lasting = all_failures(message_from_bytes(content))
        except Exception:  # noqa: BLE001 - some of its detectors fail on a mail without From
            return Told(None, {}, None)
        verdicts: dict[str, str | None] = {_address(one): "soft" for one in passing}
        verdicts |= {_address(one): "dead" for one in lasting}
        return Told(None, verdicts, None)

    return reader


def _address(found: bytes) -> str:
    return found.decode("utf-8", "replace").lower()


def main() -> int:
    """Print both tables; 1 when a target is missed."""
    if not FOLDER.exists():
        print(f"There is no folder {FOLDER}: nothing to read.")
        return 0
    mails = expected()
    peer = flufl()
    made = [mail for mail in mails if half(mail) == 0]
    judged = [mail for mail in mails if half(mail) == 1]
    columns = [score(ours, made), score(ours, judged), score(ours, mails)]
    beside = score(peer, mails) if peer else None
    _print_scores(columns, beside)
    if "--misread" in sys.argv:
        for name, file in columns[2].misread:
            print(f"{name}: {file}")
    _print_times([raw(mail) for mail in mails])
    return int(any(columns[2].share(name) < least for name, least in TARGETS.items() if least))


def _print_scores(columns: Sequence[Score], beside: Score | None) -> None:
    peer = f"flufl.bounce {_version()}"
    print(f"| per cent | target | rules made on | judged on | all | {peer} |")
    print("|---|---|---|---|---|---|")
    for name, least in TARGETS.items():
        cells = [_cell(one, name) for one in columns]
        cells.append((_cell(beside, name) if beside else MISSING) if name not in _NOT_FLUFL else "")
        print(f"| {name} | {f'≥ {least}' if least else ''} | {' | '.join(cells)} |")


_NOT_FLUFL = frozenset({"kind", "original Message-ID", "block or not, by reason"})
"""flufl.bounce does not say."""


def _cell(made: Score, name: str) -> str:
    return f"{made.share(name):.1f} ({made.counts[name]}/{made.counts[f'{name} of']})"


def _version() -> str:
    try:
        return version("flufl.bounce")
    except PackageNotFoundError:
        return f"({MISSING})"


def _print_times(mails: Sequence[bytes]) -> None:
    """Milliseconds of CPU a mail: both read the folder in turn, until 10,000 mails are read."""
    readers: dict[str, tuple[Step, Step]] = {"ours": (parse, lambda mail: mail and read(mail))}
    try:
        from flufl.bounce import scan_message  # noqa: PLC0415
    except ImportError:
        pass
    else:
        readers["flufl.bounce"] = (message_from_bytes, scan_message)
    rounds = -(-MAILS // len(mails))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, steps in readers.items():
            times[name].append(_round(mails, *steps))
    print(f"\n| CPU, ms a mail, {rounds * len(mails):,} mails | parse | read | both |")
    print("|---|---|---|---|")
    for name, found in times.items():
        parsing, reading = (
            1e3 * sum(one) / rounds / len(mails) for one in zip(*found, strict=True)
        )
        print(f"| {name} | {parsing:.3f} | {reading:.3f} | {parsing + reading:.3f} |")


def _round(mails: Sequence[bytes], parsed: Step, scan: Step) -> tuple[float, float]:
    began = process_time()
    messages = [parsed(mail) for mail in mails]
    between = process_time()
    for message in messages:
        scan(message)
    return between - began, process_time() - between


if __name__ == "__main__":
    sys.exit(main())
