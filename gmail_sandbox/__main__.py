"""`python -m gmail_sandbox --port N [--data DIR]`."""

import argparse
import sys
from pathlib import Path

from gmail_sandbox.server import run
from outreach.errors import ConfigurationError


def main() -> None:
    parser = argparse.ArgumentParser(prog="gmail_sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8025, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="a folder that keeps the mails")
    arguments = parser.parse_args()
    try:
        run(arguments.port, arguments.data)
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
