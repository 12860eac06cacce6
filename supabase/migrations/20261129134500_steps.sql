-- Follow-ups: each step is a campaign of its own, whose leads are those that the step before was sent to.

alter table public.campaigns
  -- Of a step: the first campaign of the chain.
  add column if not exists parent_id uuid references public.campaigns (id) on delete cascade,
  -- The first campaign is step 1, with null.
  add column if not exists step integer constraint campaigns_step_known check (step between 2 and 50),
  -- Counted from when the step before was sent: days at the same wall time in the campaign's zone, or seconds.
  add column if not exists delay_days integer constraint campaigns_delay_days_known check (delay_days between 1 and 365),
  add column if not exists delay_seconds double precision
    constraint campaigns_delay_seconds_known check (delay_seconds >= 1 and delay_seconds <= 31536000),
  add column if not exists max_late_seconds double precision not null default 604800
    constraint campaigns_max_late_known check (max_late_seconds > 0),
  -- Who was sent the step before from then on is followed; null: from 30 days before the step was made.
  add column if not exists follow_since timestamptz,
  add column if not exists stop_on_company_reply boolean not null default false,
  -- Null: Re: and the subject as it was sent, in the same thread.
  add column if not exists step_subject text,
  -- Null: the texts of the leads and companies.
  add column if not exists step_template text,
  -- When the step before has to be looked at for leads to follow; null: now.
  add column if not exists next_follow_at timestamptz,
  -- A step that has no lead to mail now: no run is started for it.
  add column if not exists idle boolean not null default false;

do $$
begin
  if not exists (
    select from pg_catalog.pg_constraint
    where conrelid = 'public.campaigns'::regclass and conname = 'campaigns_step_whole'
  ) then
    alter table public.campaigns add constraint campaigns_step_whole check (
      (parent_id is null) = (step is null)
      and (parent_id is null or (delay_days is null) <> (delay_seconds is null))
      and parent_id <> id);
  end if;
end
$$;
create unique index if not exists campaigns_one_of_each_step on public.campaigns (parent_id, step)
  where parent_id is not null;
create index if not exists campaigns_to_follow on public.campaigns (next_follow_at) where parent_id is not null;
create index if not exists campaigns_not_idle on public.campaigns (status, id) where not idle;

alter table public.campaign_leads
  add column if not exists previous_id uuid references public.campaign_leads (id) on delete set null,
  -- When a step took the lead up, or left it for a reason that its own row has.
  add column if not exists followed_at timestamptz;
create unique index if not exists campaign_leads_once_a_step on public.campaign_leads (previous_id)
  where previous_id is not null;
create index if not exists campaign_leads_to_follow on public.campaign_leads (campaign_id, sent_at)
  where status = 'sent' and followed_at is null;
