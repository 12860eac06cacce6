-- What is known of a campaign before it starts: for `check`, `preview` and `test-send`. Nothing is changed.

create or replace function public.campaign_facts(campaign uuid, now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
  -- The campaign, its accounts with what each has to mail and has mailed, hour by hour of the last day.
  with clock as (select coalesce(campaign_facts.now, clock_timestamp()) as t),
  to_come as (
    -- Of a step that is not planned yet.
    select x.assigned_account_id as account, count(*) as leads
    from public.leads_to_come(campaign_facts.campaign) x
    group by x.assigned_account_id
  ),
  waiting as (
    select cl.assigned_account_id as account, count(*) as leads
    from public.campaign_leads cl
    where cl.campaign_id = campaign_facts.campaign and cl.status = 'pending'
    group by cl.assigned_account_id
    union all
    select x.account, x.leads from to_come x
  ),
  mine as (
    select a.*
    from public.campaigns c
    join public.campaign_accounts ca on ca.campaign_id = case
      -- A step that a web app made has the accounts of its first campaign as soon as it is planned.
      when c.parent_id is null or exists (select from public.campaign_accounts x where x.campaign_id = c.id) then c.id
      else c.parent_id
    end
    join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
    where c.id = campaign_facts.campaign
  )
  select pg_catalog.jsonb_build_object(
    'id', c.id,
    'name', c.name,
    'status', c.status,
    'paused', c.paused_at is not null,
    'held', public.held_by_root(its_row),
    'parent_id', c.parent_id,
    'step', c.step,
    'wait_seconds', greatest(extract(epoch from c.scheduled_at - clock.t), 0)::double precision,
    'attachment', c.attachment,
    'subject_variables', c.subject_variables,
    'list_unsubscribe', c.list_unsubscribe,
    'footer', left(c.footer, 1000001),
    'footer_required', c.footer_required,
    'has_steps', c.parent_id is not null or exists (select from public.campaigns x where x.parent_id = c.id),
    'chain', case when c.parent_id is not null or exists (select from public.campaigns x where x.parent_id = c.id)
      then public.chain_facts(c.id, clock.t) else '[]' end,
    'to_come', coalesce((select sum(x.leads) from to_come x), 0),
    'time_zone', c.time_zone,
    'send_days', c.send_days,
    'send_from', c.send_from,
    -- Midnight, which JSON's readers know no clock time for.
    'send_until', nullif(c.send_until, '24:00'),
    'skip_dates', c.skip_dates,
    -- As a whole it is called by a name that no column has: then the name would be that column.
    'opens', public.next_opening(its_row, clock.t) is not null,
    'leads', public.campaign_counts(c.id),
    'fault_of_accounts', public.fault_of_accounts(its_row),
    -- For workers of the releases before.
    'accounts_of_others', public.accounts_of_others(its_row),
    'misassigned', coalesce((
      select sum(w.leads) from waiting w
      where w.account is null or w.account not in (select mine.id from mine)), 0),
    'accounts', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'id', a.id,
        'email', coalesce(a.email, ''),
        'sender_name', a.sender_name,
        'reply_to', a.reply_to,
        'status', a.status,
        'status_reason', a.status_reason,
        'paused_seconds', public.seconds_paused(a.paused_until, clock.t),
        'rest_reason', case when a.paused_until > clock.t then a.rest_reason end,
        'pace_seconds', a.pace_seconds,
        'daily_limit', a.daily_limit,
        'ramp', (select public.told_ramp(its_row, clock.t) from public.accounts its_row where its_row.id = a.id),
        'domain_cap', a.domain_cap,
        'sent_today', public.mails_of_account(a.id, clock.t),
        'connected', coalesce(a.refresh_token, '') <> '',
        'leads', coalesce((select sum(w.leads) from waiting w where w.account = a.id), 0),
        'sent_by_hour', public.mails_by_hour(a.id, clock.t)) order by a.email, a.id)
      from mine a), '[]'),
    'capped_domains', public.capped_domains(c.id, clock.t))
  from public.campaigns c
  join public.campaigns its_row on its_row.id = c.id
  cross join clock
  where c.id = campaign_facts.campaign;
$$;

