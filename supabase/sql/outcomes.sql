-- What became of a mail: recorded, put off, failed, or resolved by a person.

create or replace function public.record_outcome(
  attempt uuid,
  became text,
  message text default null,
  thread text default null,
  why text default null,
  again_after double precision default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Both as for begin_attempt.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- What became of an attempt: sent, refused, not_sent or unclear. The first word stands, but that `sent`
-- wins over everything; asked again it answers what is recorded. `not_sent` keeps the lead pending until
-- again_after seconds from now; without again_after each time longer, and failed after a day of that.
declare
  known record;
  lead record;
  s public.send_attempts;
  started_at timestamptz;
  cl public.campaign_leads;
  c public.campaigns;
  t timestamptz;
  mailed_twice boolean := false;
  is_late boolean := false; -- sent, though something else was recorded before
begin
  -- In one: a statement or an expression costs more to prepare than to run.
  select
    x.campaign_id, x.campaign_lead_id, x.account_id, x.outcome,
    became = 'not_sent' or y.crash_count > 0
      or (became = 'sent' and (a.quota_pauses > 0 or a.rate_pauses > 0 or coalesce(x.outcome, 'sent') <> 'sent'))
      as concerns_others
  into known
  from public.send_attempts x
  left join public.campaigns y on y.id = x.campaign_id
  left join public.accounts a on a.id = x.account_id
  where x.id = attempt;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  if known.concerns_others then
    -- A lead that is done is progress, and a mail that left ends the doubling of quota pauses. Not sent is
    -- none: what settles a lead that kills every run must not set the count back each time.
    if became = 'not_sent' then
      -- Against a cancel at this very moment, which leaves leads with an open attempt to us.
      select x.* into c from public.campaigns x where x.id = known.campaign_id for share;
    else
      is_late := became = 'sent' and known.outcome is not null;
      if is_late then -- it may change how the campaign ended
        select x.* into c from public.campaigns x where x.id = known.campaign_id for no key update;
      end if;
      update public.campaigns x set crash_count = 0 where x.id = known.campaign_id and x.crash_count > 0;
    end if;
    if became = 'sent' then
      update public.accounts x set quota_pauses = 0, rate_pauses = 0
      where x.id = known.account_id and (x.quota_pauses > 0 or x.rate_pauses > 0)
        and (x.paused_until is null or x.paused_until <= coalesce(now, clock_timestamp()));
      if known.outcome in ('not_sent', 'refused') then
        -- A late word: one mail more than was counted, so that they are counted anew.
        update public.accounts x set mails_left_of = null, shares_of = null where x.id = known.account_id;
      end if;
    end if;
  end if;
  select x.id, x.open_attempt_id into lead
  from public.campaign_leads x
  where x.id = known.campaign_lead_id
  for no key update;
  t := coalesce(now, clock_timestamp());

  update public.send_attempts x
  set
    outcome = became, detail = why, finished_at = t, retry_after = again_after,
    thread_id = coalesce(thread, x.thread_id)
  where x.id = attempt
    -- By its key: an index of open attempts has few rows, and a plan that reads them all looks cheap.
    and coalesce(x.outcome, '') = ''
  returning x.started_at into started_at;
  if not found then
    select x.* into s from public.send_attempts x where x.id = attempt for update;
    if s.outcome = 'sent' or became <> 'sent' then
      return next pg_catalog.jsonb_build_object('answer', s.outcome);
      return;
    end if;
    if s.outcome in ('not_sent', 'refused') then
      -- A late word about a draft that a newer attempt took over: it is that attempt which was sent.
      select x.id into attempt
      from public.send_attempts x
      where x.campaign_lead_id = s.campaign_lead_id and x.id <> s.id
        and public.may_have_left(x.outcome)
      limit 1;
      if attempt is not null then
        return query select public.record_outcome(attempt, became, message, thread, why, again_after, now);
        return;
      end if;
      attempt := s.id;
      -- Another lead of its address was mailed since: the log keeps one mail an address, the lead says more.
      mailed_twice := exists (
        select from public.send_attempts x
        where x.campaign_id = s.campaign_id and lower(x.address) = lower(s.address)
          and public.may_have_left(x.outcome));
    end if;
    update public.send_attempts x
    set
      outcome = case when mailed_twice then x.outcome else became end,
      detail = case when mailed_twice then 'sent all the same, beside another lead of this address' else why end,
      finished_at = t, retry_after = again_after, thread_id = coalesce(thread, x.thread_id)
    where x.id = attempt;
    started_at := s.started_at;
  end if;

  if became = 'sent' then
    update public.campaign_leads x
    set
      status = 'sent', sent_at = started_at, message_id = message, thread_id = thread, error = null,
      open_attempt_id = null, claim_token = null, claimed_until = null, next_attempt_at = null
    where x.id = lead.id;
    if is_late and c.status = 'error' and public.is_over(c, t) then
      perform public.end_campaign(c.id, t);
    end if;
  elsif lead.open_attempt_id = attempt and became = 'refused' then
    update public.campaign_leads x
    set status = 'failed', error = why, open_attempt_id = null, next_attempt_at = null
    where x.id = lead.id;
    perform public.note_failures(array[lead.id], t);
  elsif lead.open_attempt_id = attempt and became = 'unclear' then
    update public.campaign_leads x
    set status = 'failed', error = 'may have been sent: ' || coalesce(why, 'no reason recorded'), open_attempt_id = null, next_attempt_at = null
    where x.id = lead.id;
    perform public.note_failures(array[lead.id], t);
  elsif lead.open_attempt_id = attempt then
    select x.* into cl from public.campaign_leads x where x.id = lead.id;
    perform public.put_off(cl, c, again_after, why, t);
  end if;
  return next pg_catalog.jsonb_build_object('answer', became);
end
$$;

create or replace function public.is_over(c public.campaigns, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Nothing of it is to be mailed, and no live run is about to count its end.
  select ((is_over.c).run_id is not null and (is_over.c).lease_until > is_over.t) is not true and not exists (
    select from public.campaign_leads x where x.campaign_id = (is_over.c).id and x.status = 'pending');
$$;

create or replace function public.put_off(
  cl public.campaign_leads,
  c public.campaigns,
  again_after double precision,
  why text,
  t timestamptz
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A lead whose mail certainly did not leave: later, or never when its campaign was cancelled or a day
-- of failures that should have passed did not.
declare
  failures bigint;
  first_failure timestamptz;
begin
  update public.campaign_leads x
  set open_attempt_id = null, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = cl.id;
  if c.status = 'cancelled' then
    update public.campaign_leads x set status = 'cancelled' where x.id = cl.id;
    return;
  end if;

  -- Of the last failures in a row: what failed before a long pause is not held against it.
  select count(*), min(x.started_at) into failures, first_failure
  from public.send_attempts x
  where x.campaign_lead_id = cl.id and x.outcome = 'not_sent' and x.retry_after is null
    and x.started_at > t - interval '36 hours';
  if again_after is null and first_failure < t - interval '24 hours' then
    update public.campaign_leads x
    set status = 'failed', error = 'tried for a day: ' || coalesce(why, 'no reason recorded')
    where x.id = cl.id;
    perform public.note_failures(array[cl.id], t);
  else
    update public.campaign_leads x
    set next_attempt_at =
      t + coalesce(again_after, least(60 * 2 ^ least(failures - 1, 10), 3600)) * interval '1 second'
    where x.id = cl.id;
  end if;
end
$$;

create or replace function public.fail_lead(
  lead uuid,
  claim uuid,
  why text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The lead's mail can never be made or was refused before it could leave; only by who holds the claim.
begin
  update public.campaigns x set crash_count = 0
  where x.crash_count > 0 and x.id = (select cl.campaign_id from public.campaign_leads cl where cl.id = lead);
  update public.campaign_leads x
  set status = 'failed', error = why, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = lead and x.status = 'pending' and x.claim_token = claim;
  if found then
    perform public.note_failures(array[lead], coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  else
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
  end if;
end
$$;

create or replace function public.note_failures(leads uuid[], t timestamptz) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of leads that have failed just now: the reason stays here when the lead is tried again.
  insert into public.lead_failures (campaign_lead_id, failed_at, reason)
  select cl.id, note_failures.t, coalesce(cl.error, 'no reason recorded')
  from public.campaign_leads cl
  where cl.id = any (note_failures.leads);
$$;

create or replace function public.keep_failures(leads uuid[]) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of leads that are about to be tried again: what another sender had failed was noted by nobody yet.
  insert into public.lead_failures (campaign_lead_id, reason)
  select cl.id, coalesce(cl.error, 'no reason recorded')
  from public.campaign_leads cl
  left join lateral (
    select f.reason
    from public.lead_failures f
    where f.campaign_lead_id = cl.id
    order by f.failed_at desc nulls last, f.id desc
    limit 1
  ) noted on true
  where cl.id = any (keep_failures.leads) and noted.reason is distinct from coalesce(cl.error, 'no reason recorded');
$$;

create or replace function public.defer_lead(
  attempt uuid,
  lead uuid,
  claim uuid,
  run uuid,
  mail_address text,
  why text,
  again_after double precision default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The mail could not be made ready and may go later: noted in the log as an attempt that was not sent.
declare
  c public.campaigns;
  cl public.campaign_leads;
  t timestamptz;
begin
  select x.* into cl from public.campaign_leads x where x.id = lead for no key update;
  select x.* into c from public.campaigns x where x.id = cl.campaign_id;
  t := coalesce(now, clock_timestamp());
  if cl.status is distinct from 'pending' or cl.claim_token is distinct from claim then
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
    return;
  end if;
  insert into public.send_attempts (
    id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
    finished_at, outcome, detail, retry_after)
  select attempt, c.id, lead, cl.assigned_account_id, run, public.canonical_address(mail_address), t, '', t, 'not_sent', why, again_after
  where cl.assigned_account_id is not null
  on conflict do nothing;
  perform public.put_off(cl, c, again_after, why, t);
  return next pg_catalog.jsonb_build_object('answer', 'deferred');
end
$$;

create or replace function public.resolve_lead(
  was_sent boolean,
  lead uuid default null,
  campaign uuid default null,
  address text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person has looked: a lead that "may have been sent" was, or it was not and is mailed again. Then the
-- campaign's end is counted anew. The lead is named by its id, or by its address in a campaign.
--   resolved: {lead, lead_status, campaign, campaign_status}      rejected: {reason, remedy}
declare
  cl public.campaign_leads;
  c public.campaigns;
  s public.send_attempts;
  t timestamptz;
  word constant text := case when was_sent then 'a person found it sent' else 'a person found it not sent' end;
begin
  -- Of several rows with the address, the one in doubt is meant.
  select x.* into cl
  from public.campaign_leads x
  left join public.leads l on l.id = x.lead_id
  where x.id = lead
    or (lead is null and x.campaign_id = campaign and public.mailbox_key(l.email) = public.mailbox_key(address))
  order by
    exists (
      select from public.send_attempts y where y.campaign_lead_id = x.id and y.outcome = 'unclear'
    ) desc,
    x.id
  limit 1;
  if not found then
    return next case
      when lead is null then pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', pg_catalog.format('The campaign has no lead %s.', address),
        'remedy', 'list_leads')
      else pg_catalog.jsonb_build_object(
        'answer', 'rejected',
        'reason', pg_catalog.format('There is no lead %s; give its address with --campaign ID.', lead))
    end;
    return;
  end if;

  select x.* into c from public.campaigns x where x.id = cl.campaign_id for no key update;
  select x.* into cl from public.campaign_leads x where x.id = cl.id for no key update;
  t := coalesce(now, clock_timestamp());
  select x.* into s
  from public.send_attempts x
  where x.campaign_lead_id = cl.id
  order by x.started_at desc, x.id desc
  limit 1
  for update;

  if cl.status = 'failed' and s.outcome = 'unclear' then
    perform public.settle_by_hand(cl, c, s, was_sent, word, t);
  elsif s.detail is null or s.detail not like word || '%' then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The lead is %s and not in doubt; only one that “may have been sent” can be resolved.', cl.status));
    return;
  end if;
  return query
    select pg_catalog.jsonb_build_object(
      'answer', 'resolved',
      'lead', y.id, 'lead_status', y.status, 'campaign', x.id, 'campaign_status', x.status)
    from public.campaign_leads y
    join public.campaigns x on x.id = y.campaign_id
    where y.id = cl.id;
end
$$;

create or replace function public.settle_by_hand(
  cl public.campaign_leads,
  c public.campaigns,
  s public.send_attempts,
  was_sent boolean,
  word text,
  t timestamptz
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The caller holds the locks of all three rows.
declare
  owned constant boolean := c.run_id is not null and c.lease_until > t;
begin
  perform public.keep_failures(array[cl.id]);
  if was_sent then
    update public.send_attempts x set outcome = 'sent', finished_at = t, detail = word where x.id = s.id;
    update public.campaign_leads x
    set status = 'sent', sent_at = s.started_at, thread_id = s.thread_id, error = null, next_attempt_at = null
    where x.id = cl.id;
    if c.parent_id is not null and c.status = 'running' then
      -- Only the planning of steps knows whether somebody is left to follow.
      update public.campaigns x set next_follow_at = t where x.id = c.id;
    elsif c.status in ('running', 'completed', 'error') and public.is_over(c, t) then
      perform public.end_campaign(c.id, t);
    end if;
    return;
  end if;

  -- Its draft is forgotten: it is gone, and a claim that took it up again would be in doubt again.
  update public.send_attempts x
  set
    outcome = 'not_sent', finished_at = t, retry_after = 0, draft_id = null,
    detail = word || coalesce(' (draft ' || x.draft_id || ')', '')
  where x.id = s.id;
  if c.status = 'cancelled' then
    update public.campaign_leads x set status = 'cancelled', error = null where x.id = cl.id;
    return;
  end if;
  update public.campaign_leads x
  set status = 'pending', error = null, next_attempt_at = null, claim_token = null, claimed_until = null
  where x.id = cl.id;
  if c.status in ('running', 'completed', 'error') and not owned then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, resume_at = null, run_id = null,
      waiting_for = case when x.paused_at is not null then x.waiting_for end,
      lease_until = null, crash_count = 0, dispatch_misses = 0, dispatched_at = null, idle = false
    where x.id = c.id;
  end if;
end
$$;
