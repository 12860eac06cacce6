-- Only the service role may read what is ours or call what is ours.

create or replace function public.lock_down() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Rights on the functions of the newest release and on our tables. Repeatable: roles may have come since.
declare
  ours text[];
  f text;
  r name;
begin
  select x.functions into ours from public.schema_releases x order by x.version desc limit 1;
  foreach f in array ours loop
    execute format('revoke execute on function %s from public', f);
    for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke execute on function %s from %I', f, r);
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
  -- A default of the columns id: whoever inserts a row calls it, and it tells nothing.
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('grant execute on function public.time_ordered_id() to %I', r);
  end loop;

  revoke all on public.send_attempts, public.lead_failures, public.schema_releases, public.dispatchers from public;
  revoke all on public.suppressions, public.audit, public.address_hash_key, public.web_addresses from public;
  revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences,
    public.erasures from public;
  revoke all on public.template_versions, public.mail_events, public.daily_counts, public.daily_failures,
    public.digests from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format(
      'revoke all on public.send_attempts, public.lead_failures, public.schema_releases, public.dispatchers from %I', r);
    execute format('revoke all on public.suppressions, public.audit, public.address_hash_key, public.web_addresses from %I', r);
    execute format(
      'revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences,
        public.erasures from %I', r);
    execute format(
      'revoke all on public.template_versions, public.mail_events, public.daily_counts, public.daily_failures,
        public.digests from %I', r);
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    -- A new Supabase project grants nobody anything on new tables.
    grant select, insert, update, delete
      on public.companies, public.leads, public.accounts, public.campaigns, public.campaign_accounts,
        public.campaign_leads, public.send_attempts, public.lead_failures, public.dispatchers, public.suppressions,
        public.web_addresses, public.template_versions, public.mail_events, public.daily_counts,
        public.daily_failures, public.digests,
        public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences, public.erasures
      to service_role;
    grant select, insert, update (subject) on public.audit to service_role;
    grant select on public.schema_releases, public.address_hash_key to service_role;
  end if;
  perform public.make_report_views();
  if to_regprocedure('auth.uid()') is not null
    and exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    -- A user of the web app may see whom their campaigns do not mail, and what came back. Last, so that it is the same
    -- each time.
    grant select on public.suppressions, public.inbound, public.inbound_mails to authenticated;
    drop policy if exists suppressions_of_owner on public.suppressions;
    create policy suppressions_of_owner on public.suppressions
      for select to authenticated using (user_id = (select auth.uid()));
    drop policy if exists inbound_of_owner on public.inbound;
    create policy inbound_of_owner on public.inbound
      for select to authenticated using (user_id = (select auth.uid()));
    drop policy if exists inbound_mails_of_owner on public.inbound_mails;
    create policy inbound_mails_of_owner on public.inbound_mails
      for select to authenticated using (user_id = (select auth.uid()));
  end if;

  -- After the last change of a function.
  update public.schema_releases x
  set fingerprint = case when x.hash = public.functions_hash(x.functions) then public.functions_fingerprint() end
  where x.version = (select max(y.version) from public.schema_releases y);
end
$$;
