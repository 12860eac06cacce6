-- What an account may send, and when: which mails count, its pace, its pauses and its daily limit.

create or replace function public.may_have_left(outcome text) returns boolean
language sql
immutable
parallel safe
security invoker
-- No `set`, not even of search_path: the planner puts the body in the place of the call only then, and only so do
-- the partial indexes of send_attempts serve.
as $$
  -- Whether the mail of an attempt with this outcome left or may have. To the letter the condition of the
  -- indexes send_attempts_one_mail and send_attempts_of_account.
  select outcome is null or outcome = 'sent' or outcome = 'unclear';
$$;

create or replace function public.mails_of_account(account uuid, t timestamptz) returns bigint
language sql
stable
security invoker
set search_path = ''
as $$
  -- Mails of the last 24 hours that left or may have, over all campaigns.
  select count(*)
  from public.send_attempts s
  where s.account_id = mails_of_account.account
    and public.may_have_left(s.outcome)
    and s.started_at > mails_of_account.t - interval '24 hours';
$$;

create or replace function public.by_hour(started timestamptz[], t timestamptz) returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Mails of the last 24 hours by their age in whole hours: 24 numbers, the youngest first.
  select pg_catalog.jsonb_agg(coalesce(counted.mails, 0) order by ages.age)
  from generate_series(0, 23) ages (age)
  left join (
    select floor(extract(epoch from by_hour.t - s.started_at) / 3600)::integer as age, count(*) as mails
    from unnest(by_hour.started) s (started_at)
    group by 1
  ) counted on counted.age = ages.age;
$$;

create or replace function public.mails_by_hour(account uuid, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same mails, as by_hour has them.
  select public.by_hour(
    array(
      select s.started_at
      from public.send_attempts s
      where s.account_id = mails_by_hour.account
        and public.may_have_left(s.outcome)
        and s.started_at > mails_by_hour.t - interval '24 hours'),
    mails_by_hour.t);
$$;

create or replace function public.daily_limit_of(a public.accounts, default_per_day integer, t timestamptz)
returns integer
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Its mails in any 24 hours: its own number or the default one, or fewer while its ramp has not reached that.
  select case
    when a.ramp_from is null then coalesce(a.daily_limit, default_per_day)
    else public.ramped_limit(a, coalesce(a.daily_limit, default_per_day), t)
  end;
$$;

create or replace function public.mails_left(a public.accounts, per_day integer, t timestamptz) returns bigint
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- How many mails the account may still begin, or fewer. Counted once, then counted down by begin_attempt:
  -- of these nothing is taken away but by the mails that we begin.
  select case
    when a.mails_left_of = per_day and a.mails_left > 0 then a.mails_left
    else per_day - public.mails_of_account(a.id, t)
  end;
$$;

create or replace function public.below_daily_limit_at(account uuid, per_day integer, t timestamptz)
returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When the account may send again: as soon as all but `per_day` - 1 of its mails are a day old.
  select s.started_at + interval '24 hours'
  from public.send_attempts s
  where s.account_id = below_daily_limit_at.account
    and public.may_have_left(s.outcome)
    and s.started_at > below_daily_limit_at.t - interval '24 hours'
  order by s.started_at desc
  offset below_daily_limit_at.per_day - 1
  limit 1;
$$;

create or replace function public.pace_of(a public.accounts, default_pace double precision) returns double precision
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Seconds between two of its mails. At most a day: a pace that no calendar can hold must not stop the run.
  select least(coalesce(a.pace_seconds, default_pace), 86400);
$$;

create or replace function public.seconds_paused(paused_until timestamptz, t timestamptz) returns double precision
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- How long an account still rests; null: it does not. A row may say `infinity`, from which older versions of
  -- Postgres take nothing away.
  select case
    when paused_until > t
      then extract(epoch from least(paused_until, t + interval '10 years') - t)::double precision
  end;
$$;

create or replace function public.why_unable(a public.accounts, campaign_user uuid) returns text
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Why the account can send no mail of a campaign of this user until a person mends it; null: it can.
  select case
    when a.status is distinct from 'active'
      then pg_catalog.format('%s cannot send: %s', a.email, coalesce(a.status_reason, 'reconnect the account'))
    when a.user_id <> campaign_user
      then pg_catalog.format('%s cannot send: it belongs to another user than the campaign', a.email)
  end;
$$;

create or replace function public.allowance(
  a public.accounts,
  per_day integer,
  t timestamptz,
  out mails_left bigint,
  out free_at timestamptz,
  out waiting_for text
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- How many mails the account may still begin; or when it may begin one again, and what it waits for until then.
begin
  if a.paused_until > t then
    free_at := a.paused_until;
    waiting_for := case
      when a.rest_reason is null then pg_catalog.format('the quota of %s', a.email)
      else pg_catalog.format('the rest of %s (%s)', a.email, a.rest_reason)
    end;
    return;
  end if;
  mails_left := public.mails_left(a, per_day, t);
  if mails_left <= 0 then
    free_at := public.below_daily_limit_at(a.id, per_day, t);
    waiting_for := pg_catalog.format('the daily limit of %s (%s)', a.email, per_day);
  end if;
end
$$;
