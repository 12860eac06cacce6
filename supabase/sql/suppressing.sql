-- How suppressions are written: by whomever, under the locks of their keys, each act in the audit.

create or replace function public.date_suppressions(suppressions uuid[], keys text[]) returns void
language plpgsql
security invoker
set search_path = ''
-- A thousand rows of a large table: always by index.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Of rows that hold from now on, or for more than before: refuses those in another form than the log has, waits for
-- the mails that are being begun, then dates the rows.
declare
  number bigint;
  other text;
begin
  if cardinality(suppressions) > 1000 then
    raise exception
      'At most 1,000 suppressions may be written by one statement: each takes a lock until its transaction ends.'
      using errcode = 'program_limit_exceeded';
  end if;
  select given.key into other
  from unnest(keys) given (key)
  where given.key <> public.suppression_key(given.key)
  limit 1;
  if found then
    raise exception 'The suppression % is not in the form of the log: write %.', other, public.suppression_key(other)
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

create or replace function public.told_act(s public.suppressions) returns jsonb
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- What the audit keeps of a row.
  select pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
    'cause', s.cause, 'reason', s.reason, 'source', s.source, 'until', s.until));
$$;

create or replace function public.suppressions_inserted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  perform public.date_suppressions(array(select n.id from new_rows n), array(select n.key from new_rows n));
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'suppressed', n.key, n.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(n)
  from new_rows n;
  return null;
end
$$;

create or replace function public.suppressions_updated() returns trigger
language plpgsql
security invoker
set search_path = ''
-- Of the rows of a statement nothing is known: it would compare each with each.
set enable_nestloop = off
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
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'changed', n.key, n.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(n)
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
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'lifted', o.key, o.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(o)
  from old_rows o;
  return null;
end
$$;

-- Rows of a web app count as ours do, so it is the table that keeps the rule.
create or replace trigger suppressions_inserted after insert on public.suppressions
  referencing new table as new_rows
  for each statement execute function public.suppressions_inserted();
create or replace trigger suppressions_updated after update on public.suppressions
  referencing old table as old_rows new table as new_rows
  for each statement execute function public.suppressions_updated();
create or replace trigger suppressions_deleted after delete on public.suppressions
  referencing old table as old_rows
  for each statement execute function public.suppressions_deleted();
