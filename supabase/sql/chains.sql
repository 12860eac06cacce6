-- A chain before its follow-ups are planned: for `check`, `preview` and `test-send`. Nothing is changed.

create or replace function public.campaigns_of_chain(campaign uuid) returns uuid[]
language sql
stable
security invoker
set search_path = ''
as $$
  -- The first campaign of its chain and its steps, itself among them.
  select array(
    select x.id
    from public.campaigns c
    join public.campaigns x on coalesce(c.parent_id, c.id) in (x.id, x.parent_id)
    where c.id = campaigns_of_chain.campaign);
$$;

create or replace function public.leads_to_come(
  step_id uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default null
) returns setof public.campaign_leads
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Of a step: the leads of the campaigns before it that it can still follow, if nobody answers; by id. Each stands where
  -- the chain has brought it.
  select x.*
  from public.campaigns s
  join public.campaigns b on b.id = s.parent_id or (b.parent_id = s.parent_id and b.step < s.step)
  cross join lateral (
    select cl.*
    from public.campaign_leads cl
    where cl.campaign_id = b.id and cl.id > leads_to_come.after and cl.followed_at is null
      and (cl.status = 'pending' or cl.status = 'sent' and (
        coalesce(b.step, 1) < s.step - 1 or cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')))
    order by cl.id
    limit leads_to_come.most
  ) x
  where s.id = leads_to_come.step_id and s.status <> 'cancelled'
  order by x.id
  limit leads_to_come.most;
$$;

create or replace function public.texts_of_step(campaign uuid)
returns table (subject text, template text, subject_variables boolean, answers boolean)
language sql
stable
security invoker
set search_path = ''
as $$
  -- A campaign's own texts, in place of the leads' and companies'. A step without a subject answers: under that of the
  -- mail that opened its thread.
  select
    case when opens.id is not null then opens.step_subject end,
    c.step_template,
    coalesce(opens.subject_variables, first.subject_variables, c.subject_variables),
    c.parent_id is not null and c.step_subject is null
  from public.campaigns c
  left join public.campaigns first on first.id = c.parent_id
  left join lateral (
    select x.*
    from public.campaigns x
    where x.parent_id = c.parent_id and x.step <= c.step and x.step_subject is not null
    order by x.step desc
    limit 1
  ) opens on true
  where c.id = texts_of_step.campaign;
$$;

create or replace function public.chain_facts(campaign uuid, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The campaigns of its chain by number, the first one among them: their own texts and columns, and for each account the
  -- leads that they have to mail now or later: {account, leads, due_seconds} from the campaign or from the step before.
  -- Behind a cancelled step there is none.
  select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'id', x.id,
      'step', coalesce(x.step, 1),
      'status', x.status,
      'subject', left(x.step_subject, 1001),
      'template', left(x.step_template, 1000001),
      'subject_variables', x.subject_variables,
      'footer', left(x.footer, 1000001),
      'footer_required', x.footer_required,
      'list_unsubscribe', x.list_unsubscribe,
      'attachment', x.attachment,
      'wait_seconds', greatest(extract(epoch from x.scheduled_at - chain_facts.t), 0)::double precision,
      'delay_seconds', coalesce(x.delay_seconds, x.delay_days * 86400.0, 0),
      'time_zone', x.time_zone,
      'send_days', x.send_days,
      'send_from', x.send_from,
      'send_until', nullif(x.send_until, '24:00'),
      'skip_dates', x.skip_dates,
      'opens', public.next_opening(x.*, chain_facts.t) is not null,
      'fault_of_accounts', public.fault_of_accounts(x.*),
      'lacks_accounts', case when x.parent_id is not null
        and exists (select from public.campaign_accounts ca where ca.campaign_id = x.id)
      then (
        select count(*)
        from public.campaign_accounts ca
        where ca.campaign_id = x.parent_id and not exists (
          select from public.campaign_accounts own where own.campaign_id = x.id and own.account_id = ca.account_id))
      else 0 end,
      'ahead', coalesce((
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'account', ahead.account, 'leads', ahead.leads,
          'due_seconds', coalesce(greatest(extract(epoch from ahead.due - chain_facts.t), 0), 0)::double precision))
        from (
          select cl.assigned_account_id as account, count(*) as leads, max(cl.next_attempt_at) as due
          from public.campaign_leads cl
          where cl.campaign_id = x.id and cl.status = 'pending'
          group by cl.assigned_account_id
          union all
          select cl.assigned_account_id, count(*), public.follow_due(x.*, max(cl.sent_at))
          from public.campaign_leads cl
          where x.parent_id is not null and x.status <> 'cancelled'
            and cl.campaign_id = public.step_before(x.*) and cl.status = 'sent' and cl.followed_at is null
            and cl.sent_at > coalesce(x.follow_since, x.created_at - interval '30 days')
          group by cl.assigned_account_id
        ) ahead), '[]'))
    order by coalesce(x.step, 1))
  from public.campaigns x
  where x.id = any (public.campaigns_of_chain(chain_facts.campaign))
    and (x.parent_id is null or not exists (
      select from public.campaigns gone
      where gone.parent_id = x.parent_id and gone.step <= x.step and gone.status = 'cancelled'));
$$;
