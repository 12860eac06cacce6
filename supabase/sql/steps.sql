-- Follow-ups. A step is a campaign whose `parent_id` is the first of its chain; its leads are planned shortly before
-- they are due, from those that the step before was sent to. `campaign_leads.previous_id` is unique: once a step.
--
-- Locks: the first campaign, its steps by number, accounts, leads.

create or replace function public.guard_step() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Rows of a web app make steps, too.
begin
  if exists (select from public.campaigns x where x.id = new.parent_id and x.parent_id is not null) then
    raise exception 'A follow-up names the first campaign of its chain as its parent, not another follow-up.'
      using errcode = 'check_violation';
  end if;
  -- Not where the owner alone changes: all of a chain may, one row after the other.
  if (tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id)
    and exists (select from public.campaigns x where x.id = new.parent_id and x.user_id <> new.user_id) then
    raise exception 'A follow-up belongs to the owner of the campaign that it follows.'
      using errcode = 'check_violation';
  end if;
  if exists (select from public.campaigns x where x.parent_id = new.id) then
    raise exception 'A campaign that has follow-ups cannot become one.' using errcode = 'check_violation';
  end if;
  if tg_op = 'INSERT' then
    new.idle := true;
  elsif (new.delay_days, new.delay_seconds, new.follow_since)
    is distinct from (old.delay_days, old.delay_seconds, old.follow_since) then
    new.next_follow_at := null;
  end if;
  return new;
end
$$;

create or replace trigger campaigns_guard_step
  before insert or update of parent_id, delay_days, delay_seconds, follow_since on public.campaigns
  for each row when (new.parent_id is not null) execute function public.guard_step();

create or replace function public.step_before(s public.campaigns) returns uuid
language sql
stable
security invoker
set search_path = ''
as $$
  -- The campaign that this step follows; null: it is gone.
  select case
    when s.step = 2 then s.parent_id
    else (select x.id from public.campaigns x where x.parent_id = s.parent_id and x.step = s.step - 1)
  end;
$$;

create or replace function public.held_by_root(s public.campaigns) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- What the chain's first campaign does to a step: cancelled or paused; null: nothing. Read, not copied: a web app
  -- changes the row that it knows.
  select case when r.status = 'cancelled' then 'cancelled' when r.paused_at is not null then 'paused' end
  from public.campaigns r
  where r.id = s.parent_id;
$$;

create or replace function public.most_late(s public.campaigns) returns double precision
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Seconds; a row of a web app may hold more than any time can take.
  select least(s.max_late_seconds, 1e9);
$$;

create or replace function public.follow_due(s public.campaigns, sent_at timestamptz) returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- When the step is due for a lead that the step before was sent to at that time.
declare
  zone constant text := coalesce(s.time_zone, 'UTC');
begin
  if s.delay_seconds is not null then
    return sent_at + s.delay_seconds * interval '1 second';
  end if;
  return ((sent_at at time zone zone) + s.delay_days * interval '1 day') at time zone zone;
exception
  when invalid_parameter_value then
    return sent_at + s.delay_days * interval '24 hours'; -- no such time zone, so no change of its clocks
end
$$;

