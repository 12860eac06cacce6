-- The guard: a campaign that meets too many dead addresses pauses itself, an account rests for a day.

create or replace function public.guard_campaigns(
  share double precision,
  least_mails integer,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Pauses campaigns of whose mails, those of their steps among them, since the last resume, least_mails of them or more,
-- at least this share met dead addresses; returns them. The steps stop with the first campaign of their chain. Each in
-- its turn is locked, so that no mail of others waits.
declare
  c public.campaigns;
  met record;
begin
  for c in
    select r.*
    from public.campaigns r
    where r.status <> 'cancelled' and r.paused_at is null
      and r.id in (
        select coalesce(x.parent_id, x.id)
        from public.campaigns x
        where x.status in ('scheduled', 'running') and x.paused_at is null)
      and exists (
        select from public.campaigns x
        join public.inbound_mails m on m.campaign_id = x.id and m.verdict = 'dead'
        where x.id = r.id or x.parent_id = r.id)
    order by r.id
  loop
    select * into met from public.dead_of_campaign(c, share, least_mails);
    continue when met.sent is null;
    if not met.too_many then
      update public.campaigns x set guarded_dead = met.dead where x.id = c.id and met.sent >= least_mails;
      continue;
    end if;
    update public.campaigns x
    set
      paused_at = coalesce(now, clock_timestamp()),
      waiting_for = pg_catalog.format(
        'a person to resume it: %s of its last %s mails met dead addresses', met.dead, met.sent),
      suspended_run = null
    where x.id = c.id and x.paused_at is null and x.status <> 'cancelled';
    if found then
      return next pg_catalog.jsonb_build_object(
        'campaign', c.id, 'name', left(c.name, 1001), 'dead', met.dead, 'sent', met.sent);
    end if;
  end loop;
end
$$;

create or replace function public.dead_of_campaign(
  c public.campaigns,
  share double precision,
  least_mails integer,
  out dead bigint,
  out sent bigint,
  out too_many boolean
)
language plpgsql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Of its mails and those of its steps, since the last resume. Of those that were sent no more are counted than decide.
-- `sent` is null where nothing has changed since the last look.
begin
  select count(distinct s.id) into dead
  from public.campaigns x
  join public.inbound_mails m on m.campaign_id = x.id and m.verdict = 'dead'
  join public.send_attempts s on s.id = m.attempt_id
  cross join lateral (select greatest(c.guarded_from, x.guarded_from) as resumed_at) last
  where (x.id = c.id or x.parent_id = c.id) and (last.resumed_at is null or s.started_at > last.resumed_at);
  if dead = 0 or dead = c.guarded_dead then
    return;
  end if;
  select count(*) into sent
  from (
    select from public.campaigns x
    join public.campaign_leads cl on cl.campaign_id = x.id and cl.status = 'sent'
    cross join lateral (select greatest(c.guarded_from, x.guarded_from) as resumed_at) last
    where (x.id = c.id or x.parent_id = c.id) and (last.resumed_at is null or cl.sent_at > last.resumed_at)
    limit greatest(floor(dead / share) + 1, least_mails)
  ) x;
  too_many := sent >= least_mails and dead >= share * sent;
end
$$;

create or replace function public.guard_accounts(
  share double precision,
  least_mails integer,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Lets accounts rest for a day of whose mails in the last 30 days, least_mails of them or more, at least this share
-- met dead addresses; returns them. After the rest they are counted anew.
declare
  t timestamptz := coalesce(now, clock_timestamp());
  a record;
  sent bigint;
  why text;
begin
  for a in
    select x.id, x.email, count(distinct m.attempt_id) as dead,
      greatest(x.guarded_from, t - interval '30 days') as since
    from public.accounts x
    join public.inbound i on i.account_id = x.id and i.received_at > greatest(x.guarded_from, t - interval '30 days')
    join public.inbound_mails m on m.inbound_id = i.id and m.verdict = 'dead'
    join public.send_attempts s on s.id = m.attempt_id and s.started_at > greatest(x.guarded_from, t - interval '30 days')
    where x.status <> 'removed' and (x.paused_until is null or x.paused_until < t + interval '1 hour')
    group by x.id
    order by x.id
  loop
    select count(*) into sent
    from (
      select from public.send_attempts s
      where s.account_id = a.id and public.may_have_left(s.outcome) and s.started_at > a.since
      limit greatest(floor(a.dead / share) + 1, least_mails)
    ) x;
    continue when sent < least_mails or a.dead < share * sent;
    why := pg_catalog.format('%s of its last %s mails met dead addresses', a.dead, sent);
    update public.accounts x
    set paused_until = t + interval '1 day', guarded_from = t, rest_reason = why
    where x.id = a.id;
    return next pg_catalog.jsonb_build_object(
      'account', a.id, 'email', a.email, 'dead', a.dead, 'sent', sent, 'reason', why);
  end loop;
end
$$;

create or replace function public.wake_account(address text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person ends an account's rest.
declare
  woken public.accounts;
begin
  update public.accounts a
  set paused_until = null, rest_reason = null, guarded_from = case when a.rest_reason is null then a.guarded_from else clock_timestamp() end
  where a.status <> 'removed' and public.mailbox_key(a.email) = public.mailbox_key(address)
  returning a.* into woken;
  if not found then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', address),
      'remedy', 'list_accounts');
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'woken', 'id', woken.id);
end
$$;
