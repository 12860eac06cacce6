-- What recipients and persons do with suppressions: opt out, add, lift, look.

create or replace function public.unsubscribe(token text, origin text default 'link') returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The recipient of the mail with this token wants no more of its campaign's owner. Needs neither the lead nor the
-- campaign to exist any more; repeated it changes nothing.
--   done, already: {campaign}    unknown: no mail has this token    canary: a trial of the web app's address
declare
  s public.send_attempts;
  owner uuid;
begin
  if coalesce(token, '') = '' or length(token) > 200 then
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  select x.* into s
  from public.send_attempts x
  where x.search_token = token and x.search_token <> ''
  order by x.started_at desc
  limit 1;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', case
      when exists (select from public.web_addresses w where w.canary = token) then 'canary'
      else 'unknown'
    end);
    return;
  end if;
  -- Where the campaign is gone its account tells the owner; without one it holds for everybody.
  select x.user_id into owner from public.campaigns x where x.id = s.campaign_id;
  if not found then
    select x.user_id into owner from public.accounts x where x.id = s.account_id;
  end if;
  insert into public.suppressions as x (key, user_id, cause, source)
  values (
    case when strpos(s.address, '@') > 0 then public.mailbox_key(s.address) else 'erased:' || split_part(s.address, ':', 1) end,
    owner, 'opt_out', left(origin, 100))
  on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
  set until = null, source = excluded.source
  where x.until is not null;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'already', 'campaign', s.campaign_id);
    return;
  end if;
  if origin <> 'mail' then -- the reader of the mailbox records the mail
    perform public.save_inbound(s.account_id, '{"kind": "unsubscribe"}',
      pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('attempt', s.id)), 'link', clock_timestamp());
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'done', 'campaign', s.campaign_id);
end
$$;

create or replace function public.suppress(
  entries jsonb,
  origin text,
  by_name text default null,
  owner uuid default null,
  forced boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Suppresses up to 1,000 keys. entries: [{key, cause, reason, until}], all but the key optional. What holds already
-- keeps its date; what had ended, or was to end sooner, holds from now on. A domain in which people of many
-- companies have addresses, or many companies their own, is left out unless `forced`.
--   suppressed: {added, known, left_out: [key]}
declare
  has_erased constant boolean :=
    exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;');
  asked bigint;
  added bigint;
  left_out text[] := '{}';
begin
  if not forced then
    select coalesce(array_agg(distinct asked_for.key), '{}') into left_out
    from (
      select public.suppression_key(e.key) as key
      from pg_catalog.jsonb_to_recordset(entries) e (key text)
      where strpos(e.key, '@') = 0
    ) asked_for
    join unnest(public.shared_domains()) shared (domain)
      on shared.domain = asked_for.key or right(shared.domain, length(asked_for.key) + 1) = '.' || asked_for.key;
  end if;
  perform pg_catalog.set_config('outreach.by_name', coalesce(left(by_name, 200), ''), true);
  with named as (
    select public.suppression_key(e.key) as key, coalesce(e.cause, 'listed') as cause,
      nullif(left(e.reason, 1000), '') as reason, e.until
    from pg_catalog.jsonb_to_recordset(entries) e (key text, cause text, reason text, until timestamptz)
  ), given as (
    -- Who was erased stays unnamed.
    select distinct on (coalesce(erased.key, n.key), n.cause)
      coalesce(erased.key, n.key) as key, n.cause, n.reason, n.until
    from named n
    left join public.suppressions erased
      on has_erased and erased.key = 'erased:' || public.keyed_hash(n.key) and erased.cause = 'erased'
    where n.key <> all (left_out)
    order by coalesce(erased.key, n.key), n.cause, n.until desc nulls first
  ), written as (
    insert into public.suppressions as x (key, user_id, cause, reason, source, until)
    select g.key, owner, g.cause, g.reason, left(origin, 100), g.until
    from given g
    order by g.key collate "C", g.cause -- in one order, so that two imports of the same list wait in turns
    on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
    set until = excluded.until, reason = coalesce(excluded.reason, x.reason), source = excluded.source
    where x.until < excluded.until or (x.until is not null and excluded.until is null)
    returning 1
  )
  select (select count(*) from given), (select count(*) from written) into asked, added;
  perform pg_catalog.set_config('outreach.by_name', '', true);
  return next pg_catalog.jsonb_build_object('answer', 'suppressed', 'added', added, 'known', asked - added,
    'left_out', left_out);
end
$$;

create or replace function public.lift_suppressions(
  keys text[],
  by_name text,
  owner uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Takes these addresses and domains out, whatever the cause, in the name of a person; of an owner, or of everybody.
-- Leads that were cancelled for it stay cancelled until a person retries them.
--   lifted: {lifted, still: [{key, why}]} what another suppression holds all the same
declare
  lifted bigint;
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A suppression is lifted in the name of a person; name them with --by.');
    return;
  end if;
  keys := array(select public.suppression_key(given.key) from unnest(keys) given (key));
  perform pg_catalog.set_config('outreach.by_name', left(btrim(by_name), 200), true);
  delete from public.suppressions s
  where s.key = any (keys || array(
      select 'erased:' || public.keyed_hash(given.key) from unnest(keys) given (key) where strpos(given.key, '@') > 0))
    and (owner is null or s.user_id = owner);
  get diagnostics lifted = row_count;
  perform pg_catalog.set_config('outreach.by_name', '', true);
  return next pg_catalog.jsonb_build_object('answer', 'lifted', 'lifted', lifted, 'still', coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('key', held.key, 'why', held.why) order by held.key)
    from (
      select
        given.key,
        public.told_suppression(public.suppression_of(
          public.suppression_keys(case when strpos(given.key, '@') > 0 then given.key else '@' || given.key end),
          owner, clock_timestamp())) as why
      from unnest(keys) given (key)
    ) held
    where held.why is not null), '[]'));
end
$$;

create or replace function public.list_suppressions(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  owner uuid default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Those of an owner, or all; what has ended, too.
  select pg_catalog.jsonb_build_object(
    'id', s.id, 'key', s.key, 'owner', s.user_id, 'cause', s.cause, 'reason', s.reason, 'source', s.source,
    'since', s.created_at, 'until', s.until, 'holds', s.until is null or s.until > clock_timestamp())
  from public.suppressions s
  where s.id > list_suppressions.after
    and (list_suppressions.owner is null or s.user_id = list_suppressions.owner)
  order by s.id
  limit list_suppressions.most;
$$;

create or replace function public.list_acts(
  key text,
  most integer default 1000
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What was done to the suppressions of an address or a domain, the oldest first; of very many acts the last.
  select pg_catalog.jsonb_build_object('at', last.at, 'act', last.act, 'by', last.by_name, 'owner', last.user_id)
    || last.details
  from (
    select a.*
    from public.audit a
    cross join lateral (select public.suppression_key(list_acts.key) as key offset 0) asked
    where a.subject in (asked.key, 'erased:' || public.keyed_hash(asked.key))
    order by a.at desc, a.id desc
    limit list_acts.most
  ) last
  order by last.at, last.id;
$$;
