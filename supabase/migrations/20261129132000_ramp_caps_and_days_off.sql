-- How an account's daily limit grows, how many mails a day one domain gets, and the days on which a campaign rests.

-- A limit that begins at ramp_from and grows by ramp_step with each day that sent; never above the daily limit.
alter table public.accounts add column if not exists ramp_from integer
  constraint accounts_ramp_from_counts check (ramp_from between 1 and 1000000);
alter table public.accounts add column if not exists ramp_step integer
  constraint accounts_ramp_step_counts check (ramp_step between 1 and 1000000)
  constraint accounts_ramp_whole check ((ramp_from is null) = (ramp_step is null));
-- What is counted of the log, so that each claim need not begin at its start: days that sent, and until when.
alter table public.accounts add column if not exists ramp_days integer not null default 0;
alter table public.accounts add column if not exists ramp_counted_until timestamptz;

-- The account mails no domain that got so many mails in the last 24 hours, whichever accounts sent them.
alter table public.accounts add column if not exists domain_cap integer
  constraint accounts_domain_cap_counts check (domain_cap between 1 and 1000000);

-- The mails to a domain, for the caps. Of all of them, and by another form of their time: for no other question the
-- planner takes this index for the one of an account's mails, which in a small table costs as little.
create index if not exists send_attempts_to_domain
  on public.send_attempts (split_part(lower(address), '@', -1), (started_at at time zone 'UTC'));

-- Dates in the campaign's time zone on which its window does not open. Such as every program can read.
alter table public.campaigns add column if not exists skip_dates date[]
  constraint campaigns_skip_dates_known check (
    skip_dates is null
    or (cardinality(skip_dates) <= 1000 and '0001-01-01' <= all (skip_dates) and '9999-12-31' >= all (skip_dates))
      is true);
