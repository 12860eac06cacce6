-- Whom no campaign mails: the keys by which an address is suppressed, and the rule that keeps a suppression and the
-- beginning of a mail apart.
--
-- A mail is begun under shared advisory locks on its keys, and reads the suppressions after it has them. Whoever
-- suppresses takes them exclusively, and dates the suppression then. So no mail is begun later than a suppression
-- that holds. Who begins a mail holds its lead and its account, so it never waits for these locks: it is told to ask
-- again. A transaction that suppresses locks no lead, account or campaign: a sweep cancels the leads later.

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

create or replace function public.suppression_keys(mailbox text) returns text[]
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What suppresses an address, given as mailbox_key has it: itself, its domain, and each parent of that with a dot.
-- `erased:` and its keyed hash come on top.
declare
  keys text[] := array[mailbox];
  domain text := substring(mailbox from '[^@]*$');
begin
  while strpos(domain, '.') > 0 loop
    keys := keys || domain;
    domain := substr(domain, strpos(domain, '.') + 1);
  end loop;
  return keys;
end
$$;

create or replace function public.suppression_key(given text) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- An address or a domain in the form in which it is a key.
  select case
    when strpos(given, '@') > 0 then public.mailbox_key(given)
    else substr(public.mailbox_key('x@' || given), 3)
  end;
$$;

create or replace function public.suppression_lock(key text) returns bigint
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- The number of the advisory lock of a key. Keyed hashes have one for all of them: whoever begins a mail need not
  -- know the address's hash for it, and an erasure is rare.
  select pg_catalog.hashtextextended(case when key like 'erased:%' then 'erased' else key end, 2318);
$$;

create or replace function public.hold_off_suppressions(mailbox text) returns text[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The keys of an address, as suppression_keys has them; a call of it would take longer. Until the end of this
-- transaction nobody suppresses one of them. Null: somebody is at it.
declare
  keys text[] := array[mailbox];
  domain text := substring(mailbox from '[^@]*$');
  held boolean := pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended('erased', 2318))
    and pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended(mailbox, 2318));
begin
  while held and strpos(domain, '.') > 0 loop
    held := pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended(domain, 2318));
    keys := keys || domain;
    domain := substr(domain, strpos(domain, '.') + 1);
  end loop;
  return case when held then keys end;
end
$$;

create or replace function public.suppression_of(
  keys text[],
  owner uuid,
  t timestamptz,
  out suppression public.suppressions
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What keeps an address, the first of these keys, from the campaigns of this owner; null for nothing. A campaign
-- without an owner keeps to everybody's.
begin
  select s.* into suppression
  from public.suppressions s
  where s.key = any (keys || ('erased:' || public.keyed_hash(keys[1])))
    and (s.until is null or s.until > t)
    and (s.user_id <> owner) is not true
  order by
    pg_catalog.array_position(array['opt_out', 'complaint', 'erased', 'dead', 'hold', 'listed'], s.cause), s.created_at
  limit 1;
end
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
    || case
      when s.until is not null then ', until ' || pg_catalog.to_char(s.until at time zone 'UTC', 'YYYY-MM-DD')
      else ''
    end
    || case when s.cause = 'listed' and s.reason <> '' then ': ' || s.reason else '' end
  where s.id is not null;
$$;

create or replace function public.cause_told(reason text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- The cause in what told_suppression said, without its date; null for what it did not say.
  select substring(cause_told.reason from
    '^(opted\sout|complained\sof\sa\smail|was\serased|the\saddress\swas\sfound\sdead|'
    'held\sfor\sa\sperson\sto\slook\sat|suppressed)\s(?:on|since)\s[0-9]{4}-');
$$;
