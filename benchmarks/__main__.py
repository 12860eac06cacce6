"""`make bench`: everything, one after the other, and one table. `ONLY=pace,start` chooses."""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.table import Line, machine, shown

ALL = (
    "memory",
    "size",
    "suppressed",
    "reports",
    "machines",
    "many",
    "mailboxes",
    "unsubscribes",
    "opens",
    "recording",
    "fresh",
    "idle",
    "start",
    "pace",
    "ceiling",
    "where",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default=",".join(ALL), help=f"some of {', '.join(ALL)}")
    parser.add_argument("--quick", action="store_true", help="few leads: does it run at all?")
    parser.add_argument("--out", type=Path, help="a file for the table as well")
    chosen = parser.parse_args()
    names = [name for name in chosen.only.split(",") if name]
    if unknown := set(names) - set(ALL):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    lines: list[Line] = []
    for name in names:
        began = time.monotonic()
        for line in import_module(f"benchmarks.{name}").run(quick=chosen.quick):
            lines.append(line)
            print(f"  {line.what}: {line.measured}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    table = f"{shown(lines)}\n\n{machine()}"
    print(table)
    if chosen.out:
        chosen.out.write_text(table + "\n")


if __name__ == "__main__":
    main()