create or replace function public.add_step(
  root uuid,
  step_id uuid,
  after_days integer default null,
  after_seconds double precision default null,
  step_name text default null,
  subject text default null,
  template text default null,
  attachment_name text default '',
  late_seconds double precision default 604800,
  since timestamptz default null,
  company_stops boolean default false,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Adds the next step to a chain. Repeated with the same id it answers the same.
--   created: {id, step, due} how many leads are due at once     not_found     rejected: {reason}
declare
  c public.campaigns;
  s public.campaigns;
  t timestamptz;
begin
  select x.* into c from public.campaigns x where x.id = root for no key update;
  t := coalesce(now, clock_timestamp());
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.parent_id is not null then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'This is step %s of another campaign; give that one: %s.', c.step, c.parent_id));
    return;
  elsif c.status = 'cancelled' then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason',
      'The campaign is cancelled; nobody of it is mailed any more.');
    return;
  end if;
  select x.* into s from public.campaigns x where x.id = step_id;
  if not found then
    perform public.leave_foreign_steps(root);
    insert into public.campaigns
    select (pg_catalog.jsonb_populate_record(c, pg_catalog.jsonb_build_object(
      'id', step_id, 'parent_id', root,
      'step', coalesce((select max(x.step) from public.campaigns x where x.parent_id = root), 1) + 1,
      'name', coalesce(step_name, c.name), 'created_at', t,
      'status', case when c.status = 'draft' then 'draft' else 'scheduled' end,
      'delay_days', after_days, 'delay_seconds', after_seconds, 'max_late_seconds', late_seconds,
      'follow_since', since, 'stop_on_company_reply', company_stops, 'step_subject', subject,
      'step_template', template, 'attachment', attachment_name, 'next_follow_at', null, 'idle', true,
      'subject_variables', coalesce(subject ~ '\{', c.subject_variables),
      'scheduled_at', null, 'error', null, 'flow_run_ids', '{}'::text[], 'started_at', null, 'finished_at', null,
      'resume_at', null, 'waiting_for', null, 'run_id', null, 'lease_until', null, 'crash_count', 0,
      'crashed_at', null, 'dispatch_no', 0, 'dispatched_at', null, 'dispatched_run', null, 'dispatch_misses', 0,
      'paused_at', null, 'suspended_run', null, 'guarded_from', null, 'guarded_dead', 0))).*
    returning * into s;
    insert into public.campaign_accounts (campaign_id, account_id)
    select step_id, ca.account_id from public.campaign_accounts ca where ca.campaign_id = root;
  end if;
  return next pg_catalog.jsonb_build_object(
    'answer', 'created', 'id', s.id, 'step', s.step, 'due', (
      select count(*)
      from public.campaign_leads cl
      where cl.campaign_id = public.step_before(s) and cl.status = 'sent' and cl.followed_at is null
        and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')
        and public.follow_due(s, cl.sent_at) <= t));
end
$$;

create or replace function public.leave_foreign_steps(root uuid) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Row-level security hides another user's campaign from guard_step: such a row can name it, and would take a step's
  -- number. A step that has followed somebody was the owner's own.
  update public.campaigns x
  set
    parent_id = null, step = null, next_follow_at = null, idle = false, status = 'cancelled',
    error = 'A follow-up belongs to the owner of the campaign that it follows.'
  from public.campaigns r
  where r.id = leave_foreign_steps.root and x.parent_id = r.id and x.user_id <> r.user_id
    and not exists (
      select from public.campaign_leads cl where cl.campaign_id = x.id and cl.previous_id is not null);
$$;

create or replace function public.remove_step(step_id uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Takes a step away that mailed nobody and that no other step follows. Its leads can be followed anew.
declare
  s public.campaigns;
begin
  select x.* into s from public.campaigns x where x.id = step_id;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif s.parent_id is null then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'This is no follow-up; `campaigns cancel` ends a campaign.');
    return;
  end if;
  perform from public.campaigns x where x.id = s.parent_id for no key update;
  perform from public.campaigns x where x.id = s.id for update;
  if exists (select from public.campaigns x where x.parent_id = s.parent_id and x.step > s.step) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'Another follow-up comes after this one; remove that one first.');
    return;
  elsif exists (
    select from public.send_attempts a
    join public.campaign_leads cl on cl.id = a.campaign_lead_id
    where cl.campaign_id = s.id
  ) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'It has mailed somebody already; `campaigns cancel` ends it.');
    return;
  end if;
  update public.campaign_leads p
  set followed_at = null
  from public.campaign_leads cl
  where cl.campaign_id = s.id and p.id = cl.previous_id;
  delete from public.campaigns x where x.id = s.id;
  return next pg_catalog.jsonb_build_object('answer', 'removed');
end
$$;

create or replace function public.followed_mails(lead uuid, s public.campaigns) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The mails of the chain that this lead, campaign_leads.id, has got, the last one first. `in_thread`: the mail of
  -- this step belongs into the thread of that one.
  select pg_catalog.jsonb_build_object(
    'in_thread', s.step_subject is null,
    'mails', coalesce(pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object('message_id', cl.message_id, 'thread_id', cl.thread_id)
      order by cl.sent_at desc) filter (where cl.status = 'sent'), '[]'))
  from public.campaign_leads cl
  where cl.id = any (public.chain_of(followed_mails.lead)) and cl.id <> followed_mails.lead;
$$;

-- --- why a lead is not followed -------------------------------------------------------------------

