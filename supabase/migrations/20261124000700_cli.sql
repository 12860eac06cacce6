-- What a person decides by hand.

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
--   resolved: {lead, lead_status, campaign, campaign_status}      rejected: {reason}
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
    or (lead is null and x.campaign_id = campaign and lower(btrim(l.email)) = lower(btrim(address)))
  order by
    exists (
      select from public.send_attempts y where y.campaign_lead_id = x.id and y.outcome = 'unclear'
    ) desc,
    x.id
  limit 1;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', case
      when lead is null then pg_catalog.format(
        'The campaign has no lead %s; `outreach campaigns leads %s` shows those that it has.', address, campaign)
      else pg_catalog.format('There is no lead %s; give its address with --campaign ID.', lead)
    end);
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
  if was_sent then
    update public.send_attempts x set outcome = 'sent', finished_at = t, detail = word where x.id = s.id;
    update public.campaign_leads x
    set status = 'sent', sent_at = s.started_at, thread_id = s.thread_id, error = null, next_attempt_at = null
    where x.id = cl.id;
    -- A live run counts the end itself; so does the one that goes on with what is pending.
    if c.status in ('running', 'completed', 'error') and not owned and not exists (
      select from public.campaign_leads x where x.campaign_id = c.id and x.status = 'pending'
    ) then
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
      status = 'running', error = null, finished_at = null, resume_at = null, waiting_for = null, run_id = null,
      lease_until = null, crash_count = 0
    where x.id = c.id;
  end if;
end
$$;
