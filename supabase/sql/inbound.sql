-- What came back: which mail of ours a received mail is about, its record, and what follows for the person.

create or replace function public.pick_inbound(account uuid, mails jsonb) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A few mails in a large log: always by index.
set enable_seqscan = off
as $$
  -- Of these mails [{id, thread, sender}] those in a thread of ours, or from an address that the account mailed.
  -- `known`: those that are recorded already, and our own.
  select pg_catalog.jsonb_build_object('id', given.id, 'known', recorded.is_known)
  from pg_catalog.jsonb_to_recordset(pick_inbound.mails) given (id text, thread text, sender text)
  cross join lateral (
    select exists (
      select from public.inbound i where i.account_id = pick_inbound.account and i.gmail_id = given.id)
    or exists (
      select from public.send_attempts s
      join public.campaign_leads cl on cl.id = s.campaign_lead_id
      where s.thread_id = given.thread and s.account_id = pick_inbound.account and cl.message_id = given.id) as is_known
  ) recorded
  where recorded.is_known
    or exists (
      select from public.send_attempts s
      where s.thread_id = given.thread and s.account_id = pick_inbound.account)
    or given.sender <> '' and exists (
      select from public.send_attempts s
      where lower(s.address) = public.mailbox_key(given.sender) and public.may_have_left(s.outcome)
        and s.account_id = pick_inbound.account);
$$;

