-- What people look at while a campaign is sent.

create or replace function public.campaign_progress(
  campaign uuid,
  default_pace double precision,
  default_per_day integer,
  recent_seconds double precision default 300,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- How far it is, an account each, and every fact about why nothing may be moving. Asked for again and
  -- again: its leads are counted in one pass, its mails of the last minutes by their accounts. Leads of an
  -- account that left the campaign, or is gone, are counted too.
  with looked as materialized (
    -- As a whole it is called by a name that no column has: then the name would be that column.
    select
      its_row.id, its_row.name, its_row.status, its_row.error, its_row.paused_at, its_row.waiting_for,
      its_row.run_id, its_row.lease_until, its_row.scheduled_at, its_row.resume_at, its_row.dispatched_at,
      its_row.dispatch_misses, its_row.suspended_run, its_row.parent_id,
      its_row.idle and its_row.parent_id is not null as awaits,
      public.held_by_root(its_row) as held,
      case when its_row.parent_id is not null then (
        select public.follow_due(its_row, min(cl.sent_at))
        from public.campaign_leads cl
        where cl.campaign_id = public.step_before(its_row) and cl.status = 'sent' and cl.followed_at is null
          and cl.sent_at > coalesce(its_row.follow_since, its_row.created_at - interval '30 days'))
      end as follows_at,
      its_row.time_zone, its_row.send_days, its_row.send_from, its_row.send_until, its_row.skip_dates,
      public.has_window(its_row) as windowed,
      public.next_opening(its_row, clock.t) as opening,
      clock.t
    from public.campaigns its_row
    cross join lateral (select coalesce(campaign_progress.now, clock_timestamp()) as t) clock
    where its_row.id = campaign_progress.campaign
  ),
  counted as materialized (
    select x.* from public.leads_by_account(campaign_progress.campaign) x
  ),
  senders as materialized (
    select
      either.account_id, looked.t, public.daily_limit_of(its_row, campaign_progress.default_per_day, looked.t) as per_day,
      public.told_ramp(its_row, looked.t) as ramp
    from looked, (
      select ca.account_id from public.campaign_accounts ca where ca.campaign_id = campaign_progress.campaign
      union
      select counted.account from counted
    ) either
    left join public.accounts its_row on its_row.id = either.account_id
  ),
  accounts as (
    select pg_catalog.jsonb_build_object(
      'email', a.email,
      'leads', pg_catalog.jsonb_build_object(
        'pending', coalesce(n.pending, 0), 'sent', coalesce(n.sent, 0),
        'failed', coalesce(n.failed, 0), 'cancelled', coalesce(n.cancelled, 0)),
      'status', coalesce(a.status, 'removed'),
      'status_reason', a.status_reason,
      'connected', coalesce(a.refresh_token, '') <> '',
      'assigned', exists (
        select from public.campaign_accounts ca
        where ca.campaign_id = campaign_progress.campaign and ca.account_id = s.account_id),
      'paused_seconds', public.seconds_paused(a.paused_until, s.t),
      'rest_reason', case when a.paused_until > s.t then a.rest_reason end,
      'pace_seconds', coalesce(a.pace_seconds, campaign_progress.default_pace),
      'sent_today', public.mails_of_account(s.account_id, s.t),
      'sent_by_hour', public.mails_by_hour(s.account_id, s.t),
      'daily_limit', s.per_day,
      'full_limit', coalesce(a.daily_limit, campaign_progress.default_per_day),
      'ramp', s.ramp,
      'limit_seconds',
      extract(epoch from public.below_daily_limit_at(s.account_id, s.per_day, s.t) - s.t)::double precision,
      'recent', pg_catalog.jsonb_build_object(
        'mails', late.mails, 'first_seconds', late.first_seconds, 'last_seconds', late.last_seconds)
    ) as told, a.email
    from senders s
    left join public.accounts a on a.id = s.account_id
    left join counted n on n.account is not distinct from s.account_id
    cross join lateral (
      select
        count(*) as mails,
        extract(epoch from s.t - min(x.started_at))::double precision as first_seconds,
        extract(epoch from s.t - max(x.started_at))::double precision as last_seconds
      from public.send_attempts x
      where x.account_id = s.account_id
        and public.may_have_left(x.outcome)
        and x.started_at > s.t - campaign_progress.recent_seconds * interval '1 second'
        and x.campaign_id = campaign_progress.campaign
    ) late
  )
  select pg_catalog.jsonb_build_object(
    'id', c.id,
    'name', c.name,
    'status', c.status,
    'error', c.error,
    'paused', c.paused_at is not null,
    'suspended', c.suspended_run is not null and c.paused_at is not null,
    'places_taken', (select (x ->> 'taken')::bigint from public.count_places(c.t) x),
    'waiting_for', c.waiting_for,
    -- As the first migration paused it.
    'cut_over', c.paused_at is not null and c.waiting_for is not distinct from
      'The previous sender may have mailed some of the pending leads: check them, then resume.',
    -- Why the guard paused it.
    'paused_for', case
      when c.paused_at is not null
        then nullif(pg_catalog.split_part(c.waiting_for, 'a person to resume it: ', 2), '')
    end,
    'parent_id', c.parent_id,
    -- Of a follow-up without a planned lead.
    'awaits', c.awaits,
    'held', c.held,
    'follows_seconds', extract(epoch from c.follows_at - c.t)::double precision,
    'owned', c.run_id is not null and coalesce(c.lease_until > c.t, false),
    'silent_seconds', case
      when c.run_id is not null and c.lease_until <= c.t then extract(epoch from c.t - c.lease_until)::double precision
    end,
    'scheduled_seconds', extract(epoch from c.scheduled_at - c.t)::double precision,
    'resume_seconds', extract(epoch from c.resume_at - c.t)::double precision,
    'windowed', c.windowed,
    'time_zone', c.time_zone,
    'send_days', c.send_days,
    'send_from', c.send_from,
    -- Midnight, which JSON's readers know no clock time for.
    'send_until', nullif(c.send_until, '24:00'),
    'skip_dates', c.skip_dates,
    'opens_seconds', extract(epoch from c.opening - c.t)::double precision,
    'dispatched_seconds', extract(epoch from c.t - c.dispatched_at)::double precision,
    'dispatch_misses', c.dispatch_misses,
    -- Of the claimed and of the deferred ones: each kind has its index.
    'next_seconds', extract(epoch from least(
      (select min(cl.next_attempt_at)
      from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.claim_token is not null and cl.status = 'pending'),
      (select min(cl.next_attempt_at)
      from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.claim_token is null and cl.next_attempt_at is not null
        and cl.status = 'pending' and cl.open_attempt_id is null)) - c.t)::double precision,
    'in_doubt', (select count(*) from public.send_attempts x where x.campaign_id = c.id and x.outcome is null),
    'accounts', coalesce(
      (select pg_catalog.jsonb_agg(accounts.told order by accounts.email) from accounts), '[]'::jsonb),
    'capped_domains', public.capped_domains(c.id, c.t))
  from looked c;
$$;
