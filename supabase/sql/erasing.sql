-- Erasing persons: every table forgets the address. Its keyed hash stays in the log of mails and in suppressions, so
-- that counts stay true and the person is mailed by nobody.

create or replace function public.is_erased(email text) returns boolean
language sql
immutable
parallel safe
security invoker
set search_path = ''
as $$
  -- What forget_person leaves in the row of a lead.
  select is_erased.email like 'erased-%@erased.invalid';
$$;

create or replace function public.erase_person(
  address text,
  by_name text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- From now on nobody mails the person; the rest follows at once, or after a mail that is on its way.
--   erased: {leads, mails}   later: a mail is on its way   rejected: {reason}
declare
  key constant text := public.mailbox_key(address);
  hash constant text := public.keyed_hash(key);
  t timestamptz;
  done jsonb;
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A person is erased in the name of a person; name them with --by.');
    return;
  elsif strpos(key, '@') = 0 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'An address is erased as a whole, such as jo@example.com.');
    return;
  end if;
  -- An import that has the person among its rows ends first: its rows are seen here.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.import_leads'));
  perform pg_catalog.set_config('outreach.by_name', left(btrim(by_name), 200), true);
  insert into public.suppressions (key, cause, source) values ('erased:' || hash, 'erased', 'command')
  on conflict do nothing;
  t := coalesce(now, clock_timestamp());
  -- Mails that were begun before are seen from here on, and none is begun any more.
  done := public.forget_person(key, hash, btrim(by_name), t, true);
  if done is null then
    insert into public.erasures (key, by_name) values (key, left(btrim(by_name), 200)) on conflict do nothing;
    return next pg_catalog.jsonb_build_object('answer', 'later');
  else
    return next done || pg_catalog.jsonb_build_object('answer', 'erased');
  end if;
end
$$;

create or replace function public.forget_person(
  key text,
  hash text,
  by_name text,
  t timestamptz,
  is_thorough boolean
) returns jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- {leads, mails}; null, and nothing is changed, while a mail to the address is on its way.
declare
  forgotten uuid[];
  mails bigint;
  s public.suppressions;
begin
  select pg_catalog.array_agg(l.id) into forgotten
  from public.leads_of_keys(array[key]) named (lead)
  join public.leads l on l.id = named.lead
  where public.mailbox_key(l.email) = key;
  -- As a mail is begun: first its lead. Whoever begins one at this moment is waited for, and its attempt is seen.
  perform from public.campaign_leads cl
  where cl.lead_id = any (forgotten) and cl.status = 'pending'
  order by cl.id
  for no key update;
  if exists (select from public.send_attempts a where lower(a.address) = key and a.outcome is null) then
    return null;
  end if;

  update public.campaign_leads cl
  set
    status = 'cancelled', error = 'was erased on ' || pg_catalog.to_char(t at time zone 'UTC', 'YYYY-MM-DD'),
    claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.lead_id = any (forgotten) and cl.status = 'pending';
  update public.leads l
  set
    -- Not null: the web app's own columns may have to hold something.
    email = 'erased-' || left(hash, 16) || '@erased.invalid', name = '', role = '', tag = '', list_tags = '{}', custom_fields = '{}',
    email_subject = null, email_template = null
  where l.id = any (forgotten);
  perform public.forget_content(key, forgotten);
  update public.send_attempts a
  set address = case
    -- Who was forgotten before, imported anew and mailed again: an address stands once in a campaign.
    when exists (
      select from public.send_attempts y
      where lower(y.address) = hash and y.campaign_id = a.campaign_id and public.may_have_left(y.outcome))
    then hash || ':' || a.id
    else hash
  end
  where lower(a.address) = key and public.may_have_left(a.outcome);
  get diagnostics mails = row_count;
  update public.send_attempts a set address = hash
  from public.campaign_leads cl
  where cl.lead_id = any (forgotten) and a.campaign_lead_id = cl.id and lower(a.address) = key;
  if is_thorough or mails = 0 then -- no index has what was refused before it left
    update public.send_attempts a set address = hash where lower(a.address) = key;
  end if;
  delete from public.absences x where x.key = forget_person.key;

  -- What held goes on to hold, since when it did.
  for s in select x.* from public.suppressions x where x.key = forget_person.key loop
    -- What the hash has of that cause already holds for the longer of both.
    update public.suppressions x
    set until = case when x.until is not null and s.until is not null then greatest(x.until, s.until) end
    where x.key = 'erased:' || hash and x.cause = s.cause and x.user_id is not distinct from s.user_id;
    update public.suppressions x set key = 'erased:' || hash
    where x.id = s.id and not exists (
      select from public.suppressions y
      where y.key = 'erased:' || hash and y.cause = s.cause and y.user_id is not distinct from s.user_id);
    update public.suppressions x set created_at = s.created_at where x.id = s.id;
  end loop;
  delete from public.suppressions x where x.key = forget_person.key;
  -- Words about the person are forgotten, too.
  update public.suppressions x set reason = null where x.key = 'erased:' || hash and x.reason is not null;
  insert into public.audit (act, subject, by_name, details)
  values ('erased', 'erased:' || hash, left(by_name, 200), pg_catalog.jsonb_build_object(
    'leads', coalesce(cardinality(forgotten), 0), 'mails', mails));
  update public.audit a
  set subject = 'erased:' || hash, details = a.details - 'reason'
  where a.subject in (forget_person.key, 'erased:' || hash);
  delete from public.erasures e where e.key = forget_person.key;
  return pg_catalog.jsonb_build_object('leads', coalesce(cardinality(forgotten), 0), 'mails', mails);
