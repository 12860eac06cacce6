"""Metrics for operators, in the form of Prometheus.

No label holds an address, a name or an id: each has a few known values.
"""
