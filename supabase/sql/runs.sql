-- Who runs a campaign: a lease that a run takes first, keeps alive, and gives back with the outcome.

create or replace function public.begin_run(
  campaign uuid,
  run uuid,
  lease_seconds double precision,
  now timestamptz default null,
  release text default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Whether anything is pending: where most rows are, the planner would read the table from its start.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Makes `run` the owner of the campaign, or says why not; `failed` when it found the third owner in a row
-- dead, or an account of another user {reason}, and so ended the campaign. A run that waits for the campaign's
-- time owns it too. Repeated by the owner it renews the lease. `refused`: {installed} these functions are not for a caller of `release`.
declare
  c public.campaigns;
  t timestamptz;
  due timestamptz;
  told text;
  owner_died boolean;
  installed constant jsonb := public.installed_release(release);
begin
  if installed ->> 'state' in ('older', 'unsupported') then
    return next pg_catalog.jsonb_build_object('answer', 'refused', 'installed', installed);
    return;
  end if;
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  t := coalesce(now, clock_timestamp());
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'cancelled') or (c.status = 'error' and not exists (
    select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
  )) then
    return next pg_catalog.jsonb_build_object('answer', 'already_ended', 'status', c.status, 'error', c.error);
    return;
  elsif c.run_id <> run and c.lease_until > t then
    return next pg_catalog.jsonb_build_object('answer', 'already_running', 'status', c.status);
    return;
  elsif (c.paused_at is not null and c.suspended_run is distinct from run)
    or (c.parent_id is not null and public.held_by_root(c) is not null) then
    return next pg_catalog.jsonb_build_object('answer', 'paused', 'status', c.status, 'error', c.error);
    return;
  end if;
  told := public.accounts_of_others(c);
  if told is not null then
    perform public.end_in_error(campaign, told, t);
    return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error', 'reason', told);
    return;
  elsif c.status = 'error' and c.crash_count > 2 and c.flow_run_ids[cardinality(c.flow_run_ids)] = run::text
    and c.finished_at > t - interval '1 minute' then
    -- The answer was lost. Later than that it is a person who starts the same run again.
    return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error');
    return;
  end if;

  if c.suspended_run = run then
    -- A person resumed it in Prefect.
    update public.campaigns x set paused_at = null, suspended_run = null, waiting_for = null where x.id = campaign;
  end if;

  -- An owner whose lease lapsed without a word has died; one that was only waiting held nothing.
  owner_died := coalesce(c.run_id <> run, false) and c.status = 'running' and c.resume_at is null;
  if owner_died then
    perform public.crash_run(campaign, c.run_id, 'the last one vanished without a word', t);
    if c.crash_count >= 2 then
      update public.campaigns x set flow_run_ids = x.flow_run_ids || run::text where x.id = campaign;
      return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error');
      return;
    end if;
  end if;

  due := case
    when c.status = 'scheduled' then greatest(c.scheduled_at, c.resume_at)
    when c.status = 'running' then c.resume_at
  end;
  update public.campaigns x
  set
    run_id = run,
    lease_until = t + lease_seconds * interval '1 second',
    dispatched_at = null,
    dispatch_misses = 0,
    -- A person who starts a campaign again after an error has seen to its cause.
    crash_count = case when c.status = 'error' then 0 else x.crash_count end,
    flow_run_ids = case
      when run::text = any (x.flow_run_ids) then x.flow_run_ids
      else x.flow_run_ids || run::text
    end
  where x.id = campaign;
  if due > t then
    return next pg_catalog.jsonb_build_object(
      'answer', 'wait', 'name', c.name, 'wait_seconds', extract(epoch from due - t)::double precision);
    return;
  end if;

  update public.campaigns x
  set
    status = 'running', started_at = coalesce(x.started_at, t), finished_at = null, error = null,
    resume_at = null, waiting_for = null
  where x.id = campaign;
  if c.run_id is distinct from run then
    perform public.free_claims(campaign);
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'begun', 'name', c.name);
end
$$;

