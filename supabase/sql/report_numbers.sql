-- The numbers of the views in one answer, for the command and for web apps: PostgREST shows no schema but public.

create or replace function public.report_numbers(
  campaign uuid default null,
  since date default null,
  until date default null,
  most integer default 100
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of one campaign or of all, of mails sent from `since` to `until` (days in UTC). One statement sees one moment, so
  -- that all its numbers agree. Of each list the `most` that matter; `days` has every day that has a number.
  with facts as materialized (
    select n.*
    from outreach_report.days n
    where (report_numbers.campaign is null or n.campaign_id = report_numbers.campaign)
      and (report_numbers.since is null or n.day >= report_numbers.since)
      and (report_numbers.until is null or n.day <= report_numbers.until)
  ),
  summed as (
    select
      grouping(f.day) as no_day, grouping(f.campaign_id) as no_campaign, grouping(f.account_id) as no_account,
      grouping(f.template) as no_template,
      f.day, f.campaign_id, f.account_id, f.template, max(f.campaign) as campaign, max(f.account) as account,
      coalesce(sum(f.sent), 0)::bigint as sent, coalesce(sum(f.refused), 0)::bigint as refused,
      coalesce(sum(f.put_off), 0)::bigint as put_off, coalesce(sum(f.unclear), 0)::bigint as unclear,
      coalesce(sum(f.opened_people), 0)::bigint as opened_people,
      coalesce(sum(f.opened_unclassified), 0)::bigint as opened_unclassified,
      coalesce(sum(f.opened_machines), 0)::bigint as opened_machines
    from facts f
    group by grouping sets ((), (f.day), (f.campaign_id), (f.account_id), (f.template))
  ),
  told as materialized (
    select
      s.no_day, s.no_campaign, s.no_account, s.no_template, s.day, s.campaign_id, s.account_id, s.template, s.sent,
      pg_catalog.jsonb_build_object(
        'sent', s.sent, 'refused', s.refused, 'put_off', s.put_off, 'unclear', s.unclear,
        'opened', pg_catalog.jsonb_build_object(
          'people', s.opened_people, 'machines', s.opened_machines, 'unclassified', s.opened_unclassified),
        'opened_low', rate.opened_low, 'opened_high', rate.opened_high, 'interval_low', rate.interval_low,
        'interval_high', rate.interval_high, 'too_few', rate.verdict = 'too few') as counts
    from summed s
    cross join lateral outreach_report.opened(s.sent, s.opened_people, s.opened_unclassified) rate
  ),
  last_campaigns as materialized (
    -- Of one campaign its row, also before its first mail; else those with a mail, the last made first.
    select c.*
    from public.campaigns c
    where case
      when report_numbers.campaign is not null then c.id = report_numbers.campaign
      else exists (select from told t where t.no_campaign = 0 and t.campaign_id = c.id)
    end
    order by coalesce(c.started_at, c.created_at) desc nulls last, c.id
    limit report_numbers.most
  )
  select pg_catalog.jsonb_build_object(
    'made_at', clock_timestamp(),
    'since', coalesce(report_numbers.since, (select min(f.day) from facts f)),
    'until', coalesce(report_numbers.until, (select max(f.day) from facts f)),
    'totals', (
      select t.counts from told t
      where t.no_day = 1 and t.no_campaign = 1 and t.no_account = 1 and t.no_template = 1),
    'days', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('day', t.day) || t.counts order by t.day)
      from told t
      where t.no_day = 0), '[]'),
    'campaigns', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'id', c.id, 'name', c.name, 'parent_id', c.parent_id, 'step', c.step, 'status', c.status, 'started_at', c.started_at, 'finished_at', c.finished_at,
          'leads', public.campaign_counts(c.id)) || coalesce(t.counts, '{}')
        order by coalesce(c.started_at, c.created_at) desc nulls last, c.id)
      from last_campaigns c
      left join told t on t.no_campaign = 0 and t.campaign_id = c.id), '[]'),
    'accounts', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('id', x.account_id, 'email', a.email, 'status', coalesce(a.status, 'removed'))
          || x.counts
        order by x.sent desc, x.account_id)
      from (
        select * from told t where t.no_account = 0 order by t.sent desc, t.account_id limit report_numbers.most
      ) x
      left join public.accounts a on a.id = x.account_id), '[]'),
    'templates', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('template', x.template, 'subject', left(v.subject, 1001)) || x.counts
        order by x.sent desc, x.template)
      from (
        select * from told t where t.no_template = 0 order by t.sent desc, t.template limit report_numbers.most
      ) x
      left join public.template_versions v on v.hash = x.template), '[]'),
    'failures', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('reason', x.reason, 'failures', x.failures)
        order by x.failures desc, x.reason)
      from (
        select f.reason, sum(f.failures)::bigint as failures
        from outreach_report.failures f
        where (report_numbers.campaign is null or f.campaign_id = report_numbers.campaign)
          and (report_numbers.since is null or f.day >= report_numbers.since)
          and (report_numbers.until is null or f.day <= report_numbers.until)
        group by f.reason
        order by sum(f.failures) desc, f.reason
        limit report_numbers.most
      ) x), '[]'));
$$;

create or replace function public.report_upcoming(most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that will send, the next ones first; those that send now before them.
  select pg_catalog.jsonb_build_object(
    'id', u.campaign_id, 'name', u.campaign, 'parent_id', c.parent_id, 'step', c.step, 'status', u.status, 'what', u.what, 'starts_at', u.starts_at,
    'waiting_for', left(u.waiting_for, 1001), 'pending', u.pending)
  from outreach_report.upcoming u
  join public.campaigns c on c.id = u.campaign_id
  order by u.what = 'paused', u.what = 'follows' and u.starts_at is null, u.starts_at nulls first, u.campaign, u.campaign_id
  limit report_upcoming.most;
$$;

create or replace function public.report_cohorts(most integer default 104) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- By the week of the first mail, the newest first.
  select pg_catalog.to_jsonb(x)
  from outreach_report.cohorts x
  order by x.week desc
  limit report_cohorts.most;
$$;

create or replace function public.take_digest(of_day date) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Whether the caller is the one who publishes the digest of this day: once for each.
  with taken as (
    insert into public.digests (day) values (of_day) on conflict do nothing returning day
  )
  select pg_catalog.jsonb_build_object('answer', case when exists (select from taken) then 'taken' else 'published' end);
$$;

create or replace function public.leave_digest(of_day date) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- It could not be published: the next round tries again.
  with left_over as (
    delete from public.digests d where d.day = leave_digest.of_day returning d.day
  )
  select pg_catalog.jsonb_build_object('answer', 'left', 'days', (select count(*) from left_over));
$$;
