-- What comes back: how far each mailbox was read, what was found in it, and who is away. Ids, kinds, times and codes;
-- no words of any mail.

create table if not exists public.mailboxes (
  account_id uuid primary key references public.accounts (id) on delete cascade,
  -- Gmail's id of the last change that was read; null: the mailbox has to be read by its list.
  history_id text constraint mailboxes_history_id_bounded check (length(history_id) between 1 and 40),
  -- Everything that arrived before was read.
  read_at timestamptz,
  -- Who reads it at this moment, since when, and until when nobody else does.
  reader uuid,
  reading_since timestamptz,
  lease_until timestamptz,
  next_read_at timestamptz,
  -- Readings in a row that failed, and why the last one did.
  failures integer not null default 0,
  problem text constraint mailboxes_problem_bounded check (length(problem) <= 1001),
  -- Whether the account lets us read, and what it granted; null: nobody asked yet.
  can_read boolean,
  scopes text constraint mailboxes_scopes_bounded check (length(scopes) <= 1001),
  -- The last time for which Gmail had forgotten what changed. What arrived then was read by the mailbox's list.
  gap_from timestamptz,
  gap_until timestamptz,
  constraint mailboxes_lease_has_reader check ((reader is null) = (lease_until is null))
);

create table if not exists public.inbound (
  id uuid primary key default public.time_ordered_id(),
  -- No foreign keys: as the log of mails, it outlives the rows that it speaks of.
  account_id uuid not null,
  -- Null: it came otherwise than by mail.
  gmail_id text constraint inbound_gmail_id_bounded check (length(gmail_id) <= 200),
  thread_id text constraint inbound_thread_id_bounded check (length(thread_id) <= 200),
  user_id uuid,
  kind text not null constraint inbound_kind_known check (kind in (
    'bounce', 'delay', 'complaint', 'auto', 'away', 'unsubscribe', 'reply', 'other', 'unreadable')),
  via text not null default 'mail' constraint inbound_via_known check (via in ('mail', 'link', 'person')),
  received_at timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp(),
  -- Of an away notice: the first day on which the person is back.
  back_on date,
  -- When Prefect was told; null: not yet.
  announced_at timestamptz
);
create unique index if not exists inbound_once on public.inbound (account_id, gmail_id);
create index if not exists inbound_unannounced on public.inbound (id) where announced_at is null;
create index if not exists inbound_of_account on public.inbound (account_id, received_at);
create index if not exists inbound_of_owner on public.inbound (user_id, received_at);

-- The mails of ours that it is about, and what it says of each.
create table if not exists public.inbound_mails (
  inbound_id uuid not null references public.inbound (id) on delete cascade,
  attempt_id uuid not null,
  campaign_id uuid not null,
  campaign_lead_id uuid not null,
  user_id uuid,
  verdict text not null default 'none' constraint inbound_mails_verdict_known check (verdict in (
    'dead', 'block', 'soft', 'delay', 'held', 'none')),
  -- RFC 3463's code, such as 5.1.1.
  status text not null default '' constraint inbound_mails_status_bounded check (length(status) <= 20),
  primary key (inbound_id, attempt_id)
);
create index if not exists inbound_mails_of_campaign on public.inbound_mails (campaign_id, inbound_id);
create index if not exists inbound_mails_of_lead on public.inbound_mails (campaign_lead_id);
create index if not exists inbound_mails_of_attempt on public.inbound_mails (attempt_id);
create index if not exists inbound_mails_dead on public.inbound_mails (campaign_id) where verdict = 'dead';

-- Mails that could not be read, how often: after the third time they are passed over.
create table if not exists public.unread_mails (
  account_id uuid not null references public.mailboxes (account_id) on delete cascade,
  gmail_id text not null constraint unread_mails_gmail_id_bounded check (length(gmail_id) <= 200),
  failures integer not null default 1,
  primary key (account_id, gmail_id)
);

-- Whom an owner's campaigns mail later, because they said that they are away. The key is as in suppressions.
create table if not exists public.absences (
  key text collate "C" not null constraint absences_key_bounded check (length(key) <= 320),
  -- Null: of a campaign without an owner; it holds for everybody.
  user_id uuid,
  until timestamptz not null
);
create unique index if not exists absences_once
  on public.absences (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'));

-- A received mail names the thread of the mail that it answers.
create index if not exists send_attempts_of_thread on public.send_attempts (thread_id) where thread_id is not null;

-- From when on the guard counts dead addresses; null: from the first mail on.
alter table public.campaigns
  add column if not exists guarded_from timestamptz,
  -- How many it had counted when it looked last.
  add column if not exists guarded_dead integer not null default 0;
alter table public.accounts
  add column if not exists guarded_from timestamptz,
  -- Why it rests, where no answer of Gmail's is the reason.
  add column if not exists rest_reason text constraint accounts_rest_reason_bounded check (length(rest_reason) <= 1001);

-- Supabase lets its public roles at every new table. lock_down() gives each role its rights.
alter table public.mailboxes enable row level security;
alter table public.inbound enable row level security;
alter table public.inbound_mails enable row level security;
alter table public.unread_mails enable row level security;
alter table public.absences enable row level security;
do $$
declare
  r name;
begin
  revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format(
      'revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences from %I', r);
  end loop;
end
$$;
