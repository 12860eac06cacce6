-- Reading mailboxes: who reads which one, how far it was read, what failed.
--
-- A reader leases mailboxes, so that each is read by one at a time. The cursor moves only past what is recorded: a
-- reader that dies leaves it, and the next one reads the same again, which `inbound` records once.

create or replace function public.take_mailboxes(
  reader uuid,
  lease_seconds double precision,
  rest_seconds double precision,
  most integer default 100,
  address text default null,
  now timestamptz default null,
  account uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Leases mailboxes that were not read for rest_seconds, of accounts that have sent mails; or that of `address` or
-- `account`, at any time. `since`: what arrived from then on may be unread.
declare
  t timestamptz;
begin
  insert into public.mailboxes (account_id)
  select a.id
  from public.accounts a
  where a.status <> 'removed' and coalesce(a.refresh_token, '') <> ''
    and not exists (select from public.mailboxes m where m.account_id = a.id)
  on conflict do nothing;
  t := coalesce(now, clock_timestamp());
  return query
  with due as materialized (
    select m.account_id
    from public.mailboxes m
    join public.accounts a on a.id = m.account_id
    where a.status <> 'removed' and coalesce(a.refresh_token, '') <> ''
      and (m.lease_until is null or m.lease_until <= t or m.reader = take_mailboxes.reader)
      and case
        when m.reader = take_mailboxes.reader then true -- asked again
        when account is not null then a.id = account
        when address is not null then public.mailbox_key(a.email) = public.mailbox_key(address)
        else (m.next_read_at is null or m.next_read_at <= t)
          and exists (
            select from public.send_attempts s where s.account_id = a.id and public.may_have_left(s.outcome))
      end
    order by m.next_read_at nulls first, m.account_id
    limit most
    for no key update of m skip locked
  ), taken as (
    update public.mailboxes m
    set
      reader = take_mailboxes.reader, reading_since = t, lease_until = t + lease_seconds * interval '1 second',
      next_read_at = t + rest_seconds * interval '1 second'
    from due
    where m.account_id = due.account_id
    returning m.*
  )
  select pg_catalog.jsonb_build_object(
    'account', a.id, 'email', a.email, 'history_id', taken.history_id,
    -- Machines' clocks are apart, and Gmail's too.
    'since', greatest(coalesce(taken.read_at, first.started_at, t) - interval '10 minutes', t - interval '90 days'),
    'footers', coalesce(texts.footers, '[]'))
  from taken
  join public.accounts a on a.id = taken.account_id
  left join lateral (
    select s.started_at
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome)
    order by s.started_at
    limit 1
  ) first on true
  cross join lateral (
    select pg_catalog.jsonb_agg(f.footer) as footers
    from (
      select distinct left(c.footer, 2000) as footer
      from public.campaign_accounts ca
      join public.campaigns c on c.id = ca.campaign_id
      where ca.account_id = a.id and c.footer <> ''
      limit 20
    ) f
  ) texts;
end
$$;

