-- Only the service role may read what is ours or call what is ours; PostgREST reads the schema anew.

create or replace function public.schema_version() returns setof jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('version', '20261124009900');
$$;

alter table public.send_attempts enable row level security;

do $$
declare
  ours constant text[] := array[
    'begin_attempt', 'begin_run', 'below_daily_limit_at', 'campaign_account_summary', 'campaign_counts',
    'campaign_facts', 'campaign_progress', 'campaign_status', 'cancel_campaign', 'cancel_run', 'check_campaign',
    'claim_leads', 'crash_run', 'create_campaign', 'defer_lead', 'drafts_in_use', 'end_campaign', 'end_in_error',
    'fail_lead', 'fail_run', 'failure_reasons', 'finish_run', 'forget_dispatch', 'import_leads', 'leads_to_mail',
    'list_accounts', 'list_campaign_leads', 'list_campaigns', 'list_dispatched', 'list_mails', 'list_open_attempts',
    'mails_left', 'mails_of_account', 'mark_account_unusable', 'next_opening', 'note_dispatch', 'pause_account',
    'pause_campaign', 'put_off', 'read_credentials', 'record_outcome', 'release_run', 'remove_account', 'renew_run',
    'resolve_lead', 'resume_campaign', 'retry_failed', 'save_account', 'schema_version', 'settle_by_hand',
    'start_campaign', 'sweep_cancelled', 'take_due', 'time_ordered_id', 'told_window'
  ];
  f regprocedure;
  r name;
begin
  for f in
    select p.oid::regprocedure from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = any (ours)
  loop
    execute format('revoke execute on function %s from public', f);
    for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke execute on function %s from %I', f, r);
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;

  revoke all on public.send_attempts from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on public.send_attempts from %I', r);
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    -- A new Supabase project grants nobody anything on new tables.
    grant select, insert, update, delete
      on public.companies, public.leads, public.accounts, public.campaigns, public.campaign_accounts,
        public.campaign_leads, public.send_attempts
      to service_role;
  end if;
end
$$;

notify pgrst, 'reload schema';
