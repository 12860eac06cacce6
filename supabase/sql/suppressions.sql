-- Whom no campaign mails: the keys by which an address is suppressed, and the rule that keeps a suppression and the
-- beginning of a mail apart.
--
-- A mail is begun under shared advisory locks on its keys, and reads the suppressions after it has them. Whoever
-- suppresses takes them exclusively, and dates the suppression then. So no mail is begun later than a suppression
-- that holds. A transaction that suppresses locks no lead, account or campaign: a sweep cancels the leads later.

create or replace function public.keyed_hash(given text) returns text
language sql
stable
strict
security invoker
set search_path = ''
as $$
  -- HMAC-SHA-256, in hexadecimal digits: what stands for the address of an erased person.
  select encode(sha256(k.outer_block || sha256(k.inner_block || convert_to(keyed_hash.given, 'UTF8'))), 'hex')
  from public.address_hash_key k;
$$;

create or replace function public.suppression_keys(address text) returns text[]
language plpgsql
stable
strict
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- All keys that suppress an address: its hash, itself, its domain and each parent of that with a dot.
declare
  mailbox constant text := public.mailbox_key(address);
  keys text[] := array[public.keyed_hash(mailbox), mailbox];
  domain text := substring(mailbox from '[^@]*$');
begin
  while strpos(domain, '.') > 0 loop
    keys := keys || domain;
    domain := substr(domain, strpos(domain, '.') + 1);
  end loop;
  return keys;
end
$$;

create or replace function public.suppression_locks(keys text[]) returns setof bigint
language sql
stable
security invoker
set search_path = ''
as $$
  -- The numbers of the advisory locks of these keys, in the order in which everybody takes them. An address and its
  -- hash are one.
  select distinct pg_catalog.hashtextextended(
    'suppression ' || case when strpos(given.key, '@') > 0 then public.keyed_hash(given.key) else given.key end, 0)
  from unnest(suppression_locks.keys) given (key)
  order by 1;
$$;

create or replace function public.hold_off_suppressions(keys text[]) returns boolean
language plpgsql
security invoker
set search_path = ''
set lock_timeout = '2s'
as $$
#variable_conflict use_variable
-- Until the end of this transaction nobody suppresses one of these keys; false: somebody was at it for too long.
declare
  number bigint;
begin
  for number in select public.suppression_locks(keys) loop
    perform pg_catalog.pg_advisory_xact_lock_shared(number);
  end loop;
  return true;
exception when lock_not_available then
  return false;
end
$$;

create or replace function public.suppression_of(keys text[], owner uuid, t timestamptz) returns public.suppressions
language sql
stable
security invoker
set search_path = ''
as $$
  -- What keeps an address with these keys from the campaigns of this owner; null for nothing. A campaign without an
  -- owner keeps to everybody's.
  select s.*
  from public.suppressions s
  where s.key = any (suppression_of.keys)
    and (s.until is null or s.until > suppression_of.t)
    and (s.user_id <> suppression_of.owner) is not true
  order by
    pg_catalog.array_position(array['opt_out', 'complaint', 'erased', 'dead', 'hold', 'listed'], s.cause), s.created_at
  limit 1;
$$;

create or replace function public.told_suppression(s public.suppressions) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same in words, as a cancelled lead has it.
  select case s.cause
      when 'opt_out' then 'opted out on '
      when 'complaint' then 'complained of a mail on '
      when 'erased' then 'was erased on '
      when 'dead' then 'the address was found dead on '
      when 'hold' then 'held for a person to look at since '
      else 'suppressed on '
    end
    || pg_catalog.to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD')
    || case when strpos(s.key, '.') > 0 and strpos(s.key, '@') = 0 then ', as all of ' || s.key else '' end
    || case when s.cause = 'listed' and s.reason <> '' then ': ' || s.reason else '' end
  where s.id is not null;
$$;

-- --- writing them ----------------------------------------------------------------------------

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
  for number in select public.suppression_locks(keys) loop
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
    case when strpos(s.address, '@') > 0 then public.mailbox_key(s.address) else s.address end, owner, 'opt_out',
    left(origin, 100))
  on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
  set until = null, source = excluded.source
  where x.until is not null;
  return next pg_catalog.jsonb_build_object(
    'answer', case when found then 'done' else 'already' end, 'campaign', s.campaign_id);
end
$$;