create or replace function public.chain_of(lead uuid) returns uuid[]
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- campaign_leads.id of this lead in each step before, and itself.
  with recursive chain (id, previous_id, steps) as (
    select cl.id, cl.previous_id, 1 from public.campaign_leads cl where cl.id = chain_of.lead
    union all
    select cl.id, cl.previous_id, chain.steps + 1
    from chain
    join public.campaign_leads cl on cl.id = chain.previous_id
    where chain.steps < 60
  )
  select pg_catalog.array_agg(chain.id) from chain;
$$;

create or replace function public.why_not_followed(
  s public.campaigns,
  previous uuid,
  t timestamptz
) returns text
language plpgsql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Why a lead of the step before, campaign_leads.id, gets no mail of this step; null: it does. Who is away waits.
declare
  p public.campaign_leads;
  l public.leads;
  was_to text;
  back record;
  due timestamptz;
begin
  select x.* into p from public.campaign_leads x where x.id = previous;
  if not found then
    return 'the mail that it follows was deleted';
  end if;
  select x.* into l from public.leads x where x.id = p.lead_id;
  if not found then
    return 'the lead was deleted';
  end if;
  select x.address into was_to
  from public.send_attempts x
  where x.campaign_lead_id = p.id and x.outcome = 'sent'
  order by x.started_at desc
  limit 1;
  if was_to is null then
    return 'another sender mailed it, and to which address is not known';
  elsif lower(was_to) <> public.mailbox_key(l.email) then
    return 'its address was changed';
  end if;
  select i.kind, i.received_at into back
  from public.inbound_mails m
  join public.inbound i on i.id = m.inbound_id
  where m.campaign_lead_id = any (public.chain_of(p.id))
    and (i.kind in ('reply', 'unreadable', 'unsubscribe', 'complaint') or (i.kind = 'bounce' and m.verdict in ('dead', 'none')))
  order by i.received_at
  limit 1;
  if found then
    return case back.kind
        when 'reply' then 'answered on '
        when 'bounce' then 'bounced on '
        when 'unreadable' then 'a mail in its thread could not be read on '
        else 'opted out on '
      end || pg_catalog.to_char(back.received_at at time zone 'UTC', 'YYYY-MM-DD');
  end if;
  if s.stop_on_company_reply and l.company_id is not null and exists (
    select from public.leads colleague
    join public.campaign_leads cl on cl.lead_id = colleague.id
    join public.campaigns c on c.id = cl.campaign_id and s.parent_id in (c.id, c.parent_id)
    join public.inbound_mails m on m.campaign_lead_id = cl.id
    join public.inbound i on i.id = m.inbound_id and i.kind = 'reply'
    where colleague.company_id = l.company_id
  ) then
    return 'somebody of its company answered';
  end if;
  due := greatest(
    public.follow_due(s, p.sent_at), s.created_at,
    (
      select max(x.until)
      from public.absences x
      where x.key = public.mailbox_key(l.email) and (x.user_id <> s.user_id) is not true));
  if t > due + public.most_late(s) * interval '1 second' then
    return pg_catalog.format('it was due on %s, too long ago',
      pg_catalog.to_char(due at time zone 'UTC', 'YYYY-MM-DD'));
  end if;
  return null;
end
$$;

-- --- planning -------------------------------------------------------------------------------------

create or replace function public.plan_steps(
  most integer default 1000,
  ahead_seconds double precision default 900,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Plans leads of steps that are due within ahead_seconds, at most so many; ends and re-opens steps.
--   planned: {leads, stopped, steps} nothing is left when all are 0
declare
  t timestamptz := coalesce(now, clock_timestamp());
  r public.campaigns;
  s public.campaigns;
  found_step record;
  done record;
  planned bigint := 0;
  stopped bigint := 0;
  steps bigint := 0;
begin
  for found_step in
    select x.id, x.parent_id
    from public.campaigns x
    where x.parent_id is not null and (x.next_follow_at is null or x.next_follow_at <= t)
    order by x.next_follow_at nulls first, x.id
    limit 200
  loop
    exit when planned + stopped >= most;
    -- Whoever holds the chain's first campaign acts on it at this moment: the next round does.
    select x.* into r from public.campaigns x where x.id = found_step.parent_id for no key update skip locked;
    continue when not found;
    select x.* into s from public.campaigns x where x.id = found_step.id for no key update skip locked;
    continue when not found;
    begin
      select * into done from public.plan_step(r, s, most - (planned + stopped)::integer, ahead_seconds, t);
      planned := planned + done.planned;
      stopped := stopped + done.stopped;
      steps := steps + 1;
    exception
      when data_exception then
        -- A value that no web app should write, such as a time beyond all calendars, holds up this step alone.
        update public.campaigns x
        set next_follow_at = t + interval '1 hour', waiting_for = left('a value that can be read: ' || sqlerrm, 1000)
        where x.id = s.id;
    end;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'planned', 'leads', planned, 'stopped', stopped, 'steps', steps);
