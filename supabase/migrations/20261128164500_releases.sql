-- Which release of the functions is installed, and since when; what stood beside functions in files that
-- are empty now.

create table if not exists public.schema_releases (
  version text primary key,
  -- Of all functions, as `functions_hash` computes it from the catalogue.
  hash text not null,
  -- As regprocedure writes them with an empty search path.
  functions text[] not null,
  -- The oldest release whose workers may go on calling these functions.
  calls_since text not null,
  applied_at timestamptz not null default now()
);

create index if not exists send_attempts_drafts_in_use
  on public.send_attempts (draft_id)
  where draft_id is not null and (outcome is null or outcome = 'not_sent');

alter table public.schema_releases enable row level security;
alter table public.send_attempts enable row level security;
