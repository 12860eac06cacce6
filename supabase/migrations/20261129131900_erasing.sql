-- Persons who asked to be erased while a mail to them was on its way: they are erased after its outcome.

create table if not exists public.erasures (
  key text collate "C" primary key constraint erasures_key_bounded check (length(key) <= 320),
  by_name text not null constraint erasures_name_bounded check (length(by_name) <= 200),
  asked_at timestamptz not null default clock_timestamp()
);

-- Supabase lets its public roles at every new table. lock_down() gives the service role its rights.
alter table public.erasures enable row level security;
do $$
declare
  r name;
begin
  revoke all on public.erasures from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on public.erasures from %I', r);
  end loop;
end
$$;
