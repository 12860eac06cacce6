-- Leads: how they come in, and which of them a campaign selects.

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
-- Adds or updates leads, and the companies that they name; a mailbox is one lead, however it is written.
-- rows: [{email, name, role, company, domain, email_subject, email_template, custom_fields, empty_fields,
-- own_text, clear}]; what a row leaves out or has empty stays as it is, and of two rows for one address the last
-- one counts.
--   empty_fields: custom fields that are known and empty, where the lead has no value for them: {"city": ""}
--   own_text: the texts that are this lead's, not its company's: ["email_subject", "email_template"]
--   clear: which of its columns are emptied where the row has them empty: ["name", "role"]
-- A text that the rows of a company share is the company's; where they differ, each lead keeps its own, and
-- so does one without a company, or with a text of its own already. It wins over the company's.
-- Beside the counts it answers with
--   text_changed: campaigns that are not ended, and how many of their leads are mailed another text now
--   kept_apart: companies whose domain is another company's, too
--   shared_domains: those that say nothing about a company
--   erased: rows of persons who were erased, which are left out
declare
  added bigint;
  updated bigint;
  companies_added bigint;
  erased bigint := 0;
  without_address text;
begin
  -- Two imports at once would both find a company missing.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.import_leads'));

  create temporary table if not exists outreach_rows (
    no bigint, is_last boolean, email text, name text, role text, company text, given_domain text, domain text,
    email_subject text, email_template text, own_subject boolean, own_template boolean,
    custom_fields jsonb, empty_fields jsonb, clear jsonb, company_id uuid, lead_id uuid, had_subject boolean, had_template boolean,
    respelt text[]
  ) on commit drop;
  truncate pg_temp.outreach_rows;
  insert into pg_temp.outreach_rows (
    no, is_last, email, name, role, company, given_domain, domain, email_subject, email_template,
    own_subject, own_template, custom_fields, empty_fields, clear)
  select
    r.no, row_number() over (partition by lower(mail.address) order by r.no desc) = 1,
    mail.address, nullif(r.j ->> 'name', ''), nullif(r.j ->> 'role', ''),
    nullif(btrim(r.j ->> 'company'), ''), given.domain, used.domain,
    nullif(r.j ->> 'email_subject', ''), nullif(r.j ->> 'email_template', ''),
    coalesce(r.j -> 'own_text' ? 'email_subject', false), coalesce(r.j -> 'own_text' ? 'email_template', false),
    case when pg_catalog.jsonb_typeof(r.j -> 'custom_fields') = 'object' then r.j -> 'custom_fields' else '{}' end,
    case when pg_catalog.jsonb_typeof(r.j -> 'empty_fields') = 'object' then r.j -> 'empty_fields' else '{}' end,
    case when pg_catalog.jsonb_typeof(r.j -> 'clear') = 'array' then r.j -> 'clear' else '[]' end
  from pg_catalog.jsonb_array_elements(
    case when pg_catalog.jsonb_typeof(rows) = 'array' then rows else '[]' end) with ordinality r (j, no)
  -- `offset 0`: asked once a row. Nearly all are in that form already, and a call costs more than a look.
  cross join lateral (select btrim(r.j ->> 'email') as email, r.j ->> 'domain' as domain offset 0) written
  cross join lateral (
    select case
      when written.email ~ '[^!-~]' then public.canonical_address(written.email) else written.email
    end as address
    offset 0) mail
  cross join lateral (
    select case
      when written.domain ~ '^(?!www[.])[a-z0-9-]+([.][a-z0-9-]+)*[.][a-z]{2,}$' then written.domain
      -- `n/a` and the like are no domain.
      else substring(
        btrim(public.bare_domain(written.domain), ',;|<>()"')
        from '^[^[:space:],;|<>()"]+[.][^[:space:],;|<>()".0-9-][^[:space:],;|<>()".]+$')
    end as domain
    offset 0) given
  cross join lateral (
    select case when given.domain <> all (public.shared_domains()) then given.domain end as domain) used;

  select string_agg(r.no::text, ', ' order by r.no) into without_address
  from pg_temp.outreach_rows r where coalesce(r.email, '') = '';
  if without_address is not null then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected',
      'reason', pg_catalog.format('Row %s has no email address; add it or leave the row out.', without_address));
    return;
  end if;

  if exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;') then
    delete from pg_temp.outreach_rows r
    where exists (
      select from public.suppressions s
      where s.key = 'erased:' || public.keyed_hash(public.mailbox_key(r.email)) and s.cause = 'erased');
    get diagnostics erased = row_count;
  end if;
  update pg_temp.outreach_rows r
  set (lead_id, had_subject, had_template) = (
    select l.id, coalesce(l.email_subject, '') <> '', coalesce(l.email_template, '') <> ''
    from public.leads l
    where lower(l.email) = lower(r.email) and l.user_id is not distinct from coalesce(owner, l.user_id)
    order by l.id
    limit 1
  )
  where r.email is not null; -- all of them: Supabase refuses an update without a condition
  if exists (select from pg_temp.outreach_rows r where r.lead_id is null and r.email ~* '[^!-~]|xn--') then
    -- Whom a row of the web app spells in another way.
    update pg_temp.outreach_rows r
    set lead_id = spelt.lead_id, had_subject = spelt.has_subject, had_template = spelt.has_template
    from (
      select distinct on (public.mailbox_key(l.email))
        public.mailbox_key(l.email) as mailbox, l.id as lead_id,
        coalesce(l.email_subject, '') <> '' as has_subject, coalesce(l.email_template, '') <> '' as has_template
      from public.leads l
      where l.email ~ '[^!-~]' and l.user_id is not distinct from coalesce(owner, l.user_id)
      order by public.mailbox_key(l.email), l.id
    ) spelt
    where r.lead_id is null and lower(r.email) = spelt.mailbox;
  end if;
  companies_added := public.assign_companies(owner);
  perform public.assign_texts();
  perform public.find_respelt();

  update public.leads l
  set
    name = coalesce(r.name, case when not r.clear ? 'name' then l.name end),
    role = coalesce(r.role, case when not r.clear ? 'role' then l.role end),
    tag = coalesce(list_tag, l.tag),
    list_tags = case
      when l.tag <> list_tag and not coalesce(l.tag = any (l.list_tags), false) then l.list_tags || l.tag::text
      else l.list_tags
    end,
    company_id = coalesce(r.company_id, case when not r.clear ? 'company' then l.company_id end),
    email_subject = case
      when r.own_subject then r.email_subject
      when r.email_subject is not null or not r.clear ? 'email_subject' then l.email_subject
    end,
    email_template = case
      when r.own_template then r.email_template
      when r.email_template is not null or not r.clear ? 'email_template' then l.email_template
    end,
    custom_fields = r.empty_fields || case
      when pg_catalog.jsonb_typeof(l.custom_fields) = 'object'
        then (l.custom_fields - coalesce(r.respelt, '{}')) || r.custom_fields
      else r.custom_fields
    end
  from (
    select distinct on (own.lead_id) own.*
    from pg_temp.outreach_rows own
    where own.is_last and own.lead_id is not null
    order by own.lead_id
  ) r
  where l.id = r.lead_id;
  get diagnostics updated = row_count;

  insert into public.leads (
    user_id, company_id, email, name, role, tag, custom_fields, email_subject, email_template)
  select
    owner, r.company_id, r.email, r.name, r.role, list_tag, r.empty_fields || r.custom_fields,
    case when r.own_subject then r.email_subject end, case when r.own_template then r.email_template end
  from pg_temp.outreach_rows r
  where r.lead_id is null and r.is_last
  order by lower(r.email);
  get diagnostics added = row_count;

  return next pg_catalog.jsonb_build_object(
    'answer', 'imported', 'added', added, 'updated', updated, 'companies_added', companies_added,
    'erased', erased, 'text_changed', public.texts_changed(),
    'kept_apart', public.companies_kept_apart(),
    'shared_domains', coalesce((
      select pg_catalog.jsonb_agg(distinct r.given_domain)
      from pg_temp.outreach_rows r where r.domain is null and r.given_domain is not null), '[]'));
