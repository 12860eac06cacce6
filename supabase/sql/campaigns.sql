-- What people do with a campaign: create, start, cancel, pause, resume, look.

create or replace function public.create_campaign(
  campaign uuid,
  campaign_name text,
  account_addresses text[],
  lead_tag text default null,
  company_names text[] default null,
  starts_at timestamptz default null,
  attachment_name text default null,
  zone text default null,
  days integer[] default null,
  day_from time default null,
  day_until time default null,
  owner uuid default null,
  subject_variables boolean default false,
  list_unsubscribe boolean default false,
  footer_text text default null,
  days_off date[] default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Makes a draft with its leads, all or nothing. Repeated with the same id it answers the same.
-- A mailbox is taken once, however its address is written; who came second is listed in `skipped`.
-- `subject_variables` null: if a subject has a placeholder.
declare
  account_ids uuid[];
  unknown text;
  fault text;
begin
  if not exists (select from public.campaigns c where c.id = campaign) then
    select string_agg(given.address, ', ') into unknown
    from unnest(account_addresses) given (address)
    where not exists (
      select from public.accounts a
      where public.mailbox_key(a.email) = public.mailbox_key(given.address) and a.status <> 'removed'
        and a.user_id is not distinct from coalesce(owner, a.user_id)
    );
    if unknown is not null then
      return next pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', unknown),
        'remedy', 'add_account');
      return;
    end if;
    -- One row an address: two would be one mailbox at twice its pace.
    select array_agg(mine.id order by mine.id) into account_ids
    from (
      select distinct on (public.mailbox_key(a.email)) a.id
      from public.accounts a
      where public.mailbox_key(a.email) in (
          select public.mailbox_key(given.address) from unnest(account_addresses) given (address))
        and a.status <> 'removed'
        and a.user_id is not distinct from coalesce(owner, a.user_id)
      order by public.mailbox_key(a.email), a.id
    ) mine;
    if account_ids is null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason',
        'A campaign needs at least one account; name one with --account.');
      return;
    end if;

    select string_agg(given.company, ', ') into unknown
    from unnest(company_names) given (company)
    where not exists (
      select from public.companies c
      where lower(given.company) in (lower(c.name), lower(c.domain), c.id::text)
        and c.user_id is not distinct from coalesce(owner, c.user_id)
    );
    if unknown is not null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
        'There is no company %s; its name, domain or id is needed.', unknown));
      return;
    end if;

    select public.fault_of_window(
      pg_catalog.jsonb_populate_record(null::public.campaigns, pg_catalog.jsonb_build_object(
        'time_zone', zone, 'send_days', days, 'send_from', day_from, 'send_until', day_until, 'skip_dates', days_off)),
      clock_timestamp())
    into fault;
    if fault is not null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', fault);
      return;
    end if;

    insert into public.campaigns (
      id, user_id, name, status, scheduled_at, attachment, time_zone, send_days, send_from, send_until,
      subject_variables, list_unsubscribe, footer, skip_dates)
    values (
      campaign, owner, campaign_name, 'draft', starts_at, attachment_name, zone, days, day_from, day_until,
      coalesce(subject_variables, false), coalesce(list_unsubscribe, false), footer_text, days_off)
    on conflict (id) do nothing;
  end if;

  -- Only who made the row fills it: the same call may be made again while the first one is at it.
  if found then
    insert into public.campaign_leads (campaign_id, lead_id, status, assigned_account_id)
    select
      campaign, chosen.id, 'pending',
      account_ids[1 + (row_number() over (order by chosen.id) - 1) % cardinality(account_ids)]
    from (
      -- A lead without an address comes along, to fail with that reason.
      select distinct on (coalesce(nullif(public.mailbox_key(l.email), ''), l.id::text)) l.id
      from public.leads_to_mail(lead_tag, company_names, owner) l
      order by coalesce(nullif(public.mailbox_key(l.email), ''), l.id::text), l.id
    ) chosen;
    if not found then
      delete from public.campaigns c where c.id = campaign;
      return next pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', case
          when lead_tag is not null then pg_catalog.format('No lead matches tag %L.', lead_tag)
          else 'No lead belongs to these companies.'
        end,
        'remedy', 'import_leads');
      return;
    end if;

    insert into public.campaign_accounts (campaign_id, account_id)
    select campaign, x.id from unnest(account_ids) x (id);

    if subject_variables is null then
      update public.campaigns c
      set subject_variables = exists (
        select from public.campaign_leads cl
        join public.leads l on l.id = cl.lead_id
        left join public.companies co on co.id = l.company_id
        where cl.campaign_id = campaign
          and coalesce(nullif(l.email_subject, ''), co.email_subject) ~ '\{\{|\{%|\{[[:alnum:]_ -]+\}')
      where c.id = campaign;
    end if;
  end if;

  return query
  select pg_catalog.jsonb_build_object(
    'answer', 'created',
    'id', campaign,
    'leads', (select count(*) from public.campaign_leads cl where cl.campaign_id = campaign),
    'subject_variables', (select c.subject_variables from public.campaigns c where c.id = campaign),
    'skipped', coalesce((
      -- Whose address is in the campaign, but not the lead; in one pass over what is selected.
      select pg_catalog.jsonb_agg(s.email)
      from (
        select x.email
        from (
          select y.email, y.address, y.taken, bool_or(y.taken) over (partition by y.address) as mailed
          from (
            select l.email, public.mailbox_key(l.email) as address, exists (
              select from public.campaign_leads cl where cl.lead_id = l.id and cl.campaign_id = campaign) as taken
            from public.leads_to_mail(lead_tag, company_names, owner) l
          ) y
        ) x
        where x.mailed and not x.taken and x.address <> ''
        order by x.email
        limit 1000
      ) s
    ), '[]'::jsonb));
