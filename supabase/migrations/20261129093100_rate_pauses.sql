-- Short pauses in a row that Gmail asked an account for: not counted as pauses for its daily quota.

alter table public.accounts add column if not exists rate_pauses integer not null default 0;
