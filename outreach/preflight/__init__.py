"""Preflight checks: finds faults of a campaign and its mails before anything leaves."""
