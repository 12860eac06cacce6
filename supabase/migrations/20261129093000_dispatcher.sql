-- The workers' dispatchers: which one has the round of the minute, and the notification that wakes them.

create table if not exists public.dispatchers (
  id uuid primary key,
  name text not null,
  woken_by text not null,
  seen_at timestamptz not null,
  -- Set for the one that leads.
  lease_until timestamptz
);
create unique index if not exists dispatchers_one_leads on public.dispatchers ((true)) where lease_until is not null;
alter table public.dispatchers enable row level security;

-- The run that was made for the dispatch of `dispatched_at`; null while it is being made.
alter table public.campaigns add column if not exists dispatched_run text;
-- Of the last run that died, or met what may pass.
alter table public.campaigns add column if not exists crashed_at timestamptz;
