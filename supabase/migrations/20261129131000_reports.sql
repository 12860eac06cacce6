-- What was sent, who opened it, and the counts that reports read. Additive and repeatable.

-- Of each mail: the version of its template, its subject as sent, and which placeholders were filled.
alter table public.send_attempts
  -- template_versions.hash; null: a worker of an earlier release wrote it.
  add column if not exists template text,
  -- Whether subject or body are the lead's own and not its company's.
  add column if not exists own_text boolean,
  add column if not exists subject text,
  -- A list of names, without their values.
  add column if not exists placeholders jsonb;

-- The text of each version, once.
create table if not exists public.template_versions (
  hash text primary key,
  first_used_at timestamptz not null default clock_timestamp(),
  own_text boolean not null default false,
  subject text not null,
  body text not null,
  footer text
);

-- What recipients did with a mail: each fetch of its pixel. No address and no user agent is kept.
create table if not exists public.mail_events (
  id uuid primary key default public.time_ordered_id(),
  campaign_lead_id uuid not null,
  kind text not null default 'open' constraint mail_events_kind_known check (kind = 'open'),
  at timestamptz not null,
  class text not null
    constraint mail_events_class_known check (class in ('person', 'proxy', 'machine', 'unclassified')),
  -- What gave the class, in words.
  rule text not null constraint mail_events_rule_bounded check (length(rule) <= 200)
);
create index if not exists mail_events_of_lead on public.mail_events (campaign_lead_id, at);

-- The best class of a lead's openings; null with `opened_at`: written by an endpoint that is not ours.
alter table public.campaign_leads
  add column if not exists open_class text
    constraint campaign_leads_open_class_known check (open_class in ('person', 'unclassified', 'machine'));
create index if not exists campaign_leads_opened_elsewhere
  on public.campaign_leads (campaign_id, id) where opened_at is not null and open_class is null;

-- Mails by their day (UTC), campaign, account and template; kept by triggers and record_opens, rebuilt by
-- recount_mails. An opening counts on the day of its mail, a lead once.
create table if not exists public.daily_counts (
  day date not null,
  campaign_id uuid not null,
  -- 0: unknown.
  account_id uuid not null,
  -- template_versions.hash; `own`: texts of single leads; empty: unknown.
  template text not null,
  sent bigint not null default 0,
  refused bigint not null default 0,
  not_sent bigint not null default 0,
  unclear bigint not null default 0,
  opened_people bigint not null default 0,
  opened_unclassified bigint not null default 0,
  opened_machines bigint not null default 0,
  primary key (campaign_id, day, account_id, template)
-- A row changes with each mail: room for its next version on the same page.
) with (fillfactor = 50);
create index if not exists daily_counts_by_day on public.daily_counts (day);

-- Failures of leads by day (UTC), campaign, account and reason; kept and rebuilt as daily_counts.
create table if not exists public.daily_failures (
  campaign_id uuid not null,
  -- -infinity: another sender's, which nobody knows the time of.
  day date not null,
  account_id uuid not null,
  reason text not null constraint daily_failures_reason_bounded check (length(reason) <= 300),
  failures bigint not null default 0,
  primary key (campaign_id, day, account_id, reason)
);

-- The days whose digest was published.
create table if not exists public.digests (
  day date primary key,
  made_at timestamptz not null default clock_timestamp()
);

-- Of the functions as lock_down() left them: while it is the same nobody has changed one, and a claim need not read all
-- their sources.
alter table public.schema_releases add column if not exists fingerprint text;

-- Supabase lets its public roles at every new table. lock_down() gives the service role its rights.
do $$
declare
  r name;
  t text;
begin
  foreach t in array array['template_versions', 'mail_events', 'daily_counts', 'daily_failures', 'digests'] loop
    execute format('alter table public.%I enable row level security', t);
    execute format('revoke all on public.%I from public', t);
    for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke all on public.%I from %I', t, r);
    end loop;
  end loop;
end
$$;
