-- The tables that the web app already has, made where they are missing, and what we add to them.
-- Additive and repeatable: nothing is dropped, renamed or retyped; status columns may be text or an enum.

-- A project's own function of the same name would be replaced unseen: where nothing of ours is there yet,
-- every function of these names is its own.
do $$
declare
  theirs text;
  ours constant text[] := array[
    'begin_attempt', 'begin_run', 'below_daily_limit_at', 'campaign_account_summary', 'campaign_counts',
    'campaign_facts', 'campaign_progress', 'campaign_status', 'cancel_campaign', 'cancel_run',
    'check_campaign', 'claim_leads', 'crash_run', 'create_campaign', 'decline_run', 'defer_lead',
    'drafts_in_use', 'end_campaign', 'end_in_error', 'fail_lead', 'fail_run', 'failure_reasons', 'finish_run',
    'forget_dispatch', 'functions_hash', 'import_leads', 'installed_release', 'leads_to_mail', 'list_accounts',
    'list_campaign_leads', 'list_campaigns', 'list_dispatched', 'list_mails', 'list_open_attempts',
    'lock_down', 'mails_left', 'mails_of_account', 'mark_account_unusable', 'next_opening', 'note_dispatch',
    'pause_account', 'pause_campaign', 'put_off', 'read_credentials', 'record_outcome', 'release_run',
    'remove_account', 'renew_run', 'resolve_lead', 'resume_campaign', 'retry_failed', 'save_account',
    'schema_version', 'settle_by_hand', 'start_campaign', 'sweep_cancelled', 'take_due',
    'time_ordered_id', 'told_window'
  ];
begin
  if to_regclass('public.send_attempts') is null then
    select string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text) into theirs
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = any (ours);
  end if;
  if theirs is not null then
    raise exception 'The database has a function of its own with a name of ours: %; rename or drop it, then migrate again.', theirs;
  end if;
end
$$;

-- Which of the tables are new: they get row-level security, the web app's own stay as they are.
select set_config('outreach.new_tables', coalesce(string_agg(name, ','), ''), false)
from unnest(array['companies', 'leads', 'accounts', 'campaigns', 'campaign_accounts', 'campaign_leads']) wanted (name)
where to_regclass('public.' || name) is null;

-- A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance. What is made together lies together,
-- in the table and in its indexes, so that a claim in a large table changes few pages.
create or replace function public.time_ordered_id() returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
  -- Of a random one's version, 4, two bits more make 7.
  select encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send(floor(1000 * extract(epoch from clock_timestamp()))::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
$$;

create table if not exists public.companies (
  id uuid primary key default public.time_ordered_id(),
  user_id uuid,
  name text,
  domain text,
  email_subject text,
  email_template text
);

create table if not exists public.leads (
  id uuid primary key default public.time_ordered_id(),
  user_id uuid,
  company_id uuid references public.companies (id) on delete set null,
  email text not null,
  name text,
  role text,
  tag text,
  custom_fields jsonb
);

create table if not exists public.accounts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid,
  email text not null,
  provider text,
  refresh_token text,
  access_token text
);

create table if not exists public.campaigns (
  id uuid primary key default gen_random_uuid(),
  user_id uuid,
  name text not null,
  status text not null default 'draft'
    check (status in ('draft', 'scheduled', 'running', 'completed', 'error', 'cancelled')),
  scheduled_at timestamptz,
  error text,
  created_at timestamptz not null default now()
);

create table if not exists public.campaign_accounts (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  account_id uuid not null references public.accounts (id) on delete cascade,
  primary key (campaign_id, account_id)
);

create table if not exists public.campaign_leads (
  id uuid primary key default public.time_ordered_id(),
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  lead_id uuid references public.leads (id) on delete set null,
  status text not null default 'pending'
    check (status in ('pending', 'sent', 'failed', 'cancelled')),
  assigned_account_id uuid references public.accounts (id) on delete set null,
  sent_at timestamptz,
  thread_id text,
  message_id text,
  error text,
  opened_at timestamptz,
  constraint campaign_leads_sent_has_time check (status <> 'sent' or sent_at is not null)
);

-- Supabase lets its public roles at every new table, and these hold tokens and addresses.
do $$
declare
  name text;
begin
  foreach name in array string_to_array(current_setting('outreach.new_tables'), ',') loop
    execute format('alter table public.%I enable row level security', name);
  end loop;
end
$$;

-- Accounts: who the recipient sees, how fast it may send, and whether it may.
alter table public.accounts
  add column if not exists sender_name text,
  add column if not exists reply_to text,
  add column if not exists status text not null default 'active'
    constraint accounts_status_known check (status in ('active', 'unusable', 'removed')),
  add column if not exists status_reason text,
  add column if not exists paused_until timestamptz,
  -- Quota pauses in a row: each one doubles the next.
  add column if not exists quota_pauses integer not null default 0
    constraint accounts_quota_pauses_counted check (quota_pauses >= 0),
  add column if not exists pace_seconds double precision
    constraint accounts_pace_not_negative check (pace_seconds >= 0),
  add column if not exists daily_limit integer
    constraint accounts_daily_limit_positive check (daily_limit > 0),
  -- The pace is this row: the first moment that nobody has reserved yet.
  add column if not exists next_send_at timestamptz,
  -- How many mails surely fit into the daily limit yet, and the limit for which they were counted: counting
  -- them for each mail would cost as much as the account has sent today.
  add column if not exists mails_left integer,
  add column if not exists mails_left_of integer;

