-- The sending window of a campaign: wall-clock hours on some weekdays but for some dates, in its time zone.

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
  today date;
  day date;
  opens timestamptz;
  closes timestamptz;
begin
  if not public.has_window(c) then
    return t;
  end if;
  today := t at time zone zone;
  -- A date to skip puts it off by a week at most.
  for ahead in 0 .. 7 * (1 + coalesce(cardinality(c.skip_dates), 0)) loop
    day := today + ahead;
    continue when extract(isodow from day)::integer <> all (c.send_days) or day = any (c.skip_dates);
    opens := (day + coalesce(c.send_from, '00:00')) at time zone zone;
    closes := (day + coalesce(c.send_until, '24:00')) at time zone zone;
    if closes > t and closes > opens then
      return greatest(opens, t);
    end if;
  end loop;
  return null;
exception
  when invalid_parameter_value then
    return null; -- no such time zone
end
$$;

create or replace function public.has_window(c public.campaigns) returns boolean
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Whether anything limits when the campaign may send.
  select c.send_days is not null or c.send_from is not null or c.send_until is not null or c.skip_dates is not null;
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
      pg_catalog.to_char(
        told_window.opening at time zone coalesce(c.time_zone, 'UTC'),
        -- Over days off it may be weeks.
        'Dy ' || case when c.skip_dates is null then '' else 'YYYY-MM-DD ' end || 'HH24:MI'),
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
    when cardinality(c.skip_dates) > 1000 then 'A campaign has at most 1,000 days off.'
  end;
$$;
