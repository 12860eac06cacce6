-- How a campaign's mails let their recipients unsubscribe, and whether the web app answers for that. Rows of
-- the web app have mails without the header and without a footer, as before.

alter table public.campaigns
add column if not exists list_unsubscribe boolean not null default false,
add column if not exists footer text,
add column if not exists footer_required boolean not null default false;

-- One row for each APP_URL: the token of its trial, and what the last trial found.
create table if not exists public.web_addresses (
  address text primary key,
  canary text not null unique,
  tried_at timestamptz,
  answers boolean,
  problem text
);

-- Supabase lets its public roles at every new table. lock_down() gives the service role its rights.
alter table public.web_addresses enable row level security;
do $$
declare
  r name;
begin
  revoke all on public.web_addresses from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on public.web_addresses from %I', r);
  end loop;
end
$$;
