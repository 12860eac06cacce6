-- A campaign whose run was suspended in Prefect is paused until that run is resumed there.

create or replace function public.suspend_run(campaign uuid, run uuid, now timestamptz default null)
returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Pauses the campaign for its run, unless another has it. A live run still owns it, and gives it back as it
-- ends; from a dead one it is taken, which counts as no death. A person's own pause stays that person's.
declare
  t timestamptz := coalesce(now, clock_timestamp());
begin
  update public.campaigns x
  set
    suspended_run = case when x.paused_at is null then run else x.suspended_run end,
    waiting_for = case when x.paused_at is null then 'its run to be resumed in Prefect' else x.waiting_for end,
    paused_at = coalesce(x.paused_at, t),
    dispatched_at = null,
    dispatch_misses = 0,
    run_id = case when x.lease_until > t then x.run_id end,
    lease_until = case when x.lease_until > t then x.lease_until end
  where x.id = campaign and x.status in ('scheduled', 'running')
    and (x.run_id = run or x.lease_until is null or x.lease_until <= t);
  if found then
    return next pg_catalog.jsonb_build_object('answer', 'suspended');
  end if;
end
$$;

create or replace function public.list_suspended(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that a suspended run holds; or held, until a person resumed or ended them here.
  select pg_catalog.jsonb_build_object(
    'id', c.id, 'flow_run', c.suspended_run,
    'held', c.paused_at is not null and c.status in ('scheduled', 'running'))
  from public.campaigns c
  where c.suspended_run is not null and c.id > list_suspended.after
  order by c.id
  limit list_suspended.most;
$$;

create or replace function public.forget_suspension(campaign uuid, run uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run cannot be resumed any more. What is paused stays paused, until a person resumes it here.
  update public.campaigns x
  set
    suspended_run = null,
    waiting_for = case when x.paused_at is null then x.waiting_for else 'a person to resume it' end
  where x.id = forget_suspension.campaign and x.suspended_run = forget_suspension.run
  returning pg_catalog.jsonb_build_object('answer', 'forgotten');
$$;
