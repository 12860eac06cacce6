"""Store: calls the SQL functions, over psycopg or over PostgREST with the supabase client.

A transport is one method. Every SQL function returns a set of JSON objects, so that both transports
give the same results. Every function is repeatable, so that a call can be retried after a lost
response. `outreach.store.postgrest` is imported only where it is used: the supabase client loads
slowly.
"""
