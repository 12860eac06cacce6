-- Figures for the monitoring of operators.

create or replace function public.operating_figures(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- As for begin_attempt: the planner guesses, and its guess for a table that grew must not cost a minute's reading.
set enable_seqscan = off
as $$
  -- One row for all metrics of the database, asked for again and again: it reads the campaigns that have not ended,
  -- the accounts with their mailboxes, and of leads and attempts only those in hand. A null is a figure that does not exist.
  with looked as materialized (
    select
      clock.t,
      greatest(public.due_at(c.*), case when c.status = 'scheduled' then c.scheduled_at end) as due,
      case
        when c.paused_at is not null then 'paused'
        when c.lease_until > clock.t then 'sending'
        -- Also while a run that was asked for waits for a place in Prefect, such as a pool that is paused.
        when public.is_due(c.*, clock.t)
          or c.dispatched_at is not null and (c.parent_id is null or public.held_by_root(c.*) is null) then 'due'
        else 'waiting'
      end as state
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    join public.campaigns c on c.status in ('scheduled', 'running')
  ),
  campaigns as (
    select
      count(*) filter (where x.state = 'due') as due,
      count(*) filter (where x.state = 'sending') as sending,
      count(*) filter (where x.state = 'waiting') as waiting,
      count(*) filter (where x.state = 'paused') as paused,
      -- Since when one without any time has been due, its row does not tell.
      max(greatest(extract(epoch from x.t - x.due), 0)) filter (where x.state = 'due' and x.due > '-infinity') as lag
    from looked x
  ),
  claimed as (
    -- In the hands of a live run. A claim that lapsed gets a new time.
    select max(greatest(extract(epoch from clock.t - cl.next_attempt_at), 0)) as lag
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    -- In that order only the index of claims has them.
    join (
      select x.* from public.campaign_leads x
      where x.claim_token is not null
      order by x.campaign_id, x.claim_token
      offset 0
    ) cl on cl.status = 'pending' and cl.claimed_until > clock.t and isfinite(cl.next_attempt_at)
    join public.campaigns c
      on c.id = cl.campaign_id and c.status = 'running' and c.paused_at is null and c.lease_until > clock.t
  ),
  attempts as (
    -- Those of a paused campaign stay open until it goes on.
    select count(*) as open, max(greatest(extract(epoch from clock.t - s.started_at), 0)) as oldest
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    join public.send_attempts s on s.outcome is null and isfinite(s.started_at)
    left join public.campaigns c on c.id = s.campaign_id
    where c.paused_at is null
  ),
  accounts as (
    select
      count(*) filter (where x.able and not x.rests) as active,
      count(*) filter (where x.able and x.rests) as resting,
      count(*) filter (where not x.able) as unusable
    from (
      select
        public.why_unable(a.*, a.user_id) is null and coalesce(a.refresh_token, '') <> '' as able,
        coalesce(a.paused_until > coalesce(operating_figures.now, clock_timestamp()), false) as rests
      from public.accounts a
      where a.status <> 'removed'
    ) x
  ),
  mailboxes as (
    select
      count(*) filter (where x.state = 'read') as read,
      count(*) filter (where x.state = 'failing') as failing,
      count(*) filter (where x.state = 'unreadable') as unreadable,
      -- Of one that lets nobody read there is none.
      max(x.age) filter (where x.state <> 'unreadable') as oldest
    from (
      select
        case when m.can_read is false then 'unreadable' when m.failures > 0 then 'failing' else 'read' end as state,
        case when isfinite(m.read_at)
          then greatest(extract(epoch from coalesce(operating_figures.now, clock_timestamp()) - m.read_at), 0)
        end as age
      from public.mailboxes m
      join public.accounts a on a.id = m.account_id and a.status = 'active'
      where m.read_at is not null or m.failures > 0
    ) x
  )
  select pg_catalog.jsonb_build_object(
    'campaigns', pg_catalog.jsonb_build_object(
      'due', c.due, 'sending', c.sending, 'waiting', c.waiting, 'paused', c.paused),
    'places_taken', (select (x ->> 'taken')::bigint from public.count_places(operating_figures.now) x),
    'campaign_lag_seconds', coalesce(c.lag, 0)::double precision,
    'lead_lag_seconds', coalesce(l.lag, 0)::double precision,
    'open_attempts', s.open,
    'oldest_open_attempt_seconds', coalesce(s.oldest, 0)::double precision,
    'accounts', pg_catalog.jsonb_build_object('active', a.active, 'resting', a.resting, 'unusable', a.unusable),
    'mailboxes', pg_catalog.jsonb_build_object('read', m.read, 'failing', m.failing, 'unreadable', m.unreadable),
    'mailbox_age_seconds', coalesce(m.oldest, 0)::double precision)
  from campaigns c, claimed l, attempts s, accounts a, mailboxes m;
$$;
