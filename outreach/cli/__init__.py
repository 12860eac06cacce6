"""The `outreach` command. Scripts depend on it: its docs and `--json` shapes are a contract."""