end
$$;

create or replace function public.plan_step(
  r public.campaigns,
  s public.campaigns,
  most integer,
  ahead_seconds double precision,
  t timestamptz,
  out planned bigint,
  out stopped bigint
)
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- One step; the caller holds the locks of both campaigns.
declare
  previous constant uuid := public.step_before(s);
  since constant timestamptz := coalesce(s.follow_since, s.created_at - interval '30 days');
  -- Days are as long as their clock changes make them.
  latest constant timestamptz := t + ahead_seconds * interval '1 second'
    - coalesce(s.delay_seconds * interval '1 second', s.delay_days * interval '24 hours' - interval '3 hours');
  -- Surely not overdue before.
  plain_seconds constant double precision :=
    coalesce(s.delay_seconds, s.delay_days * 86400.0 - 10800) + public.most_late(s);
  -- In error with nobody left: only what comes now can make it go on. With leads left, a person resumes it.
  may_reopen constant boolean := s.status = 'completed' or s.status = 'error' and not exists (
    select from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending');
  first_due timestamptz;
  oldest timestamptz;
  able uuid[];
begin
  planned := 0;
  stopped := 0;
  if s.user_id <> r.user_id then
    -- Another user's row, or the owner changes at this moment, one row after the other.
    update public.campaigns x set next_follow_at = t + interval '1 minute' where x.id = s.id;
    return;
  elsif s.status = 'cancelled' or r.status = 'cancelled' or previous is null then
    perform public.cancel_step(s.id);
    return;
  elsif r.paused_at is not null or s.paused_at is not null or r.status = 'draft' then
    update public.campaigns x
    set
      next_follow_at = t + interval '1 minute',
      status = case when s.status = 'draft' and r.status <> 'draft' then 'scheduled' else x.status end
    where x.id = s.id;
    return;
  end if;

  insert into public.campaign_accounts (campaign_id, account_id)
  select s.id, ca.account_id from public.campaign_accounts ca
  where ca.campaign_id = r.id
    and not exists (select from public.campaign_accounts x where x.campaign_id = s.id)
  on conflict do nothing;
  -- Who is due from another account waits for it where they are, until it is too late.
  able := array(
    select a.id
    from public.campaign_accounts ca
    join public.accounts a on a.id = ca.account_id and public.why_unable(a, s.user_id) is null
    where ca.campaign_id = s.id);

  with due as materialized (
    select cl.id, cl.sent_at, cl.lead_id
    from public.campaign_leads cl
    where cl.campaign_id = previous and cl.status = 'sent' and cl.followed_at is null
      and cl.sent_at > since and cl.sent_at <= latest
      and (cl.assigned_account_id = any (able) or cl.sent_at < t - plain_seconds * interval '1 second')
    order by cl.sent_at
    limit most
    for no key update skip locked
  ), judged as materialized (
    select d.id, public.follow_due(s, d.sent_at) as at, case
        -- Nearly all are plain: nothing came back from them, and they are as they were. A look costs less than the call.
        when not s.stop_on_company_reply and lower(l.email) = mailed.address
          and t <= d.sent_at + plain_seconds * interval '1 second'
          and not exists (
            select from public.campaign_leads x
            join public.inbound_mails m on m.campaign_lead_id = x.id
            where x.lead_id = d.lead_id)
          then null
        else public.why_not_followed(s, d.id, t)
      end as why
    from due d
    left join public.leads l on l.id = d.lead_id
    left join lateral (
      select lower(x.address) as address
      from public.send_attempts x
      where x.campaign_lead_id = d.id and x.outcome = 'sent'
      order by x.started_at desc
      limit 1
    ) mailed on true
    where public.follow_due(s, d.sent_at) <= t + ahead_seconds * interval '1 second'
  ), followed as (
    update public.campaign_leads cl set followed_at = t from judged where cl.id = judged.id
  ), inserted as (
    insert into public.campaign_leads
    select made.*
    from judged
    join public.campaign_leads p on p.id = judged.id
    -- A web app's own columns come along.
    cross join lateral pg_catalog.jsonb_populate_record(p, pg_catalog.jsonb_build_object(
      'id', public.time_ordered_id(), 'campaign_id', s.id, 'previous_id', p.id, 'followed_at', null,
      'status', case when judged.why is null then 'pending' else 'cancelled' end, 'error', judged.why,
      'next_attempt_at', case when judged.why is null then judged.at end,
      'sent_at', null, 'thread_id', null, 'message_id', null, 'opened_at', null, 'open_class', null,
      'claim_token', null, 'claimed_until', null, 'open_attempt_id', null)) made
    on conflict (previous_id) where previous_id is not null do nothing
    returning status::text as status, next_attempt_at
  )
  select count(*) filter (where i.status = 'pending'), count(*) filter (where i.status <> 'pending'),
    min(i.next_attempt_at)
  into planned, stopped, first_due
  from inserted i;
  if planned + stopped < most then
    perform public.leave_late(s, able, t);
  end if;

  select cl.sent_at into oldest
  from public.campaign_leads cl
  where cl.campaign_id = previous and cl.status = 'sent' and cl.followed_at is null and cl.sent_at > since
  order by cl.sent_at
  limit 1;
  update public.campaigns x
  set
    next_follow_at = case
      when planned + stopped >= most then t
      -- What is not sent yet is due no sooner than this. What is settled late is found within hours.
      -- Who is due already waits for an account.
      else least(
        greatest(
          public.follow_due(s, coalesce(oldest, t)) - ahead_seconds * interval '1 second',
          case when planned + stopped = 0 and oldest is not null then t + interval '1 minute' end),
        t + interval '6 hours')
    end,
    idle = x.idle and planned = 0,
    status = case
      when planned > 0 and may_reopen then 'running'
      when s.status = 'draft' then 'scheduled'
      else x.status
    end,
    error = case when not (planned > 0 and may_reopen) then x.error end,
    waiting_for = case when left(x.waiting_for, 24) <> 'a value that can be read' then x.waiting_for end,
    finished_at = case when planned > 0 then null else x.finished_at end,
    scheduled_at = case when s.status in ('draft', 'scheduled') then least(x.scheduled_at, first_due) else x.scheduled_at end,
    resume_at = case
      when planned > 0 and x.run_id is null and (s.status = 'running' or may_reopen) then least(x.resume_at, first_due)
      else x.resume_at
    end
  where x.id = s.id
  returning x.* into s;
  if planned = 0 and oldest is null then
    perform public.end_step(r, s, t);
  end if;
end
$$;

create or replace function public.leave_late(s public.campaigns, able uuid[], t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Planned leads whose account cannot send any more: those for which it is too late, or that left otherwise.
begin
  with judged as materialized (
    select cl.id, public.why_not_followed(s, cl.previous_id, t) as why
    from public.campaign_leads cl
    where cl.campaign_id = s.id and cl.status = 'pending' and cl.open_attempt_id is null and cl.claim_token is null
      and (cl.assigned_account_id = any (able)) is not true
    order by cl.id
    limit 1000
    for no key update skip locked
  )
  update public.campaign_leads cl
  set status = 'cancelled', error = judged.why, next_attempt_at = null
  from judged
  where cl.id = judged.id and judged.why is not null;
end
$$;

create or replace function public.end_step(r public.campaigns, s public.campaigns, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- The step is over once nothing can come any more: nobody is left to follow, now or later.
begin
  if s.status not in ('scheduled', 'running') or s.lease_until > t
    or exists (select from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending')
    or exists (select from public.send_attempts a where a.campaign_id = s.id and a.outcome is null)
    or exists (
      select from public.campaigns x
      where x.id = public.step_before(s)
        and (x.status in ('draft', 'scheduled', 'running') or (x.status = 'error' and exists (
          select from public.campaign_leads cl where cl.campaign_id = x.id and cl.status = 'pending'))))
  then
    return;
  end if;
  perform public.end_campaign(s.id, t);
end
$$;

create or replace function public.cancel_step(step_id uuid) returns void
language sql
security invoker
set search_path = ''
as $$
  update public.campaigns x
  set status = 'cancelled', next_follow_at = 'infinity', idle = false
  where x.id = cancel_step.step_id;
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = cancel_step.step_id and cl.status = 'pending' and cl.open_attempt_id is null;
$$;

create or replace function public.cancel_steps(root uuid) returns bigint
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Cancels the steps of a chain that have not ended, by number; returns how many. The caller holds the root's lock.
declare
  step_id uuid;
  cancelled bigint := 0;
begin
  for step_id in
    select x.id from public.campaigns x
    where x.parent_id = root and x.status not in ('completed', 'cancelled')
    order by x.step
    for no key update
  loop
    perform public.cancel_step(step_id);
    cancelled := cancelled + 1;
  end loop;
  return cancelled;
end
$$;

create or replace function public.leads_of_steps(root uuid) returns bigint
language sql
stable
security invoker
set search_path = ''
as $$
  -- Persons whom the steps of a chain that have not ended may still mail.
  select count(distinct x.lead_id)
  from public.campaigns s
  cross join lateral (
    select cl.lead_id from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending'
    union all
    select y.lead_id from public.leads_to_come(s.id) y
  ) x
  where s.parent_id = leads_of_steps.root and s.status not in ('completed', 'cancelled');
$$;

create or replace function public.has_steps_to_come(root uuid) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (
    select from public.campaigns x
    where x.parent_id = has_steps_to_come.root and x.status not in ('completed', 'cancelled'));
$$;

create or replace function public.leave_lead(lead uuid, claim uuid, why text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A look at its thread found that the lead is not to be mailed: no failure. Only by who holds the claim.
begin
  update public.campaign_leads x
  set status = 'cancelled', error = why, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = lead and x.status = 'pending' and x.claim_token = claim;
  return next pg_catalog.jsonb_build_object('answer', case when found then 'left' else 'not_ours' end);
end
$$;

create or replace function public.left_for(error text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Why a lead was left out, without its date.
  select coalesce(
    public.cause_told(error),
    substring(error from '^(answered|bounced|opted\sout|a\smail\sin\sits\sthread\scould\snot\sbe\sread)\son\s[0-9]{4}-'),
    case when error like 'it was due on %, too long ago' then 'was due too long ago' end,
    left(error, 1001));
$$;

create or replace function public.steps_of(root uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The follow-ups of a chain by number: how each stands. `waiting`: who was sent the step before and is not planned
  -- yet; `left`: who would have been mailed and was not, by reason; `saved`: those of them who had said something.
  select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'id', s.id, 'step', s.step, 'name', left(s.name, 1001), 'status', s.status,
      'leads', public.campaign_counts(s.id),
      'replied', (public.inbound_counts(s.id) ->> 'replied')::integer,
      'waiting', ahead.leads,
      'left', left_out.reasons,
      'saved', left_out.saved,
      'next_at', least(ahead.due, (
        select min(cl.next_attempt_at) from public.campaign_leads cl
        where cl.campaign_id = s.id and cl.status = 'pending')))
    order by s.step), '[]')
  from public.campaigns s
  cross join lateral (
    select count(*) as leads, public.follow_due(s.*, min(cl.sent_at)) as due
    from public.campaign_leads cl
    where cl.campaign_id = public.step_before(s.*) and cl.status = 'sent' and cl.followed_at is null
      and s.status not in ('completed', 'cancelled')
      and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')
  ) ahead
  cross join lateral (
    select
      coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('reason', x.reason, 'leads', x.leads)
        order by x.leads desc, x.reason), '[]') as reasons,
      coalesce(sum(x.leads) filter (where x.reason in (
        'answered', 'bounced', 'opted out', 'complained of a mail', 'the address was found dead')), 0) as saved
    from (
      select public.left_for(cl.error) as reason, count(*) as leads
      from public.campaign_leads cl
      where cl.campaign_id = s.id and cl.status = 'cancelled' and cl.error is not null
      group by 1
      order by 2 desc, 1
      limit 100
    ) x
  ) left_out
  where s.parent_id = steps_of.root;
$$;
