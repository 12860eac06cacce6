-- A new account's daily limit, which grows with the days on which it sent.
--
-- A day is 24 hours from its first mail, as the daily limit counts 24 hours: whatever zone the account is in, its
-- limit never grows twice in one. The log says which days sent; a day that ends while too many mails come back dead
-- does not count.

create or replace function public.ramp_of(
  a public.accounts,
  t timestamptz,
  out days integer,
  out counted_until timestamptz,
  out day_ends timestamptz
)
language plpgsql
stable
security invoker
set search_path = ''
-- Both as for begin_attempt.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- How many days count at `t`, and until when the log is counted, from where the row has it on. day_ends: of the day
-- that is not over; null: the next mail begins one.
declare
  began timestamptz;
begin
  days := a.ramp_days;
  counted_until := coalesce(a.ramp_counted_until, '-infinity');
  loop
    select s.started_at into began
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome) and s.outcome = 'sent'
      and s.started_at >= counted_until and s.started_at <= t
    order by s.started_at
    limit 1;
    exit when not found;
    if began + interval '24 hours' > t then
      day_ends := began + interval '24 hours';
      exit;
    end if;
    counted_until := began + interval '24 hours';
    days := days + (not public.is_ramp_frozen(a.id, counted_until))::integer;
  end loop;
end
$$;

create or replace function public.is_ramp_frozen(account uuid, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- More than 3 % came back dead: the limit stays as it is.
  select public.account_bounce_rate(is_ramp_frozen.account, is_ramp_frozen.t) > 0.03;
$$;

create or replace function public.limit_on_day(a public.accounts, days integer) returns bigint
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- The limit of a ramp after so many days that sent; the daily limit may be lower.
  select a.ramp_from + a.ramp_step::bigint * days;
$$;

create or replace function public.ramped_limit(a public.accounts, full_limit integer, t timestamptz) returns integer
language sql
stable
security invoker
set search_path = ''
as $$
  select least(ramped_limit.full_limit, public.limit_on_day(a, x.days))::integer
  from public.ramp_of(a, ramped_limit.t) x;
$$;

create or replace function public.count_ramp(a public.accounts, t timestamptz) returns public.accounts
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Notes in the account's row, which the caller has locked, what is counted of the log.
declare
  counted record;
begin
  counted := public.ramp_of(a, t);
  if counted.counted_until > coalesce(a.ramp_counted_until, '-infinity') then
    update public.accounts x
    set ramp_days = counted.days, ramp_counted_until = counted.counted_until
    where x.id = a.id
    returning x.* into a;
  end if;
  return a;
end
$$;

create or replace function public.told_ramp(a public.accounts, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The ramp of an account, for people and estimates; null: it has none.
  select pg_catalog.jsonb_build_object(
    'begin', a.ramp_from, 'step', a.ramp_step, 'days', x.days, 'limit', public.limit_on_day(a, x.days),
    'frozen', public.is_ramp_frozen(a.id, told_ramp.t),
    'day_ends_seconds', extract(epoch from x.day_ends - told_ramp.t)::double precision)
  from public.ramp_of(a, told_ramp.t) x
  where a.ramp_from is not null;
$$;