create or replace function public.find_mails(
  account uuid,
  token text default null,
  threads text[] default '{}',
  addresses text[] default '{}',
  received timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Mails of this account that a received mail may be about: by the token in it, by its threads, and the last one to
  -- each of its addresses. `softs`: soft bounces of that address in the 30 days before, since it answered last.
  with keys as materialized (
    select distinct public.mailbox_key(a.address) as key from unnest(find_mails.addresses) a (address)
  ), found as (
    (
      select s.id, 1 as rank
      from public.send_attempts s
      where s.search_token = find_mails.token and s.search_token <> '' and s.account_id = find_mails.account
        and public.may_have_left(s.outcome)
      limit 10
    )
    union all
    (
      select s.id, 2
      from public.send_attempts s
      where s.thread_id = any (find_mails.threads) and s.account_id = find_mails.account
        and public.may_have_left(s.outcome)
      order by s.started_at desc
      limit 100
    )
    union all
    select last.id, 3
    from keys
    cross join lateral (
      select s.id
      from public.send_attempts s
      where lower(s.address) = keys.key and public.may_have_left(s.outcome) and s.account_id = find_mails.account
      order by s.started_at desc
      limit 1
    ) last
  )
  select pg_catalog.jsonb_build_object(
    'attempt', s.id, 'by', case found.rank when 1 then 'token' when 2 then 'thread' else 'address' end,
    'message_id', cl.message_id, 'thread', s.thread_id, 'address', lower(s.address),
    -- Where the campaign is gone its account tells the owner.
    'owner', case when c.id is null then a.user_id else c.user_id end,
    'named', lower(s.address) in (select keys.key from keys), 'started_at', s.started_at,
    'softs', public.soft_bounces(s.address, coalesce(find_mails.received, clock_timestamp())))
  from (select f.id, min(f.rank) as rank from found f group by f.id) found
  join public.send_attempts s on s.id = found.id
  left join public.campaign_leads cl on cl.id = s.campaign_lead_id
  left join public.campaigns c on c.id = s.campaign_id
  left join public.accounts a on a.id = s.account_id
  order by found.rank, s.started_at desc;
$$;

create or replace function public.soft_bounces(address text, t timestamptz) returns bigint
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Of an address in the 30 days before `t`, since it answered last.
  with back as materialized (
    select i.kind, m.verdict, i.received_at
    from public.send_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
    where lower(s.address) = lower(soft_bounces.address) and public.may_have_left(s.outcome)
      and i.received_at > soft_bounces.t - interval '30 days' and i.received_at < soft_bounces.t
  )
  select count(*) from back
  where back.verdict = 'soft'
    and back.received_at > coalesce((select max(b.received_at) from back b where b.kind = 'reply'), '-infinity');
$$;

create or replace function public.record_inbound(
  account uuid,
  reader uuid,
  mail jsonb,
  mails jsonb default '[]',
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- One received mail {gmail_id, thread, kind, received_at, back_on}, and what it says of mails of ours
-- [{attempt, verdict, status}].
--   recorded, known: {id}      not_ours: another reader has the mailbox
declare
  saved uuid;
begin
  perform from public.mailboxes m where m.account_id = account and m.reader = reader for key share;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
    return;
  end if;
  saved := public.save_inbound(account, mail, mails, 'mail', coalesce(now, clock_timestamp()));
  delete from public.unread_mails u where u.account_id = account and u.gmail_id = mail ->> 'gmail_id';
  return next pg_catalog.jsonb_build_object('answer', case when saved is null then 'known' else 'recorded' end, 'id', saved);
end
$$;

create or replace function public.save_inbound(account uuid, mail jsonb, mails jsonb, came_by text, t timestamptz) returns uuid
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Null: it is recorded already. Who answered is away no more; who is away is mailed later. Their last mail counts: by
-- its list a mailbox is read from the newest one back.
declare
  saved uuid;
  kind constant text := mail ->> 'kind';
  received constant timestamptz := coalesce((mail ->> 'received_at')::timestamptz, t);
begin
  insert into public.inbound (account_id, gmail_id, thread_id, user_id, kind, via, received_at, recorded_at, back_on, announced_at)
  select
    account, mail ->> 'gmail_id', mail ->> 'thread',
    coalesce(
      (
        select c.user_id
        from pg_catalog.jsonb_to_recordset(mails) given (attempt uuid)
        join public.send_attempts s on s.id = given.attempt
        join public.campaigns c on c.id = s.campaign_id
        where c.user_id is not null
        limit 1),
      (select a.user_id from public.accounts a where a.id = account)),
    kind, came_by, received, t, (mail ->> 'back_on')::date,
    case when kind not in ('reply', 'bounce', 'unsubscribe', 'complaint') then t end
  on conflict (account_id, gmail_id) do nothing
  returning id into saved;
  if saved is null then
    return null;
  end if;
  insert into public.inbound_mails (inbound_id, attempt_id, campaign_id, campaign_lead_id, user_id, verdict, status)
  select saved, s.id, s.campaign_id, s.campaign_lead_id, c.user_id, coalesce(given.verdict, 'none'),
    left(coalesce(given.status, ''), 20)
  from pg_catalog.jsonb_to_recordset(mails) given (attempt uuid, verdict text, status text)
  join public.send_attempts s on s.id = given.attempt
  left join public.campaigns c on c.id = s.campaign_id
  on conflict do nothing;
  if kind = 'reply' then
    delete from public.absences x
    using public.inbound_mails m, public.send_attempts s
    where m.inbound_id = saved and s.id = m.attempt_id and x.key = public.mailbox_key(s.address)
      and x.user_id is not distinct from m.user_id
      and not public.has_written_since(s.address, m.user_id, received);
  elsif kind = 'away' then
    insert into public.absences as x (key, user_id, until)
    select distinct on (public.mailbox_key(s.address), m.user_id)
      public.mailbox_key(s.address), m.user_id, public.away_until((mail ->> 'back_on')::date, received)
    from public.inbound_mails m
    join public.send_attempts s on s.id = m.attempt_id
    where m.inbound_id = saved and strpos(s.address, '@') > 0
      and not public.has_written_since(s.address, m.user_id, received)
    on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000')) do update
    set until = excluded.until;
  end if;
  return saved;
end
$$;

create or replace function public.has_written_since(address text, owner uuid, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Whether a later answer, or a later notice that they are away, is recorded of an address.
  select exists (
    select from public.send_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
    where lower(s.address) = lower(has_written_since.address) and public.may_have_left(s.outcome) and m.user_id is not distinct from has_written_since.owner
      and i.kind in ('reply', 'away') and i.received_at > has_written_since.t);
$$;

create or replace function public.away_until(back_on date, received timestamptz) returns timestamptz
language sql
immutable
security invoker
set search_path = ''
as $$
  -- A working day after the first day back, in UTC, within 90 days; without a date, or after it, in a week.
  select case
    when away_until.back_on >= (away_until.received at time zone 'UTC')::date then least(
      (
        select day.day at time zone 'UTC'
        from generate_series(
          (away_until.back_on + 1)::timestamp, (away_until.back_on + 3)::timestamp, interval '1 day') day (day)
        where extract(isodow from day.day) < 6
        order by day.day
        limit 1),
      away_until.received + interval '90 days')
    else away_until.received + interval '7 days'
  end;
$$;

create or replace function public.inbound_counts(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Leads of a campaign by what came back from them; a lead may be in several. A delay is no bounce.
  select pg_catalog.jsonb_build_object(
    'replied', count(distinct m.campaign_lead_id) filter (where i.kind = 'reply'),
    'bounced', count(distinct m.campaign_lead_id) filter (where i.kind = 'bounce'),
    'away', count(distinct m.campaign_lead_id) filter (where i.kind = 'away'),
    'unsubscribed', count(distinct m.campaign_lead_id) filter (where i.kind in ('unsubscribe', 'complaint')))
  from public.inbound_mails m
  join public.inbound i on i.id = m.inbound_id
  where m.campaign_id = inbound_counts.campaign;
$$;

create or replace function public.list_replies(
  campaign uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- What came back to a campaign, the oldest first. Several rows of one id: a mail about several leads; a page ends
  -- with whole mails.
  select pg_catalog.jsonb_build_object(
    'id', i.id, 'lead', m.campaign_lead_id, 'email', coalesce(l.email, s.address), 'account', a.email, 'kind', i.kind,
    'at', i.received_at, 'verdict', m.verdict, 'status', m.status, 'back_on', i.back_on, 'via', i.via,
    'thread_id', i.thread_id)
  from (
    select distinct x.inbound_id
    from public.inbound_mails x
    where x.campaign_id = list_replies.campaign and x.inbound_id > list_replies.after
    order by x.inbound_id
    limit list_replies.most
  ) page
  join public.inbound i on i.id = page.inbound_id
  join public.inbound_mails m on m.inbound_id = i.id and m.campaign_id = list_replies.campaign
  left join public.send_attempts s on s.id = m.attempt_id
  left join public.campaign_leads cl on cl.id = m.campaign_lead_id
  left join public.leads l on l.id = cl.lead_id
  left join public.accounts a on a.id = i.account_id
  order by i.id, m.attempt_id;
$$;

create or replace function public.note_answer(
  address text,
  by_name text,
  campaign uuid default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person answered by telephone, or on another way than by mail: to this campaign's mail, or to all.
--   noted: {leads, known} mails that count as answered now, and that did already
declare
  s record;
  noted bigint := 0;
  known bigint := 0;
  t timestamptz := coalesce(now, clock_timestamp());
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'An answer is noted in the name of a person; name them with --by.');
    return;
  end if;
  for s in
    select x.id, x.account_id, x.campaign_lead_id, c.user_id, exists (
      select from public.inbound_mails m
      join public.inbound i on i.id = m.inbound_id and i.kind = 'reply'
      where m.attempt_id = x.id) as answered
    from public.send_attempts x
    left join public.campaigns c on c.id = x.campaign_id
    where lower(x.address) = public.mailbox_key(address) and public.may_have_left(x.outcome)
      and (campaign is null or x.campaign_id = campaign)
    order by x.started_at
    limit 1000
  loop
    if s.answered then
      known := known + 1;
    else
      perform public.save_inbound(s.account_id, '{"kind": "reply"}',
        pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('attempt', s.id)), 'person', t);
      insert into public.audit (act, subject, user_id, by_name, details)
      values ('answered', public.mailbox_key(address), s.user_id, left(btrim(by_name), 200),
        pg_catalog.jsonb_build_object('lead', s.campaign_lead_id));
      noted := noted + 1;
    end if;
  end loop;
  if noted + known = 0 then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      case when campaign is null then 'No campaign mailed %s.' else 'The campaign did not mail %s.' end, address));
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'noted', 'leads', noted, 'known', known);
end
$$;

create or replace function public.list_unannounced(most integer default 500) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What Prefect was not told yet, a row for each mail of ours that it is about.
  select pg_catalog.jsonb_build_object(
    'id', i.id, 'kind', i.kind, 'at', i.received_at, 'account', i.account_id, 'via', i.via,
    'campaign', m.campaign_id, 'name', left(c.name, 1001), 'lead', m.campaign_lead_id, 'verdict', m.verdict,
    'status', m.status)
  from (
    select x.* from public.inbound x where x.announced_at is null order by x.id limit list_unannounced.most
  ) i
  left join public.inbound_mails m on m.inbound_id = i.id
  left join public.campaigns c on c.id = m.campaign_id
  order by i.id, m.attempt_id;
$$;

create or replace function public.note_announced(received uuid[], now timestamptz default null) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  with told as (
    update public.inbound i
    set announced_at = coalesce(note_announced.now, clock_timestamp())
    where i.id = any (note_announced.received) and i.announced_at is null
    returning 1
  )
  select pg_catalog.jsonb_build_object('answer', 'noted', 'mails', count(*)) from told;
$$;
