"""The `outreach` command. Others script against it: docs and `--json` shapes are a contract."""

from outreach.cli.app import main

__all__ = ["main"]
