"""Provisioning and processes as code."""
