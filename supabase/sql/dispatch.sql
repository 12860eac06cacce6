-- Which campaigns are to be run now.

create or replace function public.is_due(c public.campaigns, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether a run of it could begin now, and nobody has one in hand.
  select c.status in ('scheduled', 'running')
    and c.paused_at is null
    and (c.lease_until is null or c.lease_until <= t)
    and (c.resume_at is null or c.resume_at <= t)
    and (c.status = 'running' or c.scheduled_at is null or c.scheduled_at < t + interval '2 minutes')
    and (c.dispatched_at is null or c.dispatched_at < t - interval '5 minutes');
$$;

create or replace function public.count_places(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that a run has, or was asked for in the last minutes; and those that are due and have none.
  select pg_catalog.jsonb_build_object(
    'taken', count(*) filter (where c.lease_until > clock.t or c.dispatched_at >= clock.t - interval '5 minutes'),
    'waiting', count(*) filter (where public.is_due(c.*, clock.t)))
  from public.campaigns c
  cross join lateral (select coalesce(count_places.now, clock_timestamp()) as t) clock
  where c.status in ('scheduled', 'running');
$$;

create or replace function public.take_due(
  most integer default 100,
  now timestamptz default null,
  places integer default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Hands out each campaign that is due, once: with a key under which Prefect makes one run and no more, and
-- with the run that owned it before or was to, if that one is dead. Dispatched three times and never begun:
-- it is given up, in error. Of `places`, those that are taken are left out: what is due for longest goes first,
-- the rest waits, which is held against nobody.
declare
  c public.campaigns;
  dead_run text;
  t timestamptz := coalesce(now, clock_timestamp());
  free bigint := places - (select (x ->> 'taken')::bigint from public.count_places(t) x);
begin
  for c in
    select x.* from public.campaigns x
    where public.is_due(x.*, t)
    order by greatest(x.resume_at, x.scheduled_at, x.created_at), x.id
    limit most
    for no key update skip locked
  loop
    -- While `dispatched_at` is set, nobody has begun: the last run listed was made for that dispatch.
    dead_run := case
      when c.dispatched_at is null then c.run_id::text
      else c.flow_run_ids[cardinality(c.flow_run_ids)]
    end;
    if c.dispatch_misses >= 3 then
      perform public.end_in_error(
        c.id,
        'Prefect was asked three times and began no run; see whether a worker is up, then start it again.', t);
      return next pg_catalog.jsonb_build_object(
        'answer', 'given_up', 'id', c.id, 'name', c.name, 'dead_run', dead_run);
    elsif free is null or free > 0 then
      free := free - 1;
      update public.campaigns x
      set
        dispatch_no = c.dispatch_no + 1, dispatch_misses = c.dispatch_misses + 1, dispatched_at = t
      where x.id = c.id;
      return next pg_catalog.jsonb_build_object(
        'answer', 'due', 'id', c.id, 'name', c.name,
        'key', pg_catalog.format('%s:%s', c.id, c.dispatch_no + 1), 'dead_run', dead_run);
    end if;
  end loop;
end
$$;

create or replace function public.note_dispatch(campaign uuid, flow_run text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The run that was made for a dispatch, so that its fate can be asked for.
  update public.campaigns x
  set flow_run_ids = case
    when note_dispatch.flow_run = any (x.flow_run_ids) then x.flow_run_ids
    else x.flow_run_ids || note_dispatch.flow_run
  end
  where x.id = note_dispatch.campaign
  returning pg_catalog.jsonb_build_object('answer', 'noted');
$$;

create or replace function public.list_dispatched(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns whose last dispatch has not begun yet, with the run that was to.
  select pg_catalog.jsonb_build_object('id', c.id, 'flow_run', c.flow_run_ids[cardinality(c.flow_run_ids)])
  from public.campaigns c
  where c.status in ('scheduled', 'running') and c.dispatched_at is not null and cardinality(c.flow_run_ids) > 0
    and c.id > list_dispatched.after
  order by c.id
  limit list_dispatched.most;
$$;

create or replace function public.forget_dispatch(campaign uuid, flow_run text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run ended without beginning: the campaign may be dispatched again at once.
  update public.campaigns x
  set dispatched_at = null
  where x.id = forget_dispatch.campaign and x.flow_run_ids[cardinality(x.flow_run_ids)] = forget_dispatch.flow_run
  returning pg_catalog.jsonb_build_object('answer', 'forgotten');
$$;

create or replace function public.sweep_cancelled(most integer default 5000) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Pending leads of campaigns that a mere update of their row cancelled.
declare
  swept bigint;
begin
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.id in (
    select left_behind.id
    from public.campaigns c
    join public.campaign_leads left_behind
      on left_behind.campaign_id = c.id and left_behind.status = 'pending' and left_behind.open_attempt_id is null
    where c.status = 'cancelled'
    order by left_behind.id
    limit most
    for update of left_behind skip locked
  );
  get diagnostics swept = row_count;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'leads', swept);
end
$$;