create or replace function public.list_mails(
  campaign uuid,
  cooldown_seconds double precision default 0,
  every boolean default false,
  lead uuid default null,
  address text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred addresses: always by index.
set enable_seqscan = off
set statement_timeout = '60s'
as $$
  -- What each pending lead (or every one; or one by its id or its address) is to be mailed, as a claim
  -- has it; of a step the leads that it can follow later, too. And whether its address was mailed before: in this campaign, or by another one within the
  -- cooldown. A company comes with the first of its leads on each page, and with those that have a text of
  -- their own, which then stands in the company's place; again with the lead after such a one.
  with page as materialized (
    select
      chosen.*, row_number() over company as nth, lag(chosen.own_text) over company as after_own_text,
      coalesce(list_mails.now, clock_timestamp()) as t
    from (
      select
        cl.id, case when cl.campaign_id = list_mails.campaign then cl.status::text else 'pending' end as status,
        cl.assigned_account_id, l.id as lead_id, l.company_id, l.email_subject, l.email_template,
        coalesce(l.email_subject, '') <> '' or coalesce(l.email_template, '') <> '' as own_text,
        coalesce(btrim(l.email), '') as email, public.mailbox_key(l.email) as mailbox, l.name, l.role,
        case when pg_catalog.jsonb_typeof(f.fields) = 'object' then f.fields else '{}' end as custom_fields
      from (
        -- A page, or the one: in one condition the planner would take every page for a single row.
        (select x.*
        from public.campaign_leads x
        where list_mails.lead is null and list_mails.address is null
          and x.campaign_id = list_mails.campaign and x.id > list_mails.after
          and (list_mails.every or x.status = 'pending')
        order by x.id
        limit list_mails.most)
        union all
        -- None of a campaign that is no step.
        (select x.*
        from public.leads_to_come(list_mails.campaign, list_mails.after, list_mails.most) x
        where list_mails.lead is null and list_mails.address is null
        order by x.id
        limit list_mails.most)
        union all
        (select x.*
        from public.leads_to_come(list_mails.campaign, list_mails.after) x
        left join public.leads l on l.id = x.lead_id
        where (list_mails.lead is not null or list_mails.address is not null)
          and (list_mails.lead is null or list_mails.lead in (x.id, x.lead_id))
          and (list_mails.address is null or public.mailbox_key(l.email) = public.mailbox_key(list_mails.address))
        order by x.id
        limit list_mails.most)
        union all
        (select x.*
        from public.campaign_leads x
        left join public.leads l on l.id = x.lead_id
        where (list_mails.lead is not null or list_mails.address is not null)
          and x.campaign_id = list_mails.campaign and x.id > list_mails.after
          and (list_mails.every or x.status = 'pending')
          and (list_mails.lead is null or list_mails.lead in (x.id, x.lead_id))
          and (list_mails.address is null or public.mailbox_key(l.email) = public.mailbox_key(list_mails.address))
        order by x.id
        limit list_mails.most)
      ) cl
      left join public.leads l on l.id = cl.lead_id
      cross join lateral (
        -- As in unreadable_leads.
        select case pg_typeof(l.custom_fields)
          when 'jsonb'::regtype then l.custom_fields::jsonb else pg_catalog.to_jsonb(l.custom_fields)
        end as fields
        offset 0) f
      -- Two lists of a step are one page.
      order by cl.id
      limit list_mails.most
    ) chosen
    window company as (partition by chosen.company_id order by chosen.id)
  )
  select pg_catalog.jsonb_build_object(
    'id', page.id,
    'status', page.status,
    'missing', case
      when page.lead_id is null then 'lead'
      when page.company_id is not null and co.id is null then 'company'
    end,
    'sender', case when a.id is not null then pg_catalog.jsonb_build_object(
      'id', a.id, 'email', coalesce(a.email, ''), 'name', a.sender_name, 'reply_to', a.reply_to) end,
    'lead', pg_catalog.jsonb_build_object(
      'email', left(page.email, 1000), 'name', left(page.name, 200001), 'role', left(page.role, 200001),
      'custom_fields', case when u.why is null then page.custom_fields else '{}' end, 'unreadable', u.why),
    'company_id', page.company_id,
    'company', case when page.nth = 1 or page.own_text or page.after_own_text then pg_catalog.jsonb_build_object(
      'name', left(co.name, 200001), 'domain', left(co.domain, 200001),
      'email_subject', left(coalesce(step.subject, nullif(page.email_subject, ''), co.email_subject), 1001),
      'email_template',
      left(coalesce(step.template, nullif(page.email_template, ''), co.email_template), 1000001)) end,
    'subject_variables', step.subject_variables,
    'answers', step.answers,
    'suppressed', case when page.email <> '' and exists (select from public.suppressions) then (
      select public.cause_told(public.told_suppression(public.suppression_of(
        public.suppression_keys(page.mailbox), c.user_id, page.t)))
      from public.campaigns c where c.id = list_mails.campaign) end,
    'mailed_here', page.email <> '' and (
      exists (
        select from public.send_attempts s
        where s.campaign_id = list_mails.campaign and lower(s.address) = page.mailbox
          and s.campaign_lead_id <> page.id
          and public.may_have_left(s.outcome))
      or exists (
        -- `offset 0`, here and below: from the address on, as in begin_attempt.
        select from public.leads l
        cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
        where lower(l.email) in (page.mailbox, lower(page.email)) and x.campaign_id = list_mails.campaign
          and x.id <> page.id and x.status = 'sent')),
    'mailed_seconds_ago', case when page.email <> '' and list_mails.cooldown_seconds > 0 then (
      select min(extract(epoch from page.t - mailed.at))::double precision
      from (
        select s.started_at as at
        from public.send_attempts s
        where lower(s.address) = page.mailbox and s.campaign_id <> all (step.chain)
          and public.may_have_left(s.outcome)
          and s.started_at > page.t - list_mails.cooldown_seconds * interval '1 second'
        union all
        -- What the log does not know: mails of the sender before us.
        select x.sent_at
        from public.leads l
        cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
        where lower(l.email) in (page.mailbox, lower(page.email)) and x.campaign_id <> all (step.chain)
          and x.status = 'sent' and x.sent_at > page.t - list_mails.cooldown_seconds * interval '1 second'
      ) mailed) end)
  from page
  cross join (
    select x.*, public.campaigns_of_chain(list_mails.campaign) as chain
    from public.texts_of_step(list_mails.campaign) x) step
  left join public.unreadable_leads(array(select p.lead_id from page p)) u on u.lead = page.lead_id
  left join public.companies co on co.id = page.company_id
  left join public.accounts a on a.id = page.assigned_account_id and a.status <> 'removed'
  order by page.id;
$$;