end
$$;

create or replace function public.start_campaign(
  campaign uuid,
  now timestamptz default null,
  asked boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Whether anything is pending: where most rows are, the planner would read the table from its start.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- draft -> scheduled (its time is still to come) or running. Nothing is sent yet: a run has to begin it.
-- `asked`: the caller sees to that run, so that the dispatcher makes none in the next minutes.
declare
  c public.campaigns;
  t timestamptz;
  told text;
  owned boolean;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  t := coalesce(now, clock_timestamp());
  told := public.accounts_of_others(c);
  owned := c.run_id is not null and c.lease_until > t;
  if c.id is null then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
  elsif c.status = 'draft' and told is not null then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', told);
  elsif c.status = 'draft' and c.parent_id is not null then
    -- It begins by itself, once it is planned.
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'This is step %s of another campaign; give that one: %s.', c.step, c.parent_id));
  elsif c.status = 'draft' and c.scheduled_at > t then
    update public.campaigns x
    set
      status = 'scheduled', dispatched_at = case when asked then t end, dispatched_run = null,
      dispatch_misses = asked::integer
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object(
      'answer', 'scheduled', 'wait_seconds', extract(epoch from c.scheduled_at - t)::double precision);
  elsif c.status = 'draft' then
    update public.campaigns x
    set
      status = 'running', dispatched_at = case when asked then t end, dispatched_run = null,
      dispatch_misses = asked::integer
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'running');
  else
    if asked and not coalesce(owned, false) and c.paused_at is null then
      update public.campaigns x
      set dispatched_at = t, dispatched_run = null, dispatch_misses = greatest(x.dispatch_misses, 1)
      where x.id = campaign;
    end if;
    return next pg_catalog.jsonb_build_object(
      'answer', 'already', 'status', c.status,
      'owned', owned,
      'paused', c.paused_at is not null,
      'pending', exists (
        select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'));
  end if;
end
$$;

create or replace function public.cancel_campaign(campaign uuid, now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Cancels the campaign and what is pending. A lead with an open attempt may be on its way: settling
-- decides about it.
declare
  c public.campaigns;
  to_come bigint;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'error') then
    -- What it was stays; its follow-ups end.
    to_come := public.leads_of_steps(campaign);
    if public.cancel_steps(campaign) = 0 then
      return next pg_catalog.jsonb_build_object('answer', 'already_ended', 'status', c.status);
    else
      return next pg_catalog.jsonb_build_object('answer', 'cancelled', 'leads', to_come, 'follow_ups_only', true);
    end if;
    return;
  end if;
  perform public.cancel_steps(campaign);
  update public.campaigns x
  set
    status = 'cancelled', finished_at = coalesce(x.finished_at, now, clock_timestamp()), run_id = null,
    lease_until = null, resume_at = null, waiting_for = null
  where x.id = campaign;
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = campaign and cl.status = 'pending' and cl.open_attempt_id is null;
  return next pg_catalog.jsonb_build_object(
    'answer', 'cancelled', 'leads', public.campaign_counts(campaign) -> 'cancelled');
end
$$;

create or replace function public.pause_campaign(campaign uuid, now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Nothing more is sent until it is resumed; pending leads stay. The status stays what the web app knows.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
  elsif c.status not in ('scheduled', 'running')
    and (c.status = 'draft' or not public.has_steps_to_come(campaign)) then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; only one that is scheduled or running can be paused.', c.status));
  else
    update public.campaigns x
    set
      paused_at = coalesce(x.paused_at, now, clock_timestamp()),
      -- What it waited for until now is over; why it is paused already stays.
      waiting_for = case
        when x.paused_at is not null and x.suspended_run is null then coalesce(x.waiting_for, 'a person to resume it')
        else 'a person to resume it'
      end,
      -- From now on it is this person's pause: Resume in Prefect does not end it.
      suspended_run = null
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'paused');
  end if;
end
$$;

create or replace function public.resume_campaign(campaign uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Takes a paused campaign up again, or one in error whose leads are still pending.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'error') and c.paused_at is not null then
    update public.campaigns x
    set paused_at = null, waiting_for = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
    if c.status = 'completed' or not exists (
      select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
    ) then
      return next pg_catalog.jsonb_build_object('answer', 'resumed');
      return;
    end if;
  end if;
  if c.status in ('scheduled', 'running') then
    update public.campaigns x
    set
      paused_at = null, waiting_for = null, resume_at = null, crash_count = 0, dispatch_misses = 0,
      dispatched_at = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
  elsif c.status = 'error' and exists (
    select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
  ) then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, paused_at = null, waiting_for = null, resume_at = null,
      crash_count = 0, dispatch_misses = 0, dispatched_at = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
  else
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; there is nothing to resume.', c.status));
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'resumed');
end
$$;

create or replace function public.retry_failed(
  campaign uuid,
  account_address text default null,
  because text default null,
  unclear_too boolean default false,
  suppressed boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Failed leads are pending again and the campaign runs again: those of an account, or whose reason
-- contains `because`; what may have been sent only when asked for. `suppressed`: instead of failed leads those that
-- were cancelled because their address was suppressed and that nothing suppresses any more.
declare
  c public.campaigns;
  retried bigint;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status not in ('running', 'completed', 'error') then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; only one that is running, completed or in error has leads to retry.', c.status));
    return;
  end if;

  create temporary table if not exists outreach_retried (id uuid, attempt uuid) on commit drop;
  truncate pg_temp.outreach_retried;
  insert into pg_temp.outreach_retried
  select cl.id, (
    select s.id from public.send_attempts s
    where s.campaign_lead_id = cl.id and s.outcome = 'unclear'
    limit 1)
  from public.campaign_leads cl
  left join public.accounts a on a.id = cl.assigned_account_id
  left join public.leads l on l.id = cl.lead_id
  where cl.campaign_id = campaign and cl.open_attempt_id is null and public.is_erased(l.email) is not true
    and ((cl.status = 'failed' and not suppressed) or (
      cl.status = 'cancelled' and suppressed and public.cause_told(cl.error) is not null
      and public.suppression_of(
        public.suppression_keys(public.mailbox_key(l.email)), c.user_id, clock_timestamp()) is null))
    and (account_address is null or public.mailbox_key(a.email) = public.mailbox_key(account_address))
    and (because is null or strpos(lower(cl.error), lower(because)) > 0)
  order by cl.id
  for update of cl;
  if not unclear_too then
    delete from pg_temp.outreach_retried r where r.attempt is not null;
  end if;

  -- Whoever retries what is unclear says that it was not sent.
  update public.send_attempts s
  set outcome = 'not_sent', retry_after = 0, draft_id = null,
    detail = 'retried by a person: ' || coalesce(s.detail, '')
  from pg_temp.outreach_retried r
  where s.id = r.attempt;
  -- Drafts of leads that were not pending may have been deleted since.
  update public.send_attempts s
  set draft_id = null
  from pg_temp.outreach_retried r
  where s.campaign_lead_id = r.id and s.outcome = 'not_sent' and s.draft_id is not null;
  if not suppressed then
    perform public.keep_failures(array(select r.id from pg_temp.outreach_retried r));
  end if;
  update public.campaign_leads cl
  set status = 'pending', error = null, next_attempt_at = null
  from pg_temp.outreach_retried r
  where cl.id = r.id;
  get diagnostics retried = row_count;
  if retried > 0 then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, resume_at = null, crash_count = 0,
      waiting_for = case when x.paused_at is not null then x.waiting_for end, -- why it is paused
      dispatch_misses = 0, dispatched_at = null, idle = false
    where x.id = campaign;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'retried', 'leads', retried);
end
$$;

create or replace function public.campaign_counts(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object(
    'pending', count(*) filter (where cl.status = 'pending'),
    'sent', count(*) filter (where cl.status = 'sent'),
    'failed', count(*) filter (where cl.status = 'failed'),
    'cancelled', count(*) filter (where cl.status = 'cancelled'))
  from public.campaign_leads cl
  where cl.campaign_id = campaign_counts.campaign;
$$;

create or replace function public.leads_by_account(campaign uuid)
returns table (account uuid, pending bigint, sent bigint, failed bigint, cancelled bigint)
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same for each account that has leads in the campaign; those without an account, too.
  select
    cl.assigned_account_id,
    count(*) filter (where cl.status = 'pending'),
    count(*) filter (where cl.status = 'sent'),
    count(*) filter (where cl.status = 'failed'),
    count(*) filter (where cl.status = 'cancelled')
  from public.campaign_leads cl
  where cl.campaign_id = leads_by_account.campaign
  group by cl.assigned_account_id;
$$;

create or replace function public.list_campaigns(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select (pg_catalog.to_jsonb(c) - 'footer') || pg_catalog.jsonb_build_object('leads', public.campaign_counts(c.id))
    || public.inbound_counts(c.id)
  from public.campaigns c
  where c.id > list_campaigns.after
  order by c.id
  limit list_campaigns.most;
$$;

create or replace function public.recent_campaigns(
  with_status text default null,
  since timestamptz default null,
  before timestamptz default null,
  before_id uuid default null,
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The newest first, of those made since then. The next page has the time and the id of the last row
  -- before it; an old campaign without a time is the oldest.
  select (pg_catalog.to_jsonb(page_row) - 'footer') || pg_catalog.jsonb_build_object(
    'leads', public.campaign_counts(page_row.id), 'accounts', public.campaign_senders(page_row.id),
    'opened', public.campaign_opened(page_row.id))
    || public.inbound_counts(page_row.id)
  from (
    -- The page first: what belongs to it is counted for no other.
    select x.*
    from public.campaigns x
    where (recent_campaigns.with_status is null or x.status::text = recent_campaigns.with_status)
      and (recent_campaigns.since is null or x.created_at >= recent_campaigns.since)
      and (recent_campaigns.before_id is null or (coalesce(x.created_at, '-infinity'), x.id)
        < (coalesce(recent_campaigns.before, '-infinity'), recent_campaigns.before_id))
    order by coalesce(x.created_at, '-infinity') desc, x.id desc
    limit recent_campaigns.most
  ) page_row
  order by coalesce(page_row.created_at, '-infinity') desc, page_row.id desc;
$$;

create or replace function public.campaign_senders(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The addresses of its accounts.
  select coalesce(pg_catalog.jsonb_agg(a.email order by a.email), '[]')
  from public.campaign_accounts ca
  join public.accounts a on a.id = ca.account_id
  where ca.campaign_id = campaign_senders.campaign;
$$;

create or replace function public.campaign_status(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select (pg_catalog.to_jsonb(its_row) - 'footer') || pg_catalog.jsonb_build_object(
    'leads', public.campaign_counts(its_row.id), 'accounts', public.campaign_senders(its_row.id),
    'opened', public.campaign_opened(its_row.id))
    || public.inbound_counts(its_row.id)
    || pg_catalog.jsonb_build_object('steps', public.steps_of(its_row.id))
  from public.campaigns its_row
  where its_row.id = campaign_status.campaign;
$$;

create or replace function public.list_campaign_leads(
  campaign uuid,
  with_status text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred leads: always by index.
set enable_seqscan = off
as $$
  -- Every lead with all that is known of it; one whose own row is gone, too.
  select pg_catalog.jsonb_build_object(
    'id', cl.id,
    'email', l.email,
    'name', l.name,
    'company', co.name,
    'role', l.role,
    'status', cl.status,
    'account', a.email,
    'sent_at', cl.sent_at,
    'opened_at', cl.opened_at,
    'thread_id', cl.thread_id,
    'message_id', cl.message_id,
    'error', left(cl.error, 1001),
    'failed_at', past.failed_at,
    'failures', coalesce(past.failures, '[]'))
    || back.told
  from (
    -- The page first, then what belongs to it: joined first, every page would read the whole campaign.
    select x.*
    from public.campaign_leads x
    where x.campaign_id = list_campaign_leads.campaign and x.id > list_campaign_leads.after
      and (list_campaign_leads.with_status is null or x.status::text = list_campaign_leads.with_status)
    order by x.id
    limit list_campaign_leads.most
  ) cl
  left join public.leads l on l.id = cl.lead_id
  left join public.companies co on co.id = l.company_id
  left join public.accounts a on a.id = cl.assigned_account_id
  cross join lateral (
    select
      max(f.failed_at) as failed_at,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('failed_at', f.failed_at, 'reason', left(f.reason, 1001))
        order by f.failed_at nulls first, f.id) as failures
    from (
      select x.*
      from public.lead_failures x
      where x.campaign_lead_id = cl.id
      order by x.failed_at desc nulls last, x.id desc
      limit 100
    ) f
  ) past
  cross join lateral (
    -- What came back first, but for away notices. No function: a call for each lead costs more than the look.
    select pg_catalog.jsonb_build_object(
      'replied_at', min(i.received_at) filter (where i.kind = 'reply'),
      'bounced_at', min(i.received_at) filter (where i.kind = 'bounce'),
      'bounce', (pg_catalog.array_agg(m.verdict order by i.received_at) filter (where i.kind = 'bounce'))[1],
      'bounce_status',
      (pg_catalog.array_agg(nullif(m.status, '') order by i.received_at) filter (where i.kind = 'bounce'))[1],
      'away_at', max(i.received_at) filter (where i.kind = 'away'),
      'back_on', max(i.back_on) filter (where i.kind = 'away'),
      'unsubscribed_at', min(i.received_at) filter (where i.kind in ('unsubscribe', 'complaint'))) as told
    from public.inbound_mails m
    join public.inbound i on i.id = m.inbound_id
    where m.campaign_lead_id = cl.id
  ) back
  order by cl.id;
$$;

create or replace function public.failure_reasons(campaign uuid, most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('reason', coalesce(left(cl.error, 1001), 'no reason recorded'), 'leads', count(*))
  from public.campaign_leads cl
  where cl.campaign_id = failure_reasons.campaign and cl.status = 'failed'
  group by coalesce(left(cl.error, 1001), 'no reason recorded')
  order by count(*) desc, coalesce(left(cl.error, 1001), 'no reason recorded')
  limit failure_reasons.most;
$$;
