-- What exactly was sent: versions of templates, and all that ever happened to a person.

create or replace function public.note_template(content jsonb) returns void
language sql
security invoker
set search_path = ''
as $$
  -- The text of a version that its worker has not noted yet: {template, own, text: {subject, body, footer}}.
  insert into public.template_versions (hash, own_text, subject, body, footer)
  values (
    content ->> 'template', coalesce((content ->> 'own')::boolean, false),
    coalesce(content #>> '{text,subject}', ''), coalesce(content #>> '{text,body}', ''), content #>> '{text,footer}')
  on conflict (hash) do nothing;
$$;

create or replace function public.content_of_draft(token text) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What an earlier attempt noted of the draft that this one sends.
  select pg_catalog.jsonb_build_object(
    'template', s.template, 'own', s.own_text, 'subject', s.subject, 'filled', s.placeholders,
    'fingerprint', s.fingerprint)
  from public.send_attempts s
  where s.search_token = content_of_draft.token and s.search_token <> '' and s.template is not null
  limit 1;
$$;

create or replace function public.template_text(template text) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The text of a version, by its hash or the beginning of it (eight characters at least).
  select pg_catalog.jsonb_build_object(
    'hash', v.hash, 'first_used_at', v.first_used_at, 'own_text', v.own_text,
    'subject', v.subject, 'body', v.body, 'footer', v.footer)
  from public.template_versions v
  where length(template_text.template) >= 8
    and v.hash >= template_text.template and v.hash < template_text.template || 'g'
  order by v.hash
  limit 1;
$$;

create or replace function public.leads_of_address(address text) returns setof uuid
language sql
stable
security invoker
set search_path = ''
as $$
  -- leads.id of a mailbox, however the rows spell it.
  select x.lead
  from public.leads_of_keys(array[public.mailbox_key(leads_of_address.address)]) x (lead)
  join public.leads l on l.id = x.lead
  where public.mailbox_key(l.email) = public.mailbox_key(leads_of_address.address);
$$;

create or replace function public.lead_in_campaigns(address text, most integer default 1000) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The campaigns that have this person among their leads, and how they stand there; the last ones.
  select pg_catalog.jsonb_build_object(
    'id', cl.id, 'campaign_id', cl.campaign_id, 'campaign', c.name, 'status', cl.status, 'account', a.email,
    'sent_at', cl.sent_at, 'opened_at', cl.opened_at,
    'opened_by', coalesce(cl.open_class, case when cl.opened_at is not null then 'unclassified' end),
    'error', left(cl.error, 1001))
  from public.leads_of_address(lead_in_campaigns.address) x (lead)
  join public.campaign_leads cl on cl.lead_id = x.lead
  left join public.campaigns c on c.id = cl.campaign_id
  left join public.accounts a on a.id = cl.assigned_account_id
  order by coalesce(cl.sent_at, c.created_at) desc nulls last, cl.id
  limit lead_in_campaigns.most;
$$;

create or replace function public.lead_events(address text, most integer default 1000) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- All that ever happened to a person, over all campaigns; the last events, the newest first. Each kind is one
  -- branch: a new one has the columns at, kind, campaign_id, account_id and what is special to it.
  with its_leads as materialized (
    select cl.id, cl.campaign_id
    from public.leads_of_address(lead_events.address) x (lead)
    join public.campaign_leads cl on cl.lead_id = x.lead
  ),
  its_attempts as materialized (
    select s.*
    from its_leads x
    join public.send_attempts s on s.campaign_lead_id = x.id
    union
    -- The log outlives the rows of leads.
    select s.*
    from public.send_attempts s
    where lower(s.address) = public.mailbox_key(lead_events.address) and public.may_have_left(s.outcome)
  ),
  happened as (
    select s.started_at as at, 'mail' as kind, s.campaign_id, s.account_id, pg_catalog.jsonb_build_object(
      'outcome', coalesce(s.outcome, 'open'), 'detail', left(s.detail, 1001), 'subject', s.subject,
      'template', s.template, 'placeholders', s.placeholders) as more
    from its_attempts s
    union all
    select f.failed_at, 'failed', x.campaign_id, null, pg_catalog.jsonb_build_object('detail', left(f.reason, 1001))
    from its_leads x
    join public.lead_failures f on f.campaign_lead_id = x.id
    union all
    select e.at, 'open', x.campaign_id, null, pg_catalog.jsonb_build_object('outcome', e.class, 'detail', e.rule)
    from (select y.id, y.campaign_id from its_leads y
      union select y.campaign_lead_id, y.campaign_id from its_attempts y) x
    join public.mail_events e on e.campaign_lead_id = x.id
    union all
    -- Without an event of ours: an endpoint of the web app wrote the time.
    select cl.opened_at, 'open', x.campaign_id, null, pg_catalog.jsonb_build_object(
      'outcome', 'unclassified', 'detail', 'the web app wrote the time')
    from its_leads x
    join public.campaign_leads cl on cl.id = x.id
    where cl.opened_at is not null
      and not exists (select from public.mail_events e where e.campaign_lead_id = x.id and e.class <> 'machine')
    union all
    select y.at, y.act, null, null, pg_catalog.jsonb_build_object(
      'outcome', y.details ->> 'cause', 'detail', left(y.details ->> 'reason', 1001), 'by', y.by_name)
    from public.audit y
    where y.subject = any (public.suppression_keys(public.mailbox_key(lead_events.address)))
    union all
    select i.received_at, i.kind, m.campaign_id, i.account_id, pg_catalog.jsonb_build_object(
      'outcome', m.verdict, 'detail', nullif(concat_ws(', ', nullif(m.status, ''), 'back on ' || i.back_on), ''))
    from its_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
  )
  select pg_catalog.jsonb_build_object(
    'at', h.at, 'kind', h.kind, 'campaign_id', h.campaign_id, 'campaign', c.name, 'account', a.email) || h.more
  from happened h
  left join public.campaigns c on c.id = h.campaign_id
  left join public.accounts a on a.id = h.account_id
  order by h.at desc nulls last, h.kind
  limit lead_events.most;
$$;

create or replace function public.lead_suppressions(address text, most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The suppressions of the address and of its domains, also those whose end is past.
  select pg_catalog.jsonb_build_object(
    'key', s.key, 'owner', s.user_id, 'cause', s.cause, 'reason', left(s.reason, 1001), 'source', s.source,
    'since', s.created_at, 'until', s.until, 'holds', s.until is null or s.until > clock_timestamp())
  from (
    select public.suppression_keys(public.mailbox_key(lead_suppressions.address)) as keys,
      'erased:' || public.keyed_hash(public.mailbox_key(lead_suppressions.address)) as erased
    offset 0
  ) asked
  join public.suppressions s on s.key = any (asked.keys || asked.erased)
  order by s.created_at, s.id
  limit lead_suppressions.most;
$$;

create or replace function public.forget_content(key text, leads uuid[]) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of a person who is erased: the subjects as sent, and the texts that were theirs alone.
  with its_attempts as (
    select s.id, s.template, s.own_text
    from public.send_attempts s
    where lower(s.address) = forget_content.key and public.may_have_left(s.outcome)
    union
    select s.id, s.template, s.own_text
    from public.campaign_leads cl
    join public.send_attempts s on s.campaign_lead_id = cl.id
    where cl.lead_id = any (forget_content.leads)
  ), forgotten as (
    delete from public.template_versions v using its_attempts x where v.hash = x.template and x.own_text
  )
  update public.send_attempts s set subject = null, placeholders = null, fingerprint = null
  from its_attempts x
  where s.id = x.id and (s.subject is not null or s.placeholders is not null or s.fingerprint is not null);
$$;
