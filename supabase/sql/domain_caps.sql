-- The cap of mails a day to one domain: of all accounts together, by the number of the account that sends.
--
-- A mail under a cap is begun under the exclusive lock of its domain, of which every other mail to it takes the shared
-- one (see suppressions.sql). So nothing is begun between the count and the mail.

create or replace function public.mail_domain(address text) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left. To the letter the expression of the index send_attempts_to_domain.
as $$
  -- Of an address as the log has it.
  select split_part(lower(address), '@', -1);
$$;

create or replace function public.capped_domain(address text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- The domain that a cap counts, of an address in any spelling; null for those of free mail.
  select given.domain
  from (
    select public.mail_domain(public.canonical_address(capped_domain.address)) as domain
    -- No mail goes to what is longer.
    where strpos(capped_domain.address, '@') > 0 and length(capped_domain.address) <= 320
  ) given
  where given.domain <> all (public.shared_domains());
$$;

create or replace function public.hold_domain(mailbox text) returns boolean
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Until the end of this transaction nobody else begins a mail to the domain of this address. False: somebody is at
-- it, or suppresses it. Taken before hold_off_suppressions: two that both held the shared lock would both be refused.
declare
  domain constant text := public.capped_domain(mailbox);
begin
  return domain is null or pg_catalog.pg_try_advisory_xact_lock(public.suppression_lock(domain));
end
$$;

create or replace function public.mails_to(domain text, most integer, t timestamptz) returns setof timestamptz
language sql
stable
security invoker
set search_path = ''
-- As for begin_attempt.
set enable_seqscan = off
as $$
  -- When the mails of the last 24 hours to a domain began that left or may have, the youngest first.
  select s.started_at
  from public.send_attempts s
  where public.mail_domain(s.address) = mails_to.domain
    and (s.started_at at time zone 'UTC') > (mails_to.t - interval '24 hours') at time zone 'UTC'
    and public.may_have_left(s.outcome)
  order by s.started_at at time zone 'UTC' desc
  limit mails_to.most;
$$;

create or replace function public.domain_free_at(domain text, cap integer, t timestamptz) returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When the domain may get one more mail: as soon as all but `cap` - 1 of its mails are a day old. Null: now.
  select min(x.began) + interval '24 hours'
  from public.mails_to(domain_free_at.domain, domain_free_at.cap, domain_free_at.t) x (began)
  having count(*) >= domain_free_at.cap;
$$;

create or replace function public.told_domain_cap(domain text, cap integer) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- What a mail waits for, for people.
  select pg_catalog.format('the cap of %s mail(s) a day to %s', told_domain_cap.cap, told_domain_cap.domain);
$$;

create or replace function public.defer_capped(account uuid, leads uuid[], t timestamptz) returns uuid[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads of one campaign, which the caller has locked, defers those whose domain has no room; returns them.
-- The first lead waits for the first mail that will be a day old, the second for the second: they do not all
-- come back at once to be deferred anew. None waits longer than a day: the cap may be raised meanwhile.
declare
  cap integer;
  campaign uuid;
  deferred uuid[];
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  select x.domain_cap into cap from public.accounts x where x.id = account;
  if cap is null then
    return '{}';
  end if;
  select cl.campaign_id into campaign from public.campaign_leads cl where cl.id = leads[1];
  with asked as materialized (
    select x.*, row_number() over (partition by x.domain order by x.id) as nth
    from (
      select cl.id, public.capped_domain(l.email) as domain
      from public.campaign_leads cl
      join public.leads l on l.id = cl.lead_id
      where cl.id = any (leads)
    ) x
    where x.domain is not null
  ), claimed as materialized (
    select public.capped_domain(l.email) as domain, count(*) as mails
    from (
      -- As rows, in order and with a limit: as in claim_leads.
      select cl.lead_id, cl.status, cl.claimed_until
      from public.campaign_leads cl
      where (cl.campaign_id, cl.claim_token) >= (campaign, lowest)
        and (cl.campaign_id, cl.claim_token) <= (campaign, highest)
        and cl.claim_token is not null
      order by cl.campaign_id, cl.claim_token
      limit 1000
    ) x
    join public.leads l on l.id = x.lead_id
    where x.status = 'pending' and x.claimed_until > t
    group by 1
  ), used as materialized (
    -- What ends first comes first.
    select
      d.domain,
      coalesce((select claimed.mails from claimed where claimed.domain = d.domain), 0) as claimed,
      array(
        select x.began + interval '24 hours' from public.mails_to(d.domain, cap, t) x (began) order by x.began) as ends
    from (select distinct asked.domain from asked) d
  ), waiting as (
    select
      asked.id,
      coalesce(
        used.ends[asked.nth - greatest(cap - cardinality(used.ends) - used.claimed, 0)],
        t + interval '24 hours') as until
    from asked
    join used on used.domain = asked.domain
    where asked.nth > cap - cardinality(used.ends) - used.claimed
  ), changed as (
    update public.campaign_leads cl
    set next_attempt_at = waiting.until
    from waiting
    where cl.id = waiting.id
    returning cl.id
  )
  select array_agg(changed.id) into deferred from changed;
  return coalesce(deferred, '{}');
end
$$;

create or replace function public.awaited_cap(campaign uuid, at timestamptz, t timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The cap for which the leads that are deferred until then wait, in words; null: something else.
  select public.told_domain_cap(x.domain, x.domain_cap)
  from (
    select public.capped_domain(l.email) as domain, a.domain_cap
    from public.campaign_leads cl
    join public.accounts a on a.id = cl.assigned_account_id and a.domain_cap is not null
    join public.leads l on l.id = cl.lead_id
    where cl.campaign_id = awaited_cap.campaign and cl.next_attempt_at = awaited_cap.at
      and cl.status = 'pending' and cl.open_attempt_id is null and cl.claim_token is null
    limit 10
  ) x
  where public.domain_free_at(x.domain, x.domain_cap, awaited_cap.t) is not null
  limit 1;
$$;

create or replace function public.capped_domains(campaign uuid, t timestamptz) returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The domains whose cap makes the campaign last longer than a day, the slowest first, for estimates: of the first
-- 100,000 pending leads, since people look again and again.
declare
  capped constant uuid[] := array(
    select a.id
    from public.campaign_accounts ca
    join public.accounts a on a.id = ca.account_id
    where ca.campaign_id = campaign and a.domain_cap is not null);
begin
  if capped = '{}' then
    return '[]';
  end if;
  return coalesce((
    select pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'domain', slow.domain, 'leads', slow.leads, 'cap', slow.cap, 'sent_by_hour', slow.sent_by_hour)
      order by slow.leads::double precision / slow.cap desc, slow.domain)
    from (
      select most.*, public.by_hour(array(select public.mails_to(most.domain, 1000000, t)), t) as sent_by_hour
      from (
        select public.capped_domain('x@' || x.domain) as domain, x.leads, x.cap
        from (
          -- As the rows spell it: a call for each lead would take longer than all else.
          select public.mail_domain(l.email) as domain, count(*) as leads, max(a.domain_cap) as cap
          from (
            select cl.lead_id, cl.assigned_account_id
            from public.campaign_leads cl
            where cl.campaign_id = campaign and cl.status = 'pending'
            limit 100000
          ) pending
          join public.accounts a on a.id = pending.assigned_account_id and a.id = any (capped)
          join public.leads l on l.id = pending.lead_id
          group by 1
          order by count(*)::double precision / max(a.domain_cap) desc
          limit 200
        ) x
      ) most
      where most.domain is not null
    ) slow
    where slow.leads + (select sum(n::bigint) from pg_catalog.jsonb_array_elements_text(slow.sent_by_hour) x (n))
      > slow.cap
  ), '[]');
end
$$;
