-- Gmail accounts. Every function returns a set of JSON objects: one shape for both transports.

create or replace function public.save_account(
  account uuid,
  address text,
  token text default null,
  display_name text default null,
  answer_to text default null,
  pace double precision default null,
  per_day integer default null,
  owner uuid default null,
  ramp_begin integer default null,
  ramp_growth integer default null,
  cap integer default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Adds the account of this address, or changes what is given of it. A token makes it usable again. A ramp that
-- begins with 0, and a cap of 0: none.
declare
  saved public.accounts;
begin
  -- For Postgres NaN is more than any number.
  if pace < 0 or pace > 86400 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A pace is a number of seconds from 0 to 86400.');
    return;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.save_account'));
  select a.* into saved from public.accounts a
  where a.id = account
    or (public.mailbox_key(a.email) = public.mailbox_key(address)
      and a.user_id is not distinct from coalesce(owner, a.user_id))
  order by (a.id = account) desc
  limit 1
  for no key update;

  if not found then
    insert into public.accounts (
      id, user_id, email, provider, refresh_token, sender_name, reply_to, pace_seconds, daily_limit, ramp_from, ramp_step,
      domain_cap)
    values (
      account, owner, address, 'gmail', coalesce(token, ''), display_name, answer_to, pace, per_day,
      nullif(ramp_begin, 0), case when ramp_begin > 0 then ramp_growth end, nullif(cap, 0))
    returning * into saved;
  else
    update public.accounts a
    set
      refresh_token = coalesce(token, a.refresh_token),
      access_token = case when token is null then a.access_token end,
      sender_name = coalesce(display_name, a.sender_name),
      reply_to = coalesce(answer_to, a.reply_to),
      pace_seconds = coalesce(pace, a.pace_seconds),
      -- A shorter pace holds from the next mail on; begin_attempt keeps the distance.
      next_send_at = case
        when pace < a.pace_seconds then least(a.next_send_at, clock_timestamp() + pace * interval '1 second')
        else a.next_send_at
      end,
      daily_limit = coalesce(per_day, a.daily_limit),
      ramp_from = nullif(coalesce(ramp_begin, a.ramp_from), 0),
      ramp_step = case when ramp_begin = 0 then null else coalesce(ramp_growth, a.ramp_step) end,
      domain_cap = nullif(coalesce(cap, a.domain_cap), 0),
      status = case when token is null and a.status <> 'removed' then a.status else 'active' end,
      status_reason = case when token is null then a.status_reason end
    where a.id = saved.id
    returning * into saved;
    update public.mailboxes m set next_read_at = null where m.account_id = saved.id and token is not null;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'saved', 'id', saved.id, 'email', saved.email);
end
$$;

create or replace function public.list_accounts(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object(
    'id', a.id,
    'email', a.email,
    'sender_name', a.sender_name,
    'reply_to', a.reply_to,
    'status', a.status,
    'status_reason', a.status_reason,
    'paused_seconds', public.seconds_paused(a.paused_until, clock.t),
    'pace_seconds', a.pace_seconds,
    'daily_limit', a.daily_limit,
    'ramp', public.told_ramp(its_row, clock.t),
    'domain_cap', a.domain_cap,
    'sent_today', public.mails_of_account(a.id, clock.t),
    'connected', coalesce(a.refresh_token, '') <> '',
    'rest_reason', case when a.paused_until > clock.t then a.rest_reason end,
    'mailbox', public.mailbox_of(a.id, clock.t)
  )
  from public.accounts a
  -- As a whole it is called by a name that no column has: then the name would be that column.
  join public.accounts its_row on its_row.id = a.id
  cross join (select coalesce(list_accounts.now, clock_timestamp()) as t) clock
  where a.status <> 'removed' and a.id > list_accounts.after
  order by a.id
  limit list_accounts.most;
$$;

create or replace function public.read_credentials(account uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('email', a.email, 'refresh_token', nullif(a.refresh_token, ''))
  from public.accounts a
  where a.id = read_credentials.account and a.status <> 'removed';
$$;

create or replace function public.remove_account(address text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Forgets the account's tokens. The row stays, as the sender of what it sent, and so that a second
-- removal is answered like the first.
declare
  removed public.accounts;
  waiting bigint;
begin
  select a.* into removed from public.accounts a
  where public.mailbox_key(a.email) = public.mailbox_key(address)
  order by a.status = 'removed', a.id
  limit 1
  for update;
  if not found then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', address),
      'remedy', 'list_accounts');
    return;
  end if;

  select count(*) into waiting from public.campaign_leads cl
  where cl.assigned_account_id = removed.id and cl.status = 'pending' and cl.open_attempt_id is null;
  select waiting + count(*) into waiting from public.send_attempts s
  where s.account_id = removed.id and s.outcome is null;
  if waiting > 0 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected',
      'reason', pg_catalog.format(
        '%s pending lead(s) are to be mailed by %s; let their campaigns end or cancel them, then remove it.',
        waiting, address));
    return;
  end if;

  delete from public.campaign_accounts ca where ca.account_id = removed.id;
  update public.accounts a
  set refresh_token = '', access_token = null, status = 'removed', status_reason = null
  where a.id = removed.id;
  return next pg_catalog.jsonb_build_object('answer', 'removed', 'id', removed.id);
end
$$;

create or replace function public.mark_account_unusable(account uuid, reason text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  update public.accounts a
  set status = 'unusable', status_reason = mark_account_unusable.reason
  where a.id = mark_account_unusable.account and a.status <> 'removed'
  returning pg_catalog.jsonb_build_object('answer', 'marked');
$$;

create or replace function public.pause_account(
  account uuid,
  seconds double precision,
  whole_project boolean default false,
  now timestamptz default null,
  brief boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Rests the account (or every account) for at least `seconds`, doubling with each pause in a row up to
-- a day. `brief`, for a rate and no quota: for exactly `seconds`, or without them 1, 2, 4 to 64 and some more.
-- Asked again while it rests, it changes nothing: many mails in flight meet the same quota.
declare
  a public.accounts;
  t timestamptz := coalesce(now, clock_timestamp());
  rests_until timestamptz;
begin
  for a in
    select x.* from public.accounts x
    where (x.id = account or whole_project) and x.status <> 'removed'
    order by x.id
    for no key update
  loop
    t := coalesce(now, clock_timestamp());
    if a.paused_until is null or a.paused_until <= t then
      update public.accounts x
      set
        paused_until = t + interval '1 second' * case
          when brief then coalesce(seconds, 2 ^ least(a.rate_pauses, 6) * (1 + random() / 4))
          else least(seconds * 2 ^ least(a.quota_pauses, 20), 86400)
        end,
        rest_reason = null,
        quota_pauses = a.quota_pauses + (not brief)::integer,
        rate_pauses = a.rate_pauses + brief::integer
      where x.id = a.id;
    end if;
  end loop;
  -- An account that was removed meanwhile sends nothing: its lead may be asked about again as soon.
  select x.paused_until into rests_until from public.accounts x where x.id = account and x.status <> 'removed';
  return next pg_catalog.jsonb_build_object(
    'answer', 'paused',
    'seconds', coalesce(extract(epoch from rests_until - t), seconds, 1)::double precision);
end
$$;
