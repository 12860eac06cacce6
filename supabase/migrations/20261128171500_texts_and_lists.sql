-- A lead's own text, which wins over its company's, and the lists that it is in beside leads.tag.

alter table public.leads
  add column if not exists email_subject text,
  add column if not exists email_template text,
  -- The tags of earlier imports: leads.tag has the last one, as the web app knows it.
  add column if not exists list_tags text[];

create index if not exists leads_by_list on public.leads using gin (list_tags);
