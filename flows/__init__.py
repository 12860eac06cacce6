"""Flows: what happens to a campaign, readable from top to bottom."""