create or replace function public.renew_run(
  campaign uuid,
  run uuid,
  lease_seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Keeps the lease alive; `stopped` when the campaign is no longer this run's to send. A run asks every second or
-- two; the row is written when a quarter of the lease is used up.
begin
  return query
  select pg_catalog.jsonb_build_object('answer', case when x.paused_at is null then 'renewed' else 'paused' end)
  from public.campaigns x
  where x.id = campaign and x.run_id = run and x.status not in ('completed', 'cancelled')
    and x.lease_until > coalesce(now, clock_timestamp()) + 0.75 * lease_seconds * interval '1 second';
  if found then
    return;
  end if;
  return query
  update public.campaigns x
  set lease_until = coalesce(now, clock_timestamp()) + lease_seconds * interval '1 second'
  where x.id = campaign and x.run_id = run and x.status not in ('completed', 'cancelled')
  returning pg_catalog.jsonb_build_object('answer', case when x.paused_at is null then 'renewed' else 'paused' end);
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'stopped');
  end if;
end
$$;

create or replace function public.renew_runs(
  campaigns uuid[],
  runs uuid[],
  lease_seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- renew_run for all runs of a process, an answer each. It waits for no lock, so that one campaign never holds up the
-- others: a row that is locked now is written by the next call, long before its lease ends.
begin
  return query
  with asked as (
    select a.campaign, a.run from unnest(campaigns, runs) a (campaign, run)
  ), due as (
    select x.id from public.campaigns x
    join asked a on a.campaign = x.id and a.run = x.run_id
    where x.status not in ('completed', 'cancelled')
      and x.lease_until <= coalesce(now, clock_timestamp()) + 0.75 * lease_seconds * interval '1 second'
    order by x.id
    for no key update of x skip locked
  ), written as (
    update public.campaigns x
    set lease_until = coalesce(now, clock_timestamp()) + lease_seconds * interval '1 second'
    from due where x.id = due.id
  )
  select pg_catalog.jsonb_build_object(
    'run', a.run,
    'answer', case when x.id is null then 'stopped' when x.paused_at is null then 'renewed' else 'paused' end
  )
  from asked a
  left join public.campaigns x
    on x.id = a.campaign and x.run_id = a.run and x.status not in ('completed', 'cancelled');
end
$$;

create or replace function public.owning_runs(
  runs uuid[],
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Which of these runs own a campaign at this moment.
  select pg_catalog.jsonb_build_object('run', x.run_id)
  from public.campaigns x
  where x.run_id = any (owning_runs.runs) and x.lease_until > coalesce(owning_runs.now, clock_timestamp());
$$;

create or replace function public.free_claims(campaign uuid) returns void
language plpgsql
security invoker
set search_path = ''
-- As for claim_leads: a few claims must not cost a look at all that was sent.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- What the last run claimed and never began is free at once: its token is the fence. So are the times that
-- its accounts held for these leads: the next mail need not wait for what nobody sends. The caller holds
-- the campaign's lock.
declare
  a public.accounts;
  held timestamptz;
  free_at timestamptz;
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  for a in
    select x.* from public.accounts x
    join public.campaign_accounts ca on ca.account_id = x.id and ca.campaign_id = campaign
    order by x.id
    for no key update of x
  loop
    select max(cl.next_attempt_at) into held
    from public.campaign_accounts ca
    join public.campaigns x on x.id = ca.campaign_id and x.run_id is not null
    join public.campaign_leads cl on cl.assigned_account_id = a.id and cl.claim_token is not null
      and (cl.campaign_id, cl.claim_token) >= (x.id, lowest) and (cl.campaign_id, cl.claim_token) <= (x.id, highest)
    where ca.account_id = a.id and ca.campaign_id <> campaign;
    -- The first of its times that no other campaign has one after.
    select min(cl.next_attempt_at) into free_at
    from public.campaign_leads cl
    where cl.assigned_account_id = a.id and cl.claim_token is not null
      and (cl.campaign_id, cl.claim_token) >= (campaign, lowest)
      and (cl.campaign_id, cl.claim_token) <= (campaign, highest)
      and cl.next_attempt_at > coalesce(held, '-infinity');
    update public.accounts x set next_send_at = free_at where x.id = a.id and x.next_send_at > free_at;
  end loop;

  update public.campaign_leads cl
  set claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = campaign and cl.claim_token is not null;
end
$$;

create or replace function public.release_run(campaign uuid, run uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Hands the campaign back, with what was claimed of it: the next run goes on at once. The run owns it, or was
-- made for its dispatch and was told to stop before it began: somebody would have begun it.
begin
  update public.campaigns x
  set run_id = null, lease_until = null, dispatched_at = null, dispatch_misses = 0
  where x.id = campaign and (x.run_id = run or (
    x.run_id is null and x.dispatched_at is not null and x.flow_run_ids[cardinality(x.flow_run_ids)] = run::text));
  if found then
    perform public.free_claims(campaign);
    return next pg_catalog.jsonb_build_object('answer', 'released');
  end if;
end
$$;

create or replace function public.decline_run(campaign uuid, run uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The worker of this run is of a release that may not call ours: a matter between the two, held against
  -- neither the campaign nor its dispatch. Another worker goes on at once.
  update public.campaigns x
  set
    run_id = case when x.run_id = decline_run.run then null else x.run_id end,
    lease_until = case when x.run_id = decline_run.run then null else x.lease_until end,
    dispatched_at = null,
    dispatch_misses = 0
  where x.id = decline_run.campaign
    and (x.run_id = decline_run.run
      or (x.run_id is null and x.flow_run_ids[cardinality(x.flow_run_ids)] = decline_run.run::text))
  returning pg_catalog.jsonb_build_object('answer', 'declined');
$$;

create or replace function public.check_campaign(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- All that can stop the campaign before its first mail.
  select pg_catalog.jsonb_build_object(
    'name', c.name,
    'attachment', c.attachment,
    'list_unsubscribe', c.list_unsubscribe,
    'footer', left(c.footer, 1000001),
    'accounts', (select count(*) from public.campaign_accounts ca
      join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
      where ca.campaign_id = c.id),
    'pace_seconds', (select pg_catalog.jsonb_agg(a.pace_seconds) from public.campaign_accounts ca
      join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
      where ca.campaign_id = c.id),
    'leads', public.campaign_counts(c.id),
    'opens', public.next_opening(c.*, clock_timestamp()) is not null,
    'misassigned', (
      select count(*) from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.status = 'pending' and not exists (
        select from public.campaign_accounts ca
        join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
        where ca.campaign_id = c.id and ca.account_id = cl.assigned_account_id)))
  from public.campaigns c
  where c.id = check_campaign.campaign;
$$;

create or replace function public.finish_run(
  campaign uuid,
  run uuid,
  resume_after double precision default null,
  reason text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Ends the run, and the campaign when nothing of it is left; otherwise it stays running until
-- `resume_after` seconds from now. Decided from all its rows, under its lock.
declare
  c public.campaigns;
  t timestamptz;
  counts jsonb;
  ended_before boolean;
begin
  select x.* into c from public.campaigns x where x.id = campaign for update;
  t := coalesce(now, clock_timestamp());
  if c.run_id = run and c.status = 'cancelled' then
    perform public.cancel_campaign(campaign, t);
  end if;
  counts := public.campaign_counts(campaign);
  -- Nobody owns it since this run ended: it asks again because the answer was lost.
  ended_before := c.run_id is null and run::text = any (c.flow_run_ids)
    and (c.status <> 'running' or c.paused_at is not null or c.resume_at is not null or c.idle);
  if c.id is null or c.status = 'cancelled' or c.run_id <> run or (c.run_id is null and ended_before is not true) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'superseded', 'status', coalesce(c.status::text, 'cancelled'), 'leads', counts);
    return;
  end if;

  if ended_before then
    null;
  elsif (counts ->> 'pending')::bigint > 0 and c.paused_at is not null then
    perform public.release_run(campaign, run);
  elsif (counts ->> 'pending')::bigint > 0 then
    update public.campaigns x
    set
      run_id = null, lease_until = null,
      resume_at = t + greatest(coalesce(resume_after, 60), 60) * interval '1 second',
      waiting_for = coalesce(reason, 'the leads that can only go later')
    where x.id = campaign;
  elsif c.parent_id is not null then
    -- More of its leads may come: plan_steps ends it.
    update public.campaigns x
    set
      run_id = null, lease_until = null, resume_at = null, idle = true, next_follow_at = t,
      waiting_for = 'follow-ups that are due later'
    where x.id = campaign;
  else
    perform public.end_campaign(campaign, t);
  end if;
  return query
    select pg_catalog.jsonb_build_object(
      'answer', case
        when x.status <> 'running' then 'ended'
        when x.paused_at is not null then 'paused'
        else 'deferred'
      end,
      'status', x.status, 'error', x.error, 'leads', counts,
      'resume_seconds', extract(epoch from x.resume_at - t)::double precision,
      'waiting_for', x.waiting_for,
      'suspended', coalesce(x.suspended_run = run, false))
    from public.campaigns x where x.id = campaign;
end
$$;

create or replace function public.end_in_error(campaign uuid, why text, t timestamptz) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Every end in error. Pending leads stay for the next start, once a person has seen to the cause.
  update public.campaigns x
  set
    status = 'error', error = end_in_error.why, finished_at = end_in_error.t,
    run_id = null, lease_until = null, resume_at = null, waiting_for = null, dispatched_at = null
  where x.id = end_in_error.campaign;
$$;

create or replace function public.end_campaign(campaign uuid, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The end, from the rows; the caller holds the campaign's lock and has seen that nothing is pending.
declare
  counts jsonb := public.campaign_counts(campaign);
begin
  if (counts ->> 'sent')::bigint > 0 or (counts ->> 'failed')::bigint = 0 then
    update public.campaigns x
    set
      status = 'completed', error = null, finished_at = t,
      run_id = null, lease_until = null, resume_at = null, waiting_for = null
    where x.id = campaign;
  elsif exists (
    select from public.send_attempts s
    join public.campaign_leads cl on cl.id = s.campaign_lead_id and cl.status = 'failed'
    where s.campaign_id = campaign and s.outcome = 'unclear'
  ) then
    perform public.end_in_error(campaign, 'No delivery could be confirmed', t);
  else
    perform public.end_in_error(campaign, 'All email sends failed', t);
  end if;
end
$$;

create or replace function public.fail_run(
  campaign uuid,
  run uuid,
  reason text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The run failed for a reason that a person has to mend.
begin
  perform from public.campaigns x
  where x.id = campaign and x.run_id = run and x.status in ('draft', 'scheduled', 'running', 'error')
  for no key update;
  if found then
    perform public.end_in_error(campaign, reason, coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  end if;
end
$$;

create or replace function public.crash_run(
  campaign uuid,
  run uuid,
  cause text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The run died or met what may pass: the next one goes on, unless it is the third without progress.
-- One that was only waiting for the campaign's time does not count, and an end stays an end.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if c.run_id is distinct from run then
    return;
  elsif c.status <> 'running' or c.resume_at is not null then
    perform public.release_run(campaign, run);
    return next pg_catalog.jsonb_build_object('answer', 'released');
  elsif c.crash_count >= 2 then
    update public.campaigns x set crash_count = c.crash_count + 1 where x.id = campaign;
    perform public.end_in_error(
      campaign, 'Three runs in a row died without progress: ' || cause, coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  else
    update public.campaigns x
    set
      run_id = null, lease_until = null, crash_count = c.crash_count + 1,
      crashed_at = coalesce(now, clock_timestamp())
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'released');
  end if;
end
$$;

create or replace function public.cancel_run(campaign uuid, run uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- The run was cancelled in Prefect: that cancels the campaign, if this run owns it, or was the last to: it may
-- have given it back in that very moment, or not have begun.
begin
  perform from public.campaigns x
  where x.id = campaign and (x.run_id = run or (
    x.run_id is null and x.status in ('scheduled', 'running')
    and x.flow_run_ids[cardinality(x.flow_run_ids)] = run::text))
  for no key update;
  if found then
    return query select public.cancel_campaign(campaign);
  end if;
end
$$;