end
$$;

create or replace function public.sweep_erasures(now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Erases persons whose mail has had its outcome meanwhile.
declare
  e public.erasures;
  erased bigint := 0;
begin
  for e in select x.* from public.erasures x order by x.key limit 1000 loop
    if public.forget_person(e.key, public.keyed_hash(e.key), e.by_name, coalesce(now, clock_timestamp()), true) is not null then
      erased := erased + 1;
    end if;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'persons', erased);
end
$$;

create or replace function public.sweep_retention(
  days double precision,
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Forgets persons who were mailed last more than `days` days ago, and whom no campaign is yet to mail. Who had not
-- opted out may be mailed again, when imported anew. `persons`: 0 when nobody is left.
declare
  t constant timestamptz := coalesce(now, clock_timestamp());
  oldest constant timestamptz := t - days * interval '1 day';
  person record;
  forgotten bigint := 0;
begin
  for person in
    select mailed.key
    from (
      select distinct lower(a.address) as key
      from public.send_attempts a
      where a.started_at < oldest and strpos(a.address, '@') > 0
    ) mailed
    where not exists (
      select from public.send_attempts y
      where lower(y.address) = mailed.key and public.may_have_left(y.outcome) and y.started_at >= oldest)
      and not public.is_to_be_mailed(mailed.key)
    limit most
  loop
    if public.forget_person(person.key, public.keyed_hash(person.key), 'retention', t, false) is not null then
      forgotten := forgotten + 1;
    end if;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'persons', forgotten);
end
$$;

create or replace function public.is_to_be_mailed(key text) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether a campaign has yet to mail this address, or a follow-up that is not planned yet.
  select exists (
    select from public.leads_of_keys(array[is_to_be_mailed.key]) named (lead)
    join public.campaign_leads cl on cl.lead_id = named.lead
    where cl.status = 'pending'
      or cl.status = 'sent' and cl.followed_at is null and exists (
        select from public.campaigns c
        join public.campaigns s on s.parent_id = coalesce(c.parent_id, c.id)
        where c.id = cl.campaign_id and s.step = coalesce(c.step, 1) + 1
          and s.status not in ('completed', 'cancelled')
          and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')));
$$;