alter table public.campaigns
  add column if not exists flow_run_ids text[] not null default '{}',
  add column if not exists started_at timestamptz,
  add column if not exists finished_at timestamptz,
  -- null: ATTACHMENT_PDF; empty: none.
  add column if not exists attachment text,
  add column if not exists time_zone text,
  -- ISO weekdays, Monday is 1.
  add column if not exists send_days integer[]
    constraint campaigns_send_days_known check (send_days <@ array[1, 2, 3, 4, 5, 6, 7]),
  add column if not exists send_from time,
  add column if not exists send_until time,
  add column if not exists resume_at timestamptz,
  add column if not exists waiting_for text,
  add column if not exists run_id uuid,
  add column if not exists lease_until timestamptz,
  add column if not exists crash_count integer not null default 0
    constraint campaigns_crashes_counted check (crash_count >= 0),
  add column if not exists dispatch_no integer not null default 0
    constraint campaigns_dispatches_counted check (dispatch_no >= 0),
  add column if not exists dispatched_at timestamptz,
  -- Dispatches in a row of which no run began the campaign.
  add column if not exists dispatch_misses integer not null default 0
    constraint campaigns_dispatch_misses_counted check (dispatch_misses >= 0);

-- Cut-over. The old sender may still be at what is running, and what it left pending may have been
-- mailed: a person has to look, once, when this column first appears.
do $$
begin
  if not exists (
    select from information_schema.columns
    where table_schema = 'public' and table_name = 'campaigns' and column_name = 'paused_at'
  ) then
    alter table public.campaigns add column paused_at timestamptz;
    update public.campaigns
    set
      paused_at = now(),
      waiting_for = 'The previous sender may have mailed some of the pending leads: check them, then resume.'
    where status in ('running', 'scheduled');
  end if;
end
$$;

alter table public.campaign_leads
  add column if not exists claim_token uuid,
  add column if not exists claimed_until timestamptz,
  add column if not exists open_attempt_id uuid,
  -- Not before: the send time of a claim, or when a deferred lead may be tried again.
  add column if not exists next_attempt_at timestamptz;

do $$
begin
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'public.campaign_leads'::regclass and conname = 'campaign_leads_claim_expires'
  ) then
    alter table public.campaign_leads
      add constraint campaign_leads_claim_expires
        check ((claim_token is null) = (claimed_until is null)),
      add constraint campaign_leads_claimed_or_attempted
        check (claim_token is null or open_attempt_id is null);
  end if;
end
$$;

-- The write-ahead log of mails: a row is here before its mail can leave. Append-only but for the
-- outcome. No foreign keys: it outlives the rows that it speaks of and never blocks their deletion.
create table if not exists public.send_attempts (
  id uuid primary key,
  campaign_id uuid not null,
  campaign_lead_id uuid not null,
  account_id uuid not null,
  run_id uuid not null,
  address text not null,
  started_at timestamptz not null,
  draft_id text,
  thread_id text,
  search_token text not null,
  finished_at timestamptz,
  -- null: it may be on its way.
  outcome text constraint send_attempts_outcome_known
    check (outcome in ('sent', 'refused', 'not_sent', 'unclear')),
  detail text,
  -- Seconds, where Gmail or settling said when to try again; null for a failure that merely passes.
  retry_after double precision,
  constraint send_attempts_finished_has_outcome check ((outcome is null) = (finished_at is null))
);

-- A lead has one open attempt at most.
create unique index if not exists send_attempts_one_open
  on public.send_attempts (campaign_lead_id) where outcome is null;

-- The database itself refuses a second mail to an address in a campaign. By address: for `check`, which
-- asks when one was mailed last, by whatever campaign.
create unique index if not exists send_attempts_one_mail
  on public.send_attempts (lower(address), campaign_id)
  where outcome is null or outcome = 'sent' or outcome = 'unclear';

-- What an account has sent, or may have: its pace and its daily limit.
create index if not exists send_attempts_of_account
  on public.send_attempts (account_id, started_at desc)
  where outcome is null or outcome = 'sent' or outcome = 'unclear';

create index if not exists send_attempts_of_lead on public.send_attempts (campaign_lead_id, started_at);
create index if not exists send_attempts_open on public.send_attempts (campaign_id, id) where outcome is null;

-- Each mail moves its lead three times (claimed, begun, done), and every index that holds it with it.
create index if not exists campaign_leads_claimable
  on public.campaign_leads (assigned_account_id, campaign_id, id)
  where status = 'pending' and open_attempt_id is null;
create index if not exists campaign_leads_by_status on public.campaign_leads (campaign_id, status, id);
create index if not exists campaign_leads_claimed
  on public.campaign_leads (campaign_id, claim_token) where claim_token is not null;
create index if not exists campaign_leads_waiting
  on public.campaign_leads (campaign_id, next_attempt_at)
  where status = 'pending' and open_attempt_id is null and claim_token is null and next_attempt_at is not null;
create index if not exists campaign_leads_of_campaign on public.campaign_leads (campaign_id, id);
create index if not exists campaign_leads_of_lead on public.campaign_leads (lead_id);
create index if not exists campaign_accounts_of_account on public.campaign_accounts (account_id);
create index if not exists campaigns_by_status on public.campaigns (status, id);
create index if not exists leads_by_address on public.leads (lower(email));
create index if not exists leads_by_tag on public.leads (tag);
create index if not exists leads_by_company on public.leads (company_id);
create index if not exists companies_by_domain on public.companies (lower(domain));
create index if not exists companies_by_name on public.companies (lower(name));
