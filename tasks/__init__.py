"""Thin Prefect tasks, one module a phase: what the flows are composed of."""
