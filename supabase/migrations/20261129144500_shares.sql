-- How first mails and follow-ups share an account's daily limit.

alter table public.accounts
  -- How many mails of each kind surely fit into its share yet, and the daily limit for which they were counted: as
  -- mails_left, but counted only while both kinds are due and one has used up its share. Negative: it had more.
  add column if not exists first_mails_left integer,
  add column if not exists follow_ups_left integer,
  add column if not exists shares_of integer;
