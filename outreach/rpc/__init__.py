"""How a SQL function is called: over psycopg, or over PostgREST with the supabase client.

A transport is one method. Every SQL function returns a set of JSON objects, so that both
transports answer alike, and is repeatable, so that a call whose answer was lost is made again.
`outreach.rpc.postgrest` is imported by who uses it: the supabase client takes a while.
"""

from outreach.rpc.failures import CallRefused
from outreach.rpc.postgres import Postgres

__all__ = ["CallRefused", "Postgres"]
