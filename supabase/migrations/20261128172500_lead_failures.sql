-- Every failure of a lead, which a retry takes off the lead itself. Append-only. No foreign keys: like the log
-- of mails it never blocks the deletion of what it speaks of.
create table if not exists public.lead_failures (
  id uuid primary key default public.time_ordered_id(),
  campaign_lead_id uuid not null,
  -- null: another sender's, which nobody knows the time of.
  failed_at timestamptz,
  reason text not null
);

create index if not exists lead_failures_of_lead on public.lead_failures (campaign_lead_id, failed_at);

-- Supabase lets its public roles at every new table. lock_down() gives the service role its rights.
alter table public.lead_failures enable row level security;
do $$
declare
  r name;
begin
  revoke all on public.lead_failures from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on public.lead_failures from %I', r);
  end loop;
end
$$;

-- Of what had failed before: the time is the last attempt's.
insert into public.lead_failures (campaign_lead_id, failed_at, reason)
select cl.id, s.finished_at, coalesce(cl.error, 'no reason recorded')
from public.campaign_leads cl
cross join lateral (
  select x.outcome, x.finished_at
  from public.send_attempts x
  where x.campaign_lead_id = cl.id
  order by x.started_at desc, x.id desc
  limit 1
) s
where cl.status = 'failed' and (s.outcome = 'refused' or s.outcome = 'unclear')
  and not exists (select from public.lead_failures f where f.campaign_lead_id = cl.id);
