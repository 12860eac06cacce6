-- Views for people who ask the database: the schema outreach_report. No token, no lead's address, no text of a mail.

create or replace function public.make_report_views() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Makes the schema and its views, and grants them to service_role and to the readers of the command db reader. Each
-- migration calls it: who has to drop the schema, to change the type of a column that a view names, gets it back so.
-- The views have their owner's rights: with the caller's, row-level security would show a reader nothing.
-- A column is only ever appended: `create or replace` refuses anything else.
declare
  r name;
begin
  create schema if not exists outreach_report;

  -- How many of the mails were opened. Denominator: mails sent. Low: by people; high: with those that may be people or
  -- machines. The interval holds with 95 % (Wilson), from the low of the one to the high of the other.
  create or replace function outreach_report.opened(
    sent bigint,
    people bigint,
    unclassified bigint,
    out opened_low double precision,
    out opened_high double precision,
    out interval_low double precision,
    out interval_high double precision,
    out verdict text
  )
  language sql
  immutable
  parallel safe
  begin atomic
    select
      round(x.low::numeric, 4)::double precision, round(x.high::numeric, 4)::double precision,
      -- Null where nothing was sent: greatest and least would ignore it.
      case when sent > 0 then round(greatest(
        (x.low + x.z2n / 2 - sqrt(x.z2n * (x.low * (1 - x.low) + x.z2n / 4))) / (1 + x.z2n), 0)::numeric, 4)::double precision end,
      case when sent > 0 then round(least(
        (x.high + x.z2n / 2 + sqrt(x.z2n * (x.high * (1 - x.high) + x.z2n / 4))) / (1 + x.z2n), 1)::numeric, 4)::double precision end,
      case when coalesce(sent, 0) < 50 then 'too few' else 'ok' end
    from (
      select
        case when sent > 0 then least(people::double precision / nullif(sent, 0), 1) end as low,
        case when sent > 0 then least((people + unclassified)::double precision / nullif(sent, 0), 1) end as high,
        1.959964 * 1.959964 / nullif(sent, 0) as z2n
    ) x;
  end;

  create or replace view outreach_report.days with (security_barrier) as
  select
    n.day, n.campaign_id, c.name::text as campaign, n.account_id, a.email::text as account, n.template,
    n.sent, n.refused, n.not_sent as put_off, n.unclear,
    n.opened_people, n.opened_unclassified, n.opened_machines
  from public.daily_counts n
  left join public.campaigns c on c.id = n.campaign_id
  left join public.accounts a on a.id = n.account_id;

  create or replace view outreach_report.campaigns with (security_barrier) as
  select
    c.id as campaign_id, c.name::text as campaign, c.status::text as status, c.user_id,
    c.created_at, c.scheduled_at, c.started_at, c.finished_at, c.paused_at,
    l.leads, l.pending, l.sent, l.failed, l.cancelled,
    o.opened_people, o.opened_unclassified, o.opened_machines, o.unclear,
    rate.*,
    -- Of a follow-up: the first campaign of its chain, and its number there.
    c.parent_id, c.step
  from public.campaigns c
  cross join lateral (
    select
      count(*) as leads,
      count(*) filter (where cl.status = 'pending') as pending,
      count(*) filter (where cl.status = 'sent') as sent,
      count(*) filter (where cl.status = 'failed') as failed,
      count(*) filter (where cl.status = 'cancelled') as cancelled
    from public.campaign_leads cl
    where cl.campaign_id = c.id
  ) l
  cross join lateral (
    select
      coalesce(sum(n.opened_people), 0)::bigint as opened_people,
      coalesce(sum(n.opened_unclassified), 0)::bigint as opened_unclassified,
      coalesce(sum(n.opened_machines), 0)::bigint as opened_machines,
      coalesce(sum(n.unclear), 0)::bigint as unclear
    from public.daily_counts n
    where n.campaign_id = c.id
  ) o
  cross join lateral outreach_report.opened(l.sent, o.opened_people, o.opened_unclassified) rate;

  -- The mails of each chain: its first campaign is step 1.
  create or replace view outreach_report.steps with (security_barrier) as
  select
    root.id as campaign_id, root.name::text as campaign, coalesce(own.step, 1) as step, own.id as step_id,
    own.delay_days, own.delay_seconds, x.status, x.leads, x.pending, x.sent, x.failed, x.cancelled,
    x.opened_people, x.opened_unclassified, x.opened_machines, x.unclear,
    x.opened_low, x.opened_high, x.interval_low, x.interval_high, x.verdict
  from public.campaigns own
  join public.campaigns root on root.id = coalesce(own.parent_id, own.id)
  -- By the id, one after the other, as `offset 0` wants it: the leads of campaigns without a follow-up are not counted.
  cross join lateral (select c.* from outreach_report.campaigns c where c.campaign_id = own.id offset 0) x
  where own.parent_id is not null or exists (select from public.campaigns s where s.parent_id = own.id);

  create or replace view outreach_report.accounts with (security_barrier) as
  select
    n.account_id, a.email::text as account, a.status, n.first_day, n.last_day, n.campaigns,
    n.sent, n.refused, n.put_off, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines,
    rate.*
  from (
    select
      x.account_id, min(x.day) as first_day, max(x.day) as last_day, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.refused)::bigint as refused, sum(x.not_sent)::bigint as put_off,
      sum(x.unclear)::bigint as unclear, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    group by x.account_id
  ) n
  left join public.accounts a on a.id = n.account_id
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  create or replace view outreach_report.templates with (security_barrier) as
  select
    n.template, v.subject, v.first_used_at, n.first_day, n.last_day, n.campaigns,
    n.sent, n.refused, n.put_off, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines,
    rate.*
  from (
    select
      x.template, min(x.day) as first_day, max(x.day) as last_day, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.refused)::bigint as refused, sum(x.not_sent)::bigint as put_off,
      sum(x.unclear)::bigint as unclear, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    group by x.template
  ) n
  left join public.template_versions v on v.hash = n.template
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  create or replace view outreach_report.failures with (security_barrier) as
  select
    nullif(n.day, '-infinity') as day, n.campaign_id, c.name::text as campaign, n.account_id, a.email::text as account,
    n.reason, n.failures
  from public.daily_failures n
  left join public.campaigns c on c.id = n.campaign_id
  left join public.accounts a on a.id = n.account_id;

  create or replace view outreach_report.upcoming with (security_barrier) as
  select
    c.id as campaign_id, c.name::text as campaign, c.status::text as status,
    -- Null: at once, or when a person resumes it; of a follow-up when somebody was sent the mail before it.
    case
      when root.paused_at is not null or c.paused_at is not null then null
      when follow_up.awaits then follow_up.due
      when c.status = 'scheduled' then coalesce(c.resume_at, c.scheduled_at)
      when c.resume_at > clock_timestamp() then c.resume_at
    end as starts_at,
    case
      when root.paused_at is not null or c.paused_at is not null then 'paused'
      when follow_up.awaits then 'follows'
      when c.status = 'scheduled' then 'starts'
      when c.resume_at > clock_timestamp() then 'goes on'
      else 'sending'
    end as what,
    c.waiting_for, l.pending
  from public.campaigns c
  cross join lateral (
    select count(*) as pending
    from public.campaign_leads cl
    where cl.campaign_id = c.id and cl.status = 'pending'
  ) l
  -- No function of ours: who may read the views may call none. So days have 24 hours here.
  left join public.campaigns root on root.id = c.parent_id
  cross join lateral (
    select
      c.parent_id is not null and c.idle as awaits,
      case when c.parent_id is not null and c.idle then (
        select min(cl.sent_at) + coalesce(c.delay_seconds, c.delay_days * 86400.0) * interval '1 second'
        from public.campaign_leads cl
        where cl.campaign_id = case
            when c.step = 2 then c.parent_id
            else (select x.id from public.campaigns x where x.parent_id = c.parent_id and x.step = c.step - 1)
          end
          and cl.status = 'sent' and cl.followed_at is null
          and cl.sent_at > coalesce(c.follow_since, c.created_at - interval '30 days'))
      end as due
  ) follow_up
  where c.status in ('scheduled', 'running') and root.status is distinct from 'cancelled';

  create or replace view outreach_report.cohorts with (security_barrier) as
  select
    n.week, n.campaigns, n.sent, n.opened_people, n.opened_unclassified, n.opened_machines, rate.*
  from (
    -- A lead is mailed once in a campaign: without follow-ups, the week of its mail is the week of its first mail.
    select
      date_trunc('week', x.day::timestamp)::date as week, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    left join public.campaigns c on c.id = x.campaign_id
    where c.parent_id is null
    group by 1
  ) n
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  revoke all on schema outreach_report from public;
  revoke all on all tables in schema outreach_report from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on schema outreach_report from %I', r);
    execute format('revoke all on all tables in schema outreach_report from %I', r);
  end loop;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('service_role', 'outreach_reader') loop
    execute format('grant usage on schema outreach_report to %I', r);
    execute format('grant select on all tables in schema outreach_report to %I', r);
    execute format('grant execute on all functions in schema outreach_report to %I', r);
  end loop;
end
$$;

-- Functions below read them.
select public.make_report_views();
