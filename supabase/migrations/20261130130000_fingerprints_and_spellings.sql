-- What tells whether the draft of an earlier attempt is still the mail that its lead is to get.
alter table public.send_attempts
  add column if not exists fingerprint text;

-- Rows whose address has a space around it are found as those beyond ASCII are.
create index if not exists leads_spelt_otherwise on public.leads (id) where email ~ '[^!-~]';
drop index if exists public.leads_beyond_ascii;
