-- Leads whose address is suppressed: they are cancelled, with the reason, and are no failure.

create or replace function public.cancel_suppressed(leads uuid[], t timestamptz) returns uuid[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads of campaigns, which the caller has locked, cancels those that nobody may mail; returns them.
declare
  has_erased boolean;
  suspect uuid[];
  cancelled uuid[];
begin
  if not exists (select from public.suppressions) then
    return '{}';
  end if;
  -- Nearly all are not: suppression_of is asked of the others alone.
  has_erased := exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;');
  select array_agg(cl.id) into suspect
  from public.campaign_leads cl
  join public.leads l on l.id = cl.lead_id
  where cl.id = any (leads) and cl.status = 'pending' and cl.open_attempt_id is null
    and (has_erased or exists (
      select from public.suppressions s
      where s.key = any (public.suppression_keys(
        -- As in import_leads: a call costs more than a look.
        case when l.email ~ '[^!-~]' then public.mailbox_key(l.email) else lower(l.email) end))));
  if suspect is null then
    return '{}';
  end if;
  with judged as materialized (
    select cl.id, x.held
    from public.campaign_leads cl
    join public.campaigns c on c.id = cl.campaign_id
    join public.leads l on l.id = cl.lead_id
    cross join lateral (
      -- `offset 0`: asked once a lead.
      select public.suppression_of(public.suppression_keys(public.mailbox_key(l.email)), c.user_id, t) as held
      offset 0) x
    where cl.id = any (suspect) and (x.held).id is not null
  ), changed as (
    update public.campaign_leads cl
    set
      status = 'cancelled', error = public.told_suppression(judged.held), claim_token = null, claimed_until = null,
      next_attempt_at = null
    from judged
    where cl.id = judged.id
    returning cl.id
  )
  select array_agg(changed.id) into cancelled from changed;
  return coalesce(cancelled, '{}');
end
$$;

create or replace function public.leads_of_keys(keys text[]) returns setof uuid
language sql
stable
security invoker
set search_path = ''
-- A few leads of a large table: always by index.
set enable_seqscan = off
as $$
  -- The leads that these addresses and domains may suppress, however their rows spell them; a few others, too.
  select l.id
  from unnest(leads_of_keys.keys) given (key)
  join public.leads l on lower(l.email) = given.key
  where strpos(given.key, '@') > 0
  union
  -- Backwards an address begins with its domain, `@` comes before `A` and `.` before `/`.
  select l.id
  from unnest(leads_of_keys.keys) given (key)
  cross join lateral (
    values (reverse(given.key) || '@', reverse(given.key) || 'A'), (reverse(given.key) || '.', reverse(given.key) || '/')
  ) backwards (first, last)
  join public.leads l
    on reverse(lower(l.email)) operator(pg_catalog.~>=~) backwards.first
    and reverse(lower(l.email)) operator(pg_catalog.~<~) backwards.last
  where strpos(given.key, '@') = 0 and strpos(given.key, '.') > 0
  union
  select l.id
  from public.leads l
  where l.email ~ '[^!-~]' and public.suppression_keys(public.mailbox_key(l.email)) && leads_of_keys.keys;
$$;

create or replace function public.sweep_suppressed(
  most integer default 1000,
  most_leads integer default 5000,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Cancels the pending leads of addresses and domains that were suppressed since the last sweep. It waits for no
-- lock: a lead that somebody holds at this moment is being claimed or begun, which looks for itself.
--   swept: {suppressions, leads} nothing is left when both are 0
declare
  t constant timestamptz := coalesce(now, clock_timestamp());
  swept uuid[];
  keys text[];
  found_leads uuid[];
  cancelled bigint;
begin
  select array_agg(x.id), array_agg(x.key) into swept, keys
  from (
    select s.id, s.key
    from public.suppressions s
    where s.swept_at is null
    order by s.id
    limit most
    for update skip locked
  ) x;
  if swept is null then
    return next pg_catalog.jsonb_build_object('answer', 'swept', 'suppressions', 0, 'leads', 0);
    return;
  end if;
  select array_agg(x.id) into found_leads
  from (
    select cl.id
    from public.leads_of_keys(keys) named (lead)
    join public.campaign_leads cl on cl.lead_id = named.lead and cl.status = 'pending' and cl.open_attempt_id is null
    join public.campaigns c on c.id = cl.campaign_id and c.status not in ('completed', 'cancelled')
    where (public.suppression_of(
      public.suppression_keys(public.mailbox_key((select l.email from public.leads l where l.id = named.lead))),
      c.user_id, t)).id is not null
    order by cl.id
    limit most_leads
    for update of cl skip locked
  ) x;
  cancelled := cardinality(public.cancel_suppressed(coalesce(found_leads, '{}'), t));
  if cancelled < most_leads then
    update public.suppressions s set swept_at = t where s.id = any (swept);
  end if;
  return next pg_catalog.jsonb_build_object(
    'answer', 'swept', 'suppressions', cardinality(swept), 'leads', cancelled);
end
$$;

create or replace function public.cancelled_reasons(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Why leads of it were not mailed on purpose, without dates; leads that were cancelled with the campaign have none.
  select pg_catalog.jsonb_build_object('reason', told.cause, 'leads', count(*))
  from public.campaign_leads cl
  cross join lateral (select public.left_for(cl.error) as cause) told
  where cl.campaign_id = cancelled_reasons.campaign and cl.status = 'cancelled' and cl.error is not null
  group by told.cause
  order by count(*) desc, told.cause
  limit 100;
$$;