end
$$;

create or replace function public.field_key(name text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- One key for the spellings of a custom field, as a placeholder takes them: First Name, first-name, firstName.
  select lower(pg_catalog.regexp_replace(field_key.name, '[[:space:][:punct:]]+', '', 'g'));
$$;

create or replace function public.find_respelt() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- A custom field that a row spells in another way than its lead is the same one: of two spellings a placeholder would take
-- either. A row's value takes the place of the lead's, a row's empty cell does not.
declare
  names constant jsonb := (
    with written as (
      select r.lead_id, r.custom_fields || r.empty_fields as fields
      from pg_temp.outreach_rows r
      where r.is_last and r.lead_id is not null
    ), own as (
      select distinct key.name from written w, lateral pg_catalog.jsonb_object_keys(w.fields) key (name)
    ), held as (
      select distinct key.name
      from written w
      join public.leads l on l.id = w.lead_id and pg_catalog.jsonb_typeof(l.custom_fields) = 'object'
      cross join lateral pg_catalog.jsonb_object_keys(l.custom_fields) key (name)
    )
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('own', own.name, 'held', held.name))
    from own
    join held on public.field_key(held.name) = public.field_key(own.name) and held.name <> own.name
    where public.field_key(own.name) <> '');
begin
  if names is null then
    return;
  end if;
  update pg_temp.outreach_rows r
  set
    respelt = array(
      select n.held from pg_catalog.jsonb_to_recordset(names) n (own text, held text)
      where r.custom_fields ? n.own and not r.custom_fields ? n.held),
    empty_fields = r.empty_fields - array(
      select n.own from pg_catalog.jsonb_to_recordset(names) n (own text, held text)
      where l.custom_fields ? n.held)
  from public.leads l
  where l.id = r.lead_id and r.is_last;
