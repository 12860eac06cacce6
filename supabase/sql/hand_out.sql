-- What a claim hands out.

create or replace function public.hand_out(c public.campaigns, batch uuid, t timestamptz) returns jsonb
language plpgsql
security invoker
set search_path = ''
-- Of a campaign whose rows nobody has counted, the planner would read and sort all leads instead.
set enable_sort = off
as $$
#variable_conflict use_variable
-- All that the mail of each claimed lead needs, in the order of their times; no token of its account. Null for
-- none. A lead that cannot be mailed fails.
declare
  claims jsonb;
  faults jsonb;
begin
  perform public.keep_within_bounds(c, batch);
  with claimed as materialized (
    -- As rows, in order and with a limit: by campaign_leads_claimed, not past all that was sent.
    select x.*
    from public.campaign_leads x
    where (x.campaign_id, x.claim_token) >= (c.id, batch) and (x.campaign_id, x.claim_token) <= (c.id, batch)
      and x.claim_token is not null
    order by x.campaign_id, x.claim_token
    limit 100000
  ), unreadable as materialized (
    select x.* from public.unreadable_leads(array(select cl.lead_id from claimed cl)) x
  )
  select
    pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'id', cl.id,
        'token', cl.claim_token,
        'wait_seconds', greatest(extract(epoch from cl.next_attempt_at - t), 0)::double precision,
        'sender', pg_catalog.jsonb_build_object(
          'id', x.id, 'email', coalesce(x.email, ''), 'name', x.sender_name, 'reply_to', x.reply_to),
        'lead', pg_catalog.jsonb_build_object(
          -- One character more than a template is given: enough to be refused.
          'email', left(btrim(l.email), 1000), 'name', left(l.name, 200001), 'role', left(l.role, 200001),
          'custom_fields', case
            when pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(l.custom_fields)) = 'object' then l.custom_fields
            else '{}'
          end),
        -- With the lead's own text in place of the company's, where it has one.
        'company', pg_catalog.jsonb_build_object(
          'name', left(co.name, 200001), 'domain', left(co.domain, 200001),
          'email_subject', left(coalesce(c.step_subject, nullif(l.email_subject, ''), co.email_subject), 1001),
          'email_template',
          left(coalesce(c.step_template, nullif(l.email_template, ''), co.email_template), 1000001)),
        'own_text', (c.step_subject is null and nullif(l.email_subject, '') is not null)
          or (c.step_template is null and nullif(l.email_template, '') is not null),
        'subject_variables', c.subject_variables,
        'follows', case when c.parent_id is not null then public.followed_mails(cl.id, c) end,
        'draft', (
          -- Of the last real attempt: what defer_lead notes in between has no mail, so no token.
          select case when last.outcome = 'not_sent' and last.draft_id is not null and last.account_id = x.id
            then pg_catalog.jsonb_build_object(
              'id', last.draft_id, 'thread_id', last.thread_id, 'search_token', last.search_token,
              'fingerprint', last.fingerprint,
              -- For workers of the releases before the fingerprint.
              'is_stale', lower(last.address) is distinct from public.mailbox_key(l.email))
          end
          from public.send_attempts last
          where last.campaign_lead_id = cl.id and last.search_token <> ''
          order by last.started_at desc
          limit 1))
      order by cl.next_attempt_at, cl.id
    ) filter (where x.id is not null and fault.why is null),
    pg_catalog.jsonb_object_agg(cl.id, fault.why) filter (where fault.why is not null)
  into claims, faults
  from claimed cl
  left join public.accounts x on x.id = cl.assigned_account_id
  left join public.leads l on l.id = cl.lead_id
  left join public.companies co on co.id = l.company_id
  left join unreadable u on u.lead = l.id
  cross join lateral (
    select case
      when l.id is null then 'The lead was deleted'
      when coalesce(btrim(l.email), '') = '' then 'The lead has no email address'
      when public.is_erased(l.email) then 'The person was erased'
      when u.why is not null then pg_catalog.format('The lead''s custom fields %s; correct them, then retry it', u.why)
      when l.company_id is not null and co.id is null then 'The company of the lead was deleted'
    end
  ) fault (why);
  if faults is not null then
    perform public.fail_unmailable(batch, faults, t);
  end if;
  return claims;
end
$$;

create or replace function public.keep_within_bounds(c public.campaigns, batch uuid) returns void
language plpgsql
security invoker
set search_path = ''
-- As in hand_out.
set enable_sort = off
as $$
#variable_conflict use_variable
-- Gives back the leads of a batch whose texts, a copy for each, are more than JSON can hold: a quarter of a GB. They
-- are claimed again, and the times that were held for them are free. Lengths alone are looked at, which reads no text.
begin
  with claimed as materialized (
    select x.id, x.next_attempt_at, x.lead_id, x.assigned_account_id
    from public.campaign_leads x
    where (x.campaign_id, x.claim_token) >= (c.id, batch) and (x.campaign_id, x.claim_token) <= (c.id, batch)
      and x.claim_token is not null
    order by x.campaign_id, x.claim_token
    limit 100000
  ), sized as (
    select
      cl.id, cl.assigned_account_id as account, cl.next_attempt_at as held,
      sum(least(octet_length(coalesce(c.step_template, nullif(l.email_template, ''), co.email_template)), 4000004))
        over (order by cl.next_attempt_at, cl.id rows between unbounded preceding and 1 preceding) as before
    from claimed cl
    left join public.leads l on l.id = cl.lead_id
    left join public.companies co on co.id = l.company_id
  ), given_back as (
    update public.campaign_leads x
    set claim_token = null, claimed_until = null, next_attempt_at = null
    from sized
    where x.id = sized.id and sized.before > 100000000
  )
  update public.accounts a
  set next_send_at = free.since
  from (select s.account, min(s.held) as since from sized s where s.before > 100000000 group by s.account) free
  where a.id = free.account and a.next_send_at > free.since;
end
$$;

create or replace function public.fail_unmailable(batch uuid, faults jsonb, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of a batch's leads, those whose row is missing or unreadable: they fail, they never hide. faults: {lead: reason}
declare
  failed uuid[];
begin
  with changed as (
    update public.campaign_leads cl
    set status = 'failed', error = fault.why, claim_token = null, claimed_until = null
    from pg_catalog.jsonb_each_text(faults) fault (lead, why)
    where cl.id = fault.lead::uuid and cl.claim_token = batch
    returning cl.id
  )
  select array_agg(changed.id) into failed from changed;
  perform public.note_failures(failed, t);
end
$$;
