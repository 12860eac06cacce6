-- How suppressions are written: by whomever, under the locks of their keys, each act in the audit.

create or replace function public.date_suppressions(suppressions uuid[], keys text[]) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of rows that hold from now on, or for more than before: refuses those in another form than the log has, waits for
-- the mails that are being begun, then dates the rows.
declare
  number bigint;
  other text;
begin
  if cardinality(suppressions) > 1000 then
    raise exception 'At most 1,000 suppressions may be written by one statement: each takes a lock until its transaction ends.'
      using errcode = 'program_limit_exceeded';
  end if;
  select given.key into other
  from unnest(keys) given (key)
  where given.key <> case
    when strpos(given.key, '@') > 0 then public.mailbox_key(given.key)
    else substr(public.mailbox_key('x@' || given.key), 3)
  end
  limit 1;
  if found then
    raise exception 'The suppression % is not in the form of the log: write %.', other, public.mailbox_key(other)
      using errcode = 'check_violation';
  end if;
  for number in
    select distinct public.suppression_lock(given.key) from unnest(keys) given (key) order by 1
  loop
    perform pg_catalog.pg_advisory_xact_lock(number);
  end loop;
  update public.suppressions s
  set created_at = clock_timestamp(), swept_at = null
  where s.id = any (suppressions);
end
$$;

create or replace function public.note_act(act text, s public.suppressions) returns void
language sql
security invoker
set search_path = ''
as $$
  -- In the audit, in the name that the transaction has set.
  insert into public.audit (act, subject, user_id, by_name, details)
  values (
    note_act.act, s.key, s.user_id, nullif(current_setting('outreach.by_name', true), ''),
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
      'cause', s.cause, 'reason', s.reason, 'source', s.source, 'until', s.until)));
$$;

create or replace function public.suppressions_inserted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  perform public.date_suppressions(array(select n.id from new_rows n), array(select n.key from new_rows n));
  perform public.note_act('suppressed', n.*) from new_rows n;
  return null;
end
$$;

create or replace function public.suppressions_updated() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
-- A row that holds for more than before holds since now: for another key, for others, or for longer.
declare
  widened uuid[];
  keys text[];
begin
  select array_agg(n.id), array_agg(n.key) into widened, keys
  from new_rows n
  left join old_rows o on o.id = n.id
  where o.id is null or n.key <> o.key
    or (n.user_id is distinct from o.user_id and o.user_id is not null)
    or n.until > o.until or (n.until is null and o.until is not null);
  if widened is not null then
    perform public.date_suppressions(widened, keys);
  end if;
  perform public.note_act('changed', n.*)
  from new_rows n
  left join old_rows o on o.id = n.id
  where (n.key, n.user_id, n.cause, n.reason, n.source, n.until)
    is distinct from (o.key, o.user_id, o.cause, o.reason, o.source, o.until);
  return null;
end
$$;

create or replace function public.suppressions_deleted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  perform public.note_act('lifted', o.*) from old_rows o;
  return null;
end
$$;

-- Rows of a web app count as ours do, so it is the table that keeps the rule.
drop trigger if exists suppressions_inserted on public.suppressions;
create trigger suppressions_inserted after insert on public.suppressions
  referencing new table as new_rows
  for each statement execute function public.suppressions_inserted();
drop trigger if exists suppressions_updated on public.suppressions;
create trigger suppressions_updated after update on public.suppressions
  referencing old table as old_rows new table as new_rows
  for each statement execute function public.suppressions_updated();
drop trigger if exists suppressions_deleted on public.suppressions;
create trigger suppressions_deleted after delete on public.suppressions
  referencing old table as old_rows
  for each statement execute function public.suppressions_deleted();

create or replace function public.unsubscribe(token text, origin text default 'link') returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The recipient of the mail with this token wants no more of its campaign's owner. Needs neither the lead nor the
-- campaign to exist any more; repeated it changes nothing.
--   done, already: {campaign}    unknown: no mail has this token
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
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  -- Where the campaign is gone its account tells the owner; without one it holds for everybody.
  select x.user_id into owner from public.campaigns x where x.id = s.campaign_id;
  if not found then
    select x.user_id into owner from public.accounts x where x.id = s.account_id;
  end if;
  insert into public.suppressions as x (key, user_id, cause, source)
  values (
    case when strpos(s.address, '@') > 0 then public.mailbox_key(s.address) else 'erased:' || s.address end, owner, 'opt_out',
    left(origin, 100))
  on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
  set until = null, source = excluded.source
  where x.until is not null;
  return next pg_catalog.jsonb_build_object(
    'answer', case when found then 'done' else 'already' end, 'campaign', s.campaign_id);
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
  asked bigint;
  added bigint;
  left_out text[] := '{}';
begin
  if not forced then
    select coalesce(array_agg(distinct e.key), '{}') into left_out
    from pg_catalog.jsonb_to_recordset(entries) e (key text)
    join unnest(public.shared_domains()) shared (domain)
      on shared.domain = e.key or right(shared.domain, length(e.key) + 1) = '.' || e.key
    where strpos(e.key, '@') = 0;
  end if;
  perform pg_catalog.set_config('outreach.by_name', coalesce(left(by_name, 200), ''), true);
  with given as (
    select distinct on (e.key, coalesce(e.cause, 'listed'))
      e.key, coalesce(e.cause, 'listed') as cause, nullif(left(e.reason, 1000), '') as reason, e.until
    from pg_catalog.jsonb_to_recordset(entries) e (key text, cause text, reason text, until timestamptz)
    where e.key <> all (left_out)
    order by e.key, coalesce(e.cause, 'listed'), e.until desc nulls first
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
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- All that was done to the suppressions of an address or a domain, the oldest first.
  select pg_catalog.jsonb_build_object('id', a.id, 'at', a.at, 'act', a.act, 'by', a.by_name, 'owner', a.user_id)
    || a.details
  from public.audit a
  where a.subject in (list_acts.key, 'erased:' || public.keyed_hash(list_acts.key)) and a.id > list_acts.after
  order by a.id
  limit list_acts.most;
$$;
