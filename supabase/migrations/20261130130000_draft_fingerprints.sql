-- What tells whether the draft of an earlier attempt is still the mail that its lead is to get.
alter table public.send_attempts
  add column if not exists fingerprint text;
