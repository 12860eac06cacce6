-- Mails by day, campaign, account and template: kept with each outcome, whoever records it, and rebuilt at will.

create or replace function public.template_key(template text, own_text boolean) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- As daily_counts has it: a campaign of texts that are written for each lead would have a row for each.
  select case when own_text then 'own' else coalesce(template, '') end;
$$;

create or replace function public.mail_of_lead(lead uuid)
returns table (campaign uuid, day date, account uuid, template text, sent_at timestamptz)
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Where the lead's mail is counted: that which left or may have; of a sender before us, that of its row.
  (select s.campaign_id, (s.started_at at time zone 'UTC')::date, s.account_id,
    public.template_key(s.template, s.own_text), s.started_at
  from public.send_attempts s
  where s.campaign_lead_id = mail_of_lead.lead and public.may_have_left(s.outcome)
  order by s.started_at desc
  limit 1)
  union all
  (select cl.campaign_id, (cl.sent_at at time zone 'UTC')::date,
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), '', cl.sent_at
  from public.campaign_leads cl
  where cl.id = mail_of_lead.lead and cl.status = 'sent' and cl.sent_at is not null
    and not exists (select from public.send_attempts s where s.campaign_lead_id = cl.id))
  limit 1;
$$;

create or replace function public.count_opening(
  of_campaign uuid,
  of_day date,
  of_account uuid,
  of_template text,
  class text,
  n integer
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  if class is null then
    return;
  end if;
  insert into public.daily_counts (campaign_id, day, account_id, template)
  values (of_campaign, of_day, of_account, of_template)
  on conflict do nothing;
  update public.daily_counts x
  set
    opened_people = x.opened_people + case when class = 'person' then n else 0 end,
    opened_unclassified = x.opened_unclassified + case when class = 'unclassified' then n else 0 end,
    opened_machines = x.opened_machines + case when class = 'machine' then n else 0 end
  where x.campaign_id = of_campaign and x.day = of_day and x.account_id = of_account and x.template = of_template;
end
$$;

create or replace function public.count_attempt(old public.send_attempts, new public.send_attempts) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What became of a mail, `old` before; null: it had no row.
declare
  of_day constant date := (new.started_at at time zone 'UTC')::date;
  of_template constant text := public.template_key(new.template, new.own_text);
  class text;
begin
  -- Once more where the row is the first of its kind.
  for n in 1..2 loop
    update public.daily_counts x
    set
      sent = x.sent + coalesce((new.outcome = 'sent')::integer, 0) - coalesce((old.outcome = 'sent')::integer, 0),
      refused = x.refused
        + coalesce((new.outcome = 'refused')::integer, 0) - coalesce((old.outcome = 'refused')::integer, 0),
      not_sent = x.not_sent
        + coalesce((new.outcome = 'not_sent')::integer, 0) - coalesce((old.outcome = 'not_sent')::integer, 0),
      unclear = x.unclear
        + coalesce((new.outcome = 'unclear')::integer, 0) - coalesce((old.outcome = 'unclear')::integer, 0)
    where x.campaign_id = new.campaign_id and x.day = of_day and x.account_id = new.account_id
      and x.template = of_template;
    exit when found;
    insert into public.daily_counts (campaign_id, day, account_id, template)
    values (new.campaign_id, of_day, new.account_id, of_template)
    on conflict do nothing;
  end loop;
  if old.id is not null and public.may_have_left(old.outcome) and not public.may_have_left(new.outcome) then
    -- Nearly never: what was opened had not left after all. It counts with the lead's next mail.
    update public.campaign_leads cl
    set open_class = null
    from public.campaign_leads before
    where cl.id = new.campaign_lead_id and before.id = cl.id and cl.open_class is not null
    returning before.open_class into class;
    perform public.count_opening(new.campaign_id, of_day, new.account_id, of_template, class, -1);
  end if;
end
$$;

create or replace function public.attempt_begun_with_outcome() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  perform public.count_attempt(null, new);
  return null;
end
$$;

create or replace function public.attempt_counted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  -- With each mail: an expression is prepared anew each time, and costs more than what it computes. So there are few.
  if old.outcome is null and new.outcome = 'sent' then
    update public.daily_counts x
    set sent = x.sent + 1
    where x.campaign_id = new.campaign_id and x.day = (new.started_at at time zone 'UTC')::date
      and x.account_id = new.account_id and x.template = public.template_key(new.template, new.own_text);
    if found then
      return null;
    end if;
  end if;
  if old.outcome is distinct from new.outcome then
    perform public.count_attempt(old, new);
  end if;
  return null;
end
$$;

-- On the log itself: whatever function records an outcome, it is counted.
create or replace trigger attempt_begun_with_outcome after insert on public.send_attempts
  for each row when (new.outcome is not null) execute function public.attempt_begun_with_outcome();
-- Without a condition: each statement would read and prepare it anew, too.
create or replace trigger attempt_counted after update of outcome on public.send_attempts
  for each row execute function public.attempt_counted();

create or replace function public.failures_counted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  insert into public.daily_failures (campaign_id, day, account_id, reason, failures)
  select
    cl.campaign_id, coalesce((f.failed_at at time zone 'UTC')::date, '-infinity'),
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), left(f.reason, 300), count(*)
  from new_rows f
  join public.campaign_leads cl on cl.id = f.campaign_lead_id
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (campaign_id, day, account_id, reason) do update
  set failures = public.daily_failures.failures + excluded.failures;
  return null;
