"""A local Gmail on loopback, for demos and tests; it records every mail that was really sent.

It behaves as Google documents Gmail, and fails in each way that Gmail is known to fail.
"""

from gmail_sandbox.server import Sandbox, run, serve

__all__ = ["Sandbox", "run", "serve"]
