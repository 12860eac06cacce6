-- Whether the web app's address answers, which recipients' programs ask.

create or replace function public.take_canary(
  web_address text,
  fresh_canary text,
  rest_seconds double precision default 0,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The token with which this address is tried; `fresh_canary` becomes it at the first trial. With
-- `rest_seconds` it is none, so no trial, while the last one went well so recently, and where no campaign that
-- has not ended has the header.
declare
  t timestamptz;
begin
  insert into public.web_addresses (address, canary) values (web_address, fresh_canary)
  on conflict (address) do nothing;
  t := coalesce(now, clock_timestamp());
  return query
  select pg_catalog.jsonb_build_object('canary', w.canary)
  from public.web_addresses w
  where w.address = web_address and (
    rest_seconds <= 0
    or (w.answers is not true or w.tried_at is null or w.tried_at < t - rest_seconds * interval '1 second')
      and exists (
        select from public.campaigns c
        where c.list_unsubscribe and c.status in ('draft', 'scheduled', 'running')));
end
$$;

create or replace function public.note_canary(
  web_address text,
  well boolean,
  why text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  update public.web_addresses w
  set tried_at = coalesce(now, clock_timestamp()), answers = well, problem = why
  where w.address = web_address;
  return next pg_catalog.jsonb_build_object('answer', 'noted');
end
$$;

create or replace function public.read_canary(web_address text, now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What the last trial of this address found, and how long ago.
  select pg_catalog.jsonb_build_object(
    'canary', w.canary,
    'answers', w.answers,
    'problem', left(w.problem, 1001),
    'age_seconds', extract(epoch from coalesce(read_canary.now, clock_timestamp()) - w.tried_at)::double precision)
  from public.web_addresses w
  where w.address = read_canary.web_address and w.tried_at is not null;
$$;
