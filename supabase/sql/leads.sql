-- Leads and their companies.

create or replace function public.import_leads(
  rows jsonb,
  list_tag text default null,
  owner uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Adds or updates leads, and the companies that they name; an address is one lead, whatever its case.
-- rows: [{email, name, role, company, domain, email_subject, email_template, custom_fields}]; what a row
-- leaves out stays as it is, and of two rows for one address the last one counts. A company is known by
-- its domain, else by its name.
declare
  added bigint;
  updated bigint;
  companies_added bigint;
  more_added bigint;
  without_address text;
begin
  -- Two imports at once would both find a company missing.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.import_leads'));

  create temporary table if not exists outreach_rows (
    no bigint, email text, name text, role text, company text, domain text,
    email_subject text, email_template text, custom_fields jsonb, company_id uuid, lead_id uuid
  ) on commit drop;
  truncate pg_temp.outreach_rows;
  insert into pg_temp.outreach_rows
  select
    r.no, btrim(r.j ->> 'email'), nullif(r.j ->> 'name', ''), nullif(r.j ->> 'role', ''),
    nullif(btrim(r.j ->> 'company'), ''), nullif(lower(btrim(r.j ->> 'domain')), ''),
    nullif(r.j ->> 'email_subject', ''), nullif(r.j ->> 'email_template', ''),
    case when pg_catalog.jsonb_typeof(r.j -> 'custom_fields') = 'object' then r.j -> 'custom_fields' else '{}' end
  from pg_catalog.jsonb_array_elements(
    case when pg_catalog.jsonb_typeof(rows) = 'array' then rows else '[]' end) with ordinality r (j, no);

  select string_agg(r.no::text, ', ' order by r.no) into without_address
  from pg_temp.outreach_rows r where coalesce(r.email, '') = '';
  if without_address is not null then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected',
      'reason', pg_catalog.format('Row %s has no email address; add it or leave the row out.', without_address));
    return;
  end if;

  -- Those with a domain first: a row with the name alone may mean one of them.
  insert into public.companies (user_id, name, domain)
  select distinct on (r.domain) owner, coalesce(r.company, r.domain), r.domain
  from pg_temp.outreach_rows r
  where r.domain is not null
    and not exists (
      select from public.companies c
      where lower(c.domain) = r.domain and c.user_id is not distinct from coalesce(owner, c.user_id)
    )
  order by r.domain, r.no;
  get diagnostics companies_added = row_count;
  insert into public.companies (user_id, name)
  select distinct on (lower(r.company)) owner, r.company
  from pg_temp.outreach_rows r
  where r.domain is null and r.company is not null
    and not exists (
      select from public.companies c
      where lower(c.name) = lower(r.company) and c.user_id is not distinct from coalesce(owner, c.user_id)
    )
  order by lower(r.company), r.no;
  get diagnostics more_added = row_count;

  update pg_temp.outreach_rows r
  set company_id = (
    select c.id from public.companies c
    where lower(c.domain) = r.domain and c.user_id is not distinct from coalesce(owner, c.user_id)
    order by c.id
    limit 1
  )
  where r.domain is not null;
  update pg_temp.outreach_rows r
  set company_id = (
    select c.id from public.companies c
    where lower(c.name) = lower(r.company) and c.user_id is not distinct from coalesce(owner, c.user_id)
    order by c.id
    limit 1
  )
  where r.domain is null and r.company is not null;

  update public.companies c
  set
    email_subject = coalesce(given.email_subject, c.email_subject),
    email_template = coalesce(given.email_template, c.email_template)
  from (
    select
      r.company_id,
      (array_agg(r.email_subject order by r.no desc) filter (where r.email_subject is not null))[1] as email_subject,
      (array_agg(r.email_template order by r.no desc) filter (where r.email_template is not null))[1] as email_template
    from pg_temp.outreach_rows r
    where r.company_id is not null
    group by r.company_id
  ) given
  where c.id = given.company_id
    and (given.email_subject is not null or given.email_template is not null);

  update pg_temp.outreach_rows r
  set lead_id = (
    select l.id from public.leads l
    where lower(l.email) = lower(r.email) and l.user_id is not distinct from coalesce(owner, l.user_id)
    order by l.id
    limit 1
  )
  where r.email is not null; -- all of them: Supabase refuses an update without a condition

  update public.leads l
  set
    name = coalesce(r.name, l.name),
    role = coalesce(r.role, l.role),
    tag = coalesce(list_tag, l.tag),
    company_id = coalesce(r.company_id, l.company_id),
    custom_fields = r.custom_fields || case
      when pg_catalog.jsonb_typeof(l.custom_fields) = 'object' then l.custom_fields || r.custom_fields
      else '{}'
    end
  from (
    select distinct on (own.lead_id) own.* from pg_temp.outreach_rows own order by own.lead_id, own.no desc
  ) r
  where l.id = r.lead_id;
  get diagnostics updated = row_count;

  insert into public.leads (user_id, company_id, email, name, role, tag, custom_fields)
  select distinct on (lower(r.email))
    owner, r.company_id, r.email, r.name, r.role, list_tag, r.custom_fields
  from pg_temp.outreach_rows r
  where r.lead_id is null
  order by lower(r.email), r.no desc;
  get diagnostics added = row_count;

  return next pg_catalog.jsonb_build_object(
    'answer', 'imported', 'added', added, 'updated', updated,
    'companies_added', companies_added + more_added);
end
$$;

create or replace function public.leads_to_mail(lead_tag text, company_names text[], owner uuid)
returns setof public.leads
language sql
stable
security invoker
set search_path = ''
as $$
  -- The leads that a tag, companies (by name, domain or id), or both select.
  select l.*
  from public.leads l
  where (leads_to_mail.lead_tag is not null or leads_to_mail.company_names is not null)
    and (leads_to_mail.lead_tag is null or l.tag = leads_to_mail.lead_tag)
    and (leads_to_mail.company_names is null or l.company_id in (
      select c.id from public.companies c join unnest(leads_to_mail.company_names) given (company)
        on lower(given.company) in (lower(c.name), lower(c.domain), c.id::text)))
    and l.user_id is not distinct from coalesce(leads_to_mail.owner, l.user_id);
$$;