end
$$;

create or replace function public.assign_texts() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Of the rows that import_leads holds: which texts are the lead's own, and the companies' new ones. Notes
-- first what the leads of campaigns that are not ended would be mailed: texts_changed compares.
begin
  update pg_temp.outreach_rows r
  set own_subject = own.subject, own_template = own.template
  from (
    select
      x.no,
      x.email_subject is not null and (
        x.own_subject or x.company_id is null or coalesce(x.had_subject, false)
        or min(x.email_subject) over company <> max(x.email_subject) over company) as subject,
      x.email_template is not null and (
        x.own_template or x.company_id is null or coalesce(x.had_template, false)
        or min(x.email_template) over company <> max(x.email_template) over company) as template
    from pg_temp.outreach_rows x
    where x.is_last
    window company as (partition by x.company_id)
  ) own
  where own.no = r.no and (own.subject, own.template) is distinct from (r.own_subject, r.own_template);

  create temporary table if not exists outreach_before (campaign_id uuid, lead_id uuid, text_hash uuid) on commit drop;
  truncate pg_temp.outreach_before;
  with given as (
    select c.id, coalesce(x.email_subject, c.email_subject) as email_subject,
      coalesce(x.email_template, c.email_template) as email_template
    from (
      select
        r.company_id, max(r.email_subject) filter (where not r.own_subject) as email_subject,
        max(r.email_template) filter (where not r.own_template) as email_template
      from pg_temp.outreach_rows r
      where r.is_last and r.company_id is not null
      group by r.company_id
    ) x
    join public.companies c on c.id = x.company_id
    where x.email_subject <> coalesce(c.email_subject, '') or x.email_template <> coalesce(c.email_template, '')
  ),
  changed as (
    update public.companies c
    set email_subject = g.email_subject, email_template = g.email_template
    from given g
    where c.id = g.id
  )
  -- Reads what was there before this statement.
  insert into pg_temp.outreach_before
  select
    cl.campaign_id, l.id,
    public.text_hash(l.email_subject, l.email_template, c.email_subject, c.email_template)::uuid
  from (
    select r.lead_id from pg_temp.outreach_rows r where r.lead_id is not null
    union
    select x.id from given g join public.leads x on x.company_id = g.id
  ) touched
  join public.leads l on l.id = touched.lead_id
  join public.campaign_leads cl on cl.lead_id = l.id and cl.status = 'pending'
  join public.campaigns ca on ca.id = cl.campaign_id and ca.status not in ('completed', 'cancelled')
  left join public.companies c on c.id = l.company_id;
end
$$;

create or replace function public.text_hash(own_subject text, own_template text, subject text, template text)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Of the text that a lead is mailed: its own, else its company's.
  select md5(pg_catalog.jsonb_build_array(
    coalesce(nullif(text_hash.own_subject, ''), text_hash.subject),
    coalesce(nullif(text_hash.own_template, ''), text_hash.template))::text);
$$;

create or replace function public.texts_changed() returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
-- The campaigns that assign_texts noted, and how many of their leads are mailed another text since.
begin
  return coalesce((
    select pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object('id', ca.id, 'name', ca.name, 'status', ca.status, 'leads', changed.leads)
      order by changed.leads desc, ca.id)
    from (
      select b.campaign_id, count(*) as leads
      from pg_temp.outreach_before b
      join public.leads l on l.id = b.lead_id
      left join public.companies c on c.id = l.company_id
      where public.text_hash(l.email_subject, l.email_template, c.email_subject, c.email_template)::uuid <> b.text_hash
      group by b.campaign_id
    ) changed
    join public.campaigns ca on ca.id = changed.campaign_id), '[]');
end
$$;

