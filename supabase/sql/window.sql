-- The sending window of a campaign: wall-clock hours on some weekdays, in its time zone.

create or replace function public.next_opening(c public.campaigns, t timestamptz) returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- `t` itself while the window is open or there is none; else when it opens next; null when it never
-- does. What is not given does not limit: every day, from midnight, until midnight, UTC. Each day's
-- hours become moments by themselves, so that a change of the clocks moves both ends with it.
declare
  zone constant text := coalesce(c.time_zone, 'UTC');
  opening timestamptz;
begin
  if c.send_days is null and c.send_from is null and c.send_until is null then
    return t;
  end if;
  select min(greatest(hours.opens, t)) into opening
  from pg_catalog.generate_series(0, 7) ahead (days)
  cross join lateral (select (t at time zone zone)::date + ahead.days as day) local_date
  cross join lateral (
    select
      (local_date.day + coalesce(c.send_from, '00:00')) at time zone zone as opens,
      (local_date.day + coalesce(c.send_until, '24:00')) at time zone zone as closes
  ) hours
  where (c.send_days is null or extract(isodow from local_date.day)::integer = any (c.send_days))
    and hours.closes > t and hours.closes > hours.opens;
  return opening;
exception
  when invalid_parameter_value then
    return null; -- no such time zone
end
$$;

create or replace function public.told_window(c public.campaigns, opening timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- What a campaign outside its window waits for, for people.
  select case
    when told_window.opening is null then 'its sending window, which never opens'
    else pg_catalog.format(
      'its sending window, which opens %s %s',
      pg_catalog.to_char(told_window.opening at time zone coalesce(c.time_zone, 'UTC'), 'Dy HH24:MI'),
      coalesce(c.time_zone, 'UTC'))
  end;
$$;

create or replace function public.fault_of_window(c public.campaigns, t timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- Why a campaign cannot have this window, for people; null: it can. A machine's own names are no place's:
  -- another machine, or this one tomorrow, means another time by them.
  select case
    when c.time_zone is not null and (
      c.time_zone in ('localtime', 'posixrules', 'Factory') or c.time_zone ~ '^(posix|right)/'
      or not exists (select from pg_catalog.pg_timezone_names z where z.name = c.time_zone)
    ) then pg_catalog.format('%L is no time zone; write one like Europe/Berlin or America/New_York.', c.time_zone)
    when public.next_opening(c, fault_of_window.t) is null
      then 'The campaign''s sending window never opens; its hours have to end after they begin.'
  end;
$$;