end
$$;

-- By statement: thousands of leads may fail at once, for one reason.
create or replace trigger failures_counted after insert on public.lead_failures
  referencing new table as new_rows
  for each statement execute function public.failures_counted();

create or replace function public.recount_mails() returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
-- Rebuilds daily_counts from the log, the leads and their openings, and daily_failures. Outcomes wait meanwhile: seconds for a million.
-- What was counted of a campaign whose row is gone stays: with it went its leads, their openings and failures.
--   recounted: {rows, changed}
declare
  changed bigint;
begin
  lock table public.daily_counts in share row exclusive mode;
  create temporary table outreach_recounted on commit drop as
  select
    m.campaign_id, m.day, m.account_id, m.template,
    count(*) filter (where m.outcome = 'sent') as sent,
    count(*) filter (where m.outcome = 'refused') as refused,
    count(*) filter (where m.outcome = 'not_sent') as not_sent,
    count(*) filter (where m.outcome = 'unclear') as unclear,
    count(*) filter (where m.open_class = 'person') as opened_people,
    count(*) filter (where m.open_class = 'unclassified') as opened_unclassified,
    count(*) filter (where m.open_class = 'machine') as opened_machines
  from (
    select s.campaign_id, (s.started_at at time zone 'UTC')::date as day, s.account_id,
      public.template_key(s.template, s.own_text) as template, s.outcome, cl.open_class
    from public.send_attempts s
    join public.campaigns c on c.id = s.campaign_id
    left join public.campaign_leads cl on cl.id = s.campaign_lead_id and public.may_have_left(s.outcome)
    union all
    -- Mailed by a sender before us.
    select cl.campaign_id, (cl.sent_at at time zone 'UTC')::date,
      coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), '', 'sent', cl.open_class
    from public.campaign_leads cl
    where cl.status = 'sent' and cl.sent_at is not null
      and not exists (select from public.send_attempts s where s.campaign_lead_id = cl.id)
  ) m
  group by m.campaign_id, m.day, m.account_id, m.template
  having count(m.outcome) + count(m.open_class) > 0;
  select count(*) into changed
  from pg_temp.outreach_recounted r
  full join (
    select n.* from public.daily_counts n
    join public.campaigns c on c.id = n.campaign_id
    where (n.sent, n.refused, n.not_sent, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines)
      <> (0, 0, 0, 0, 0, 0, 0)
  ) n using (campaign_id, day, account_id, template)
  where (r.sent, r.refused, r.not_sent, r.unclear, r.opened_people, r.opened_unclassified, r.opened_machines)
    is distinct from
    (n.sent, n.refused, n.not_sent, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines);
  delete from public.daily_counts n where n.campaign_id in (select c.id from public.campaigns c);
  insert into public.daily_counts (
    campaign_id, day, account_id, template, sent, refused, not_sent, unclear, opened_people, opened_unclassified,
    opened_machines)
  select * from pg_temp.outreach_recounted;
  lock table public.daily_failures in share row exclusive mode;
  delete from public.daily_failures n where n.campaign_id in (select c.id from public.campaigns c);
  insert into public.daily_failures (campaign_id, day, account_id, reason, failures)
  select
    cl.campaign_id, coalesce((f.failed_at at time zone 'UTC')::date, '-infinity'),
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), left(f.reason, 300), count(*)
  from public.lead_failures f
  join public.campaign_leads cl on cl.id = f.campaign_lead_id
  group by 1, 2, 3, 4;
  return next pg_catalog.jsonb_build_object(
    'answer', 'recounted', 'rows', (select count(*) from public.daily_counts), 'changed', changed);
  drop table pg_temp.outreach_recounted;
end
$$;
