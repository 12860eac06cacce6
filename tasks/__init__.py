"""Thin Prefect tasks, one module per phase; the flows are composed of them."""
