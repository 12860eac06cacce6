"""How a SQL function is called: over psycopg, or over PostgREST with the supabase client.

A transport is one method. Every SQL function returns a set of JSON objects, so that both
transports answer alike, and is repeatable, so that a call whose answer was lost is made again.
`outreach.store.postgrest` is imported by who uses it: the supabase client takes a while.
"""
