-- Whose is what: accounts of another user, and who can read the tokens of accounts.

create or replace function public.fault_of_accounts(c public.campaigns) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- {problem, remedy} where the campaign names accounts that belong to another user than it does; null where it
  -- names none. A row without an owner is everybody's.
  select pg_catalog.jsonb_build_object(
    'problem', pg_catalog.format(
      'The campaign names accounts of another user (%s)', pg_catalog.string_agg(a.email, ', ' order by a.email)),
    'remedy', 'take them out of campaign_accounts')
  from public.campaign_accounts ca
  join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
  where ca.campaign_id = c.id and a.user_id <> c.user_id
  having count(*) > 0;
$$;

create or replace function public.accounts_of_others(c public.campaigns) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same in a sentence, for a campaign that was to be started.
  select pg_catalog.format('%s; %s, then start it again.', fault ->> 'problem', fault ->> 'remedy')
  from public.fault_of_accounts(c) fault
  where fault is not null;
$$;

create or replace function public.exposed_tokens() returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The roles of the web app's users that can read the tokens of accounts: of every row, or of those that a
  -- policy gives them; and the statement that keeps the tokens from them.
  select pg_catalog.jsonb_build_object(
    'role', r.rolname,
    'rows', case when r.rolbypassrls or not t.relrowsecurity then 'all' else 'policy' end,
    'statement', pg_catalog.format(
      'revoke select on public.accounts from %s%I; grant select (%s) on public.accounts to %2$I;',
      case when pg_catalog.has_column_privilege('public', t.oid, 'refresh_token', 'select') then 'public, ' else '' end,
      r.rolname,
      (
        select pg_catalog.string_agg(pg_catalog.quote_ident(x.attname), ', ' order by x.attnum)
        from pg_catalog.pg_attribute x
        where x.attrelid = t.oid and x.attnum > 0 and not x.attisdropped
          and x.attname not in ('refresh_token', 'access_token')
      )))
  from pg_catalog.pg_roles r
  cross join pg_catalog.pg_class t
  where r.rolname in ('anon', 'authenticated')
    and t.oid = 'public.accounts'::regclass
    and (
      pg_catalog.has_column_privilege(r.oid, t.oid, 'refresh_token', 'select')
      or pg_catalog.has_column_privilege(r.oid, t.oid, 'access_token', 'select'))
    and (
      r.rolbypassrls or not t.relrowsecurity or exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = t.oid and p.polpermissive and p.polcmd in ('r', '*')
          and exists (
            select from unnest(p.polroles) given (role)
            where given.role = 0 or pg_catalog.pg_has_role(r.oid, given.role, 'usage'))))
  order by r.rolname;
$$;
