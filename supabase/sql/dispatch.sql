-- Which campaigns are to be run now.

create or replace function public.due_at(c public.campaigns) returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When a run of it may begin that nobody has in hand then: a run waits for a near time by itself.
  -- Within the years that can be reckoned with, whatever a row holds.
  select least(
    greatest(
      c.lease_until,
      c.resume_at,
      case when c.dispatched_at < '9999-01-01' then c.dispatched_at + interval '5 minutes' end,
      case when c.status = 'scheduled' then greatest(c.scheduled_at, '1970-01-01') - interval '2 minutes' end,
      '-infinity'),
    '9999-01-01');
$$;

create or replace function public.is_due(c public.campaigns, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether a run of it could begin now, and nobody has one in hand.
  select c.status in ('scheduled', 'running') and c.paused_at is null and not c.idle and public.due_at(c) <= t
    and (c.parent_id is null or public.held_by_root(c) is null);
$$;

create or replace function public.next_due(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Seconds until the next campaign is due: 0 when one is, null when none ever will be by itself.
  select pg_catalog.jsonb_build_object(
    'seconds', case when waiting.due is not null then extract(epoch from greatest(waiting.due, clock.t) - clock.t) end)
  from (select coalesce(next_due.now, clock_timestamp()) as t) clock
  cross join (
    select min(public.due_at(c.*)) as due
    from public.campaigns c
    where c.status in ('scheduled', 'running') and c.paused_at is null and not c.idle
      and (c.parent_id is null or public.held_by_root(c.*) is null)
  ) waiting;
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
  where c.status in ('scheduled', 'running') and not c.idle;
$$;

create or replace function public.take_due(
  most integer default 100,
  now timestamptz default null,
  places integer default null,
  rest_seconds double precision default 0
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Hands out each campaign that is due, once: with a key under which Prefect makes one run and no more, and
-- with the run that owned it before or was to, if that one is dead. Dispatched three times and never begun:
-- it is given up, in error. After a death it rests for `rest_seconds`, after the next for twice that. Of `places`, those that are taken are left out: what is due for longest goes first,
-- the rest waits, which is held against nobody.
declare
  c public.campaigns;
  dead_run text;
  dispatch integer;
  t timestamptz := coalesce(now, clock_timestamp());
  free bigint;
begin
  if places is not null then
    -- One at a time, and counted after that: two that count the same free place would both give it away.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('outreach places', 0));
    select places - (x ->> 'taken')::bigint into free from public.count_places(t) x;
  end if;
  for c in
    select x.* from public.campaigns x
    where x.status in ('scheduled', 'running') and not x.idle and public.is_due(x.*, t)
      and (x.crashed_at is null or x.crashed_at <= t - rest_seconds * x.crash_count * interval '1 second')
    order by greatest(x.resume_at, x.scheduled_at, x.created_at), x.id
    limit most
    for no key update skip locked
  loop
    -- While `dispatched_at` is set, nobody has begun the run that was made for it.
    dead_run := case
      when c.dispatched_at is null then c.run_id::text
      else c.dispatched_run
    end;
    if c.dispatch_misses >= 3 then
      perform public.end_in_error(
        c.id,
        'Prefect was asked three times and began no run; see whether a worker is up, then start it again.', t);
      return next pg_catalog.jsonb_build_object(
        'answer', 'given_up', 'id', c.id, 'name', c.name, 'dead_run', dead_run);
    elsif free is null or free > 0 then
      free := free - 1;
      dispatch := c.dispatch_no % 1000000000 + 1;
      update public.campaigns x
      set
        dispatch_no = dispatch, dispatch_misses = c.dispatch_misses + 1, dispatched_at = t,
        dispatched_run = null
      where x.id = c.id;
      return next pg_catalog.jsonb_build_object(
        'answer', 'due', 'id', c.id, 'name', c.name,
        -- With the time: where the database was restored to an earlier one, Prefect knows the numbers already.
        'key', pg_catalog.format('%s:%s:%s', c.id, dispatch, round(extract(epoch from t) * 1000)),
        'dead_run', dead_run);
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
  end,
  dispatched_run = note_dispatch.flow_run
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
  select pg_catalog.jsonb_build_object('id', c.id, 'flow_run', c.dispatched_run)
  from public.campaigns c
  where c.status in ('scheduled', 'running') and c.dispatched_at is not null and c.dispatched_run is not null
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
  where x.id = forget_dispatch.campaign and x.dispatched_run = forget_dispatch.flow_run
  returning pg_catalog.jsonb_build_object('answer', 'forgotten');
$$;

create or replace function public.prolong_dispatch(
  campaign uuid,
  flow_run text,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run waits for a place in Prefect, which a person has closed or which others hold: nobody missed it. Whoever asks
  -- for a run counts one: 0 tells that it waits.
  update public.campaigns x
  set dispatched_at = coalesce(prolong_dispatch.now, clock_timestamp()), dispatch_misses = 0
  where x.id = prolong_dispatch.campaign and x.dispatched_run = prolong_dispatch.flow_run
    and x.dispatched_at is not null
  returning pg_catalog.jsonb_build_object('answer', 'prolonged');
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
    -- Campaign by campaign: in one order, the planner would walk through all leads that there are.
    select left_behind.id
    from public.campaigns c
    cross join lateral (
      select x.id
      from public.campaign_leads x
      where x.campaign_id = c.id and x.status = 'pending' and x.open_attempt_id is null
      limit most
      for update skip locked
    ) left_behind
    where c.status = 'cancelled'
    limit most
  );
  get diagnostics swept = row_count;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'leads', swept);
end
$$;

create or replace function public.lead_dispatch(
  dispatcher uuid,
  name text,
  woken_by text,
  seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Notes that this worker's dispatcher lives, and makes it the one that leads for `seconds` unless another one does.
declare
  t timestamptz := coalesce(now, clock_timestamp());
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('outreach dispatchers', 0));
  delete from public.dispatchers d where d.seen_at < t - interval '1 hour';
  update public.dispatchers d set lease_until = null where d.lease_until <= t;
  insert into public.dispatchers as d (id, name, woken_by, seen_at)
  values (dispatcher, left(name, 200), left(woken_by, 200), t)
  on conflict (id) do update
  set name = excluded.name, woken_by = excluded.woken_by, seen_at = excluded.seen_at;
  update public.dispatchers d
  set lease_until = t + seconds * interval '1 second'
  where d.id = dispatcher
    and not exists (select from public.dispatchers other where other.id <> dispatcher and other.lease_until > t);
  return next pg_catalog.jsonb_build_object('answer', case when found then 'leads' else 'follows' end);
end
$$;

create or replace function public.probe_dispatcher(probe uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Notifies one dispatcher, which proves thereby that notifications of other sessions reach it.
  select pg_catalog.jsonb_build_object('answer', 'notified')
  from (select pg_catalog.pg_notify('outreach_probe_' || probe_dispatcher.probe, '')) told;
$$;

create or replace function public.leave_dispatch(dispatcher uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its worker ends: another one may lead at once.
  delete from public.dispatchers d where d.id = leave_dispatch.dispatcher
  returning pg_catalog.jsonb_build_object('answer', 'left');
$$;

create or replace function public.dispatcher_state(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The dispatchers of the last two minutes, and whether the rows of campaigns wake them.
  select pg_catalog.jsonb_build_object(
    'dispatchers', coalesce(pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'name', d.name, 'woken_by', d.woken_by, 'seen_seconds', extract(epoch from clock.t - d.seen_at),
        'leads', coalesce(d.lease_until > clock.t, false))
      order by d.seen_at desc) filter (where d.id is not null), '[]'),
    'rows_tell', exists (
      select from pg_catalog.pg_trigger g
      where g.tgrelid = 'public.campaigns'::pg_catalog.regclass and g.tgname = 'outreach_due' and g.tgenabled <> 'D'))
  from (select coalesce(dispatcher_state.now, clock_timestamp()) as t) clock
  left join public.dispatchers d on d.seen_at > clock.t - interval '2 minutes'
  group by clock.t;
$$;

create or replace function public.tell_dispatchers() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
-- The condition is here: in the trigger it would keep a web app from changing the type of a column that it names.
begin
  if new.status::text in ('scheduled', 'running') and new.paused_at is null and new.lease_until is null then
    perform pg_catalog.pg_notify('outreach_due', '');
  end if;
  return null;
end
$$;

create or replace trigger outreach_due
after insert or update on public.campaigns
for each row execute function public.tell_dispatchers();