create or replace function public.keep_mailbox(
  account uuid,
  reader uuid,
  lease_seconds double precision,
  history text default null,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Prolongs the lease; with `history` moves the cursor there. No row: another reader has the mailbox.
  update public.mailboxes m
  set
    lease_until = coalesce(keep_mailbox.now, clock_timestamp()) + keep_mailbox.lease_seconds * interval '1 second',
    history_id = coalesce(keep_mailbox.history, m.history_id)
  where m.account_id = keep_mailbox.account and m.reader = keep_mailbox.reader
  returning pg_catalog.jsonb_build_object('answer', 'kept');
$$;

create or replace function public.finish_mailbox(
  account uuid,
  reader uuid,
  history text,
  granted text default null,
  gap_since timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- All that had arrived when the reading began is recorded. gap_since: Gmail had forgotten the changes from then on.
  update public.mailboxes m
  set
    history_id = finish_mailbox.history, read_at = m.reading_since, reader = null, lease_until = null, failures = 0,
    problem = null, can_read = true, scopes = left(finish_mailbox.granted, 1001),
    gap_from = coalesce(finish_mailbox.gap_since, m.gap_from),
    gap_until = case when finish_mailbox.gap_since is null then m.gap_until else m.reading_since end
  where m.account_id = finish_mailbox.account and m.reader = finish_mailbox.reader
  returning pg_catalog.jsonb_build_object('answer', 'finished');
$$;

create or replace function public.fail_mailbox(
  account uuid,
  reader uuid,
  why text,
  readable boolean default null,
  granted text default null,
  wait_seconds double precision default null,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The cursor stays. It is tried again after wait_seconds, or later each time up to a quarter of an hour. `is_new`:
  -- the reading before did not fail for this reason.
  with before as (
    select m.problem from public.mailboxes m where m.account_id = fail_mailbox.account
  )
  update public.mailboxes m
  set
    reader = null, lease_until = null, failures = m.failures + 1, problem = left(fail_mailbox.why, 1001),
    can_read = coalesce(fail_mailbox.readable, m.can_read), scopes = coalesce(left(fail_mailbox.granted, 1001), m.scopes),
    next_read_at = coalesce(fail_mailbox.now, clock_timestamp())
      + coalesce(fail_mailbox.wait_seconds, least(60 * 2 ^ least(m.failures, 4), 900)) * interval '1 second'
  from before
  where m.account_id = fail_mailbox.account and m.reader = fail_mailbox.reader
  returning pg_catalog.jsonb_build_object(
    'answer', 'failed', 'is_new', before.problem is distinct from left(fail_mailbox.why, 1001));
$$;

create or replace function public.note_unread(account uuid, mail text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- This mail could not be read in one more round, while others could; answers how often.
  insert into public.unread_mails as u (account_id, gmail_id)
  values (note_unread.account, note_unread.mail)
  on conflict (account_id, gmail_id) do update set failures = u.failures + 1
  returning pg_catalog.jsonb_build_object('failures', u.failures);
$$;

create or replace function public.mailbox_of(account uuid, now timestamptz default null) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The reading of an account's mailbox, and what came back to it in the last 30 days.
  select pg_catalog.jsonb_build_object(
    'can_read', m.can_read, 'scopes', m.scopes, 'read_at', m.read_at, 'problem', m.problem,
    'unread_seconds', case
      when first.started_at is not null
        then extract(epoch from a.t - greatest(m.read_at, first.started_at))::double precision
    end,
    'gap_from', m.gap_from, 'gap_until', m.gap_until,
    'bounced', coalesce(c.bounced, 0), 'blocked', coalesce(c.blocked, 0), 'replied', coalesce(c.replied, 0))
  from (select mailbox_of.account as id, coalesce(mailbox_of.now, clock_timestamp()) as t) a
  left join public.mailboxes m on m.account_id = a.id
  left join lateral (
    select s.started_at
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome)
    order by s.started_at
    limit 1
  ) first on true
  cross join lateral (
    select
      count(distinct b.attempt_id) filter (where i.kind = 'bounce' and b.verdict <> 'block') as bounced,
      count(distinct b.attempt_id) filter (where b.verdict = 'block') as blocked,
      count(distinct b.attempt_id) filter (where i.kind = 'reply') as replied
    from public.inbound i
    join public.inbound_mails b on b.inbound_id = i.id
    where i.account_id = a.id and i.received_at > a.t - interval '30 days'
  ) c;
$$;

create or replace function public.list_mailboxes(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('id', a.id, 'email', a.email, 'status', a.status, 'connected',
      coalesce(a.refresh_token, '') <> '')
    || public.mailbox_of(a.id, list_mailboxes.now)
  from public.accounts a
  where a.status <> 'removed' and a.id > list_mailboxes.after
  order by a.id
  limit list_mailboxes.most;
$$;
