"""Untrusted templates: compiled once, filled within a budget."""
