-- What people who watch are told of a campaign.

create or replace function public.campaign_account_summary(
  campaign uuid,
  run uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of each account: its leads by status, over all runs; and what `run` sent from it, how fast.
  with of_run as (
    select s.account_id as id, count(*) as mails, extract(epoch from max(s.started_at) - min(s.started_at)) as seconds
    from public.send_attempts s
    where s.campaign_id = campaign_account_summary.campaign and s.run_id = campaign_account_summary.run
      and s.outcome = 'sent'
    group by s.account_id
  )
  select pg_catalog.jsonb_build_object(
    'id', page.id,
    'email', a.email,
    'sent', c.sent,
    'failed', c.failed,
    'pending', c.pending,
    'cancelled', c.cancelled,
    'sent_by_run', coalesce(r.mails, 0),
    'per_minute', ((r.mails - 1) * 60 / nullif(r.seconds, 0))::double precision)
  from public.leads_by_account(campaign_account_summary.campaign) c
  -- Leads whose account's row was deleted come last.
  cross join lateral (select coalesce(c.account, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as id) page
  left join of_run r on r.id is not distinct from c.account
  left join public.accounts a on a.id = c.account
  where page.id > campaign_account_summary.after
  order by page.id
  limit campaign_account_summary.most;
$$;