create or replace function public.leads_to_mail(lead_tag text, company_names text[], owner uuid)
returns setof public.leads
language sql
stable
security invoker
set search_path = ''
as $$
  -- The leads that a tag, companies (by name, domain or id), or both select. A lead is in each list that
  -- imported it. Who was erased is in none.
  select l.*
  from public.leads l
  where (leads_to_mail.lead_tag is not null or leads_to_mail.company_names is not null)
    and (
      leads_to_mail.lead_tag is null or l.tag = leads_to_mail.lead_tag
      or l.list_tags @> array[leads_to_mail.lead_tag])
    and (leads_to_mail.company_names is null or l.company_id in (
      select c.id from public.companies c join unnest(leads_to_mail.company_names) given (company)
        on lower(given.company) in (lower(c.name), lower(c.domain), c.id::text)))
    and l.user_id is not distinct from coalesce(leads_to_mail.owner, l.user_id)
    and public.is_erased(l.email) is not true;
$$;

create or replace function public.list_leads(
  with_tag text default null,
  with_status text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred leads: always by index.
set enable_seqscan = off
as $$
  -- Those of a tag, by the rule of create_campaign, or all; those that have the status in a campaign, or all.
  -- With what became of each in its campaigns.
  select pg_catalog.jsonb_build_object(
    'id', l.id,
    'email', l.email,
    'name', l.name,
    'role', l.role,
    'company', co.name,
    'tags', array(
      select distinct tag.name from unnest(l.list_tags || l.tag::text) tag (name)
      where tag.name is not null order by tag.name),
    'campaigns', pg_catalog.jsonb_build_object(
      'pending', its.pending, 'sent', its.sent, 'failed', its.failed, 'cancelled', its.cancelled),
    'sent_at', its.sent_at)
  from (
    (select x.*
    from public.leads x
    where list_leads.with_tag is null and x.id > list_leads.after
      and (list_leads.with_status is null or exists (
        select from public.campaign_leads cl where cl.lead_id = x.id and cl.status::text = list_leads.with_status))
    order by x.id
    limit list_leads.most)
    union all
    (select x.*
    from public.leads_to_mail(list_leads.with_tag, null, null) x
    where x.id > list_leads.after
      and (list_leads.with_status is null or exists (
        select from public.campaign_leads cl where cl.lead_id = x.id and cl.status::text = list_leads.with_status))
    order by x.id
    limit list_leads.most)
  ) l
  left join public.companies co on co.id = l.company_id
  cross join lateral (
    select
      count(*) filter (where cl.status = 'pending') as pending,
      count(*) filter (where cl.status = 'sent') as sent,
      count(*) filter (where cl.status = 'failed') as failed,
      count(*) filter (where cl.status = 'cancelled') as cancelled,
      max(cl.sent_at) as sent_at
    from public.campaign_leads cl
    where cl.lead_id = l.id
  ) its
  order by l.id;
$$;

create or replace function public.unreadable_leads(leads uuid[]) returns table (lead uuid, why text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads, those whose custom fields no sender can read, and why: in a claim or a page, one of
-- them would take all the others along. Each question is asked only where the one before it was
-- answered with no: a number of 10 bytes may be 131,072 digits as text. What has no number is as text at
-- most some six times as long, so that nearly no lead is made a text.
begin
  return query
  select judged.id, judged.why
  from (
    select
      l.id,
      case
        -- Packed, and unpacked: the whole of a document is itself, but not packed.
        when pg_column_size(l.custom_fields) > 262144 then 'are larger than 256 kB'
        when pg_column_size(f.fields #> '{}') > 262144 then 'are larger than 256 kB'
        when pg_catalog.jsonb_path_exists(f.fields, 'strict $.**{100}')
          then 'hold lists in lists, more than 100 deep'
        when not pg_catalog.jsonb_path_exists(f.fields, 'strict $.** ? (@.type() == "number")') then case
          when pg_column_size(f.fields #> '{}') > 262144 / 8 and octet_length(f.fields::text) > 262144
            then 'are larger than 256 kB'
        end
        when pg_catalog.jsonb_path_exists(f.fields, 'strict $.** ? (@.type() == "number" && (
            @ > 1e300 || @ < -1e300 || (@ > -1e-300 && @ < 1e-300 && @ != 0)))')
          then 'hold a number that nothing can count, such as 1e5000'
        when octet_length(f.fields::text) > 262144 then 'are larger than 256 kB'
      end as why
    from public.leads l
    cross join lateral (
      -- `to_jsonb` makes a jsonb anew, for which other types of the column need it; `offset 0`: once a lead.
      select case pg_typeof(l.custom_fields)
        when 'jsonb'::regtype then l.custom_fields::jsonb else pg_catalog.to_jsonb(l.custom_fields)
      end as fields
      offset 0) f
    where l.id = any(unreadable_leads.leads) and pg_catalog.jsonb_typeof(f.fields) = 'object'
  ) judged
  where judged.why is not null;
end
$$;
