-- Whom no campaign mails, what changed that, and the key under which the addresses of erased persons are kept.

create table if not exists public.suppressions (
  id uuid primary key default public.time_ordered_id(),
  -- An address as mailbox_key has it, a domain in ASCII (its subdomains too), or `erased:` and the keyed hash of the
  -- address of an erased person.
  key text collate "C" not null constraint suppressions_key_known
    check (length(key) <= 320 and (key ~ '^[^[:space:]@]+@[^[:space:]@]+$' or key ~ '^[^[:space:]@]+[.][^[:space:]@]+$'
      or key ~ '^erased:[0-9a-f]{64}$')),
  -- Whose campaigns it stops; null: everybody's.
  user_id uuid,
  cause text not null default 'listed' constraint suppressions_cause_known
    check (cause in ('opt_out', 'complaint', 'dead', 'hold', 'listed', 'erased')),
  -- In the words of who wrote it.
  reason text constraint suppressions_reason_bounded check (length(reason) <= 1000),
  -- How it came: link, mail, command, import.
  source text not null default 'web app' constraint suppressions_source_bounded check (length(source) <= 100),
  -- Since when it holds: no mail is begun later. Written by a trigger, under the locks of its key.
  created_at timestamptz not null default clock_timestamp(),
  until timestamptz,
  -- When the pending leads of its key were cancelled; null: not yet.
  swept_at timestamptz
);

-- One of each cause: what is suppressed again keeps its date.
create unique index if not exists suppressions_once
  on public.suppressions (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause);
create index if not exists suppressions_unswept on public.suppressions (id) where swept_at is null;
create index if not exists suppressions_of_owner on public.suppressions (user_id, id);

-- What was done to what a person may ask about, and in whose name. Append-only; no foreign keys, as the log of mails.
create table if not exists public.audit (
  id uuid primary key default public.time_ordered_id(),
  at timestamptz not null default clock_timestamp(),
  act text not null,
  -- The key of a suppression.
  subject text not null,
  user_id uuid,
  -- Null: nobody was named.
  by_name text constraint audit_name_bounded check (length(by_name) <= 200),
  details jsonb not null default '{}'
);

create index if not exists audit_of_subject on public.audit (subject, at);

-- The key of keyed_hash, and both blocks that HMAC (RFC 2104) makes of it.
create table if not exists public.address_hash_key (
  only_row boolean primary key default true constraint address_hash_key_once check (only_row),
  key bytea not null constraint address_hash_key_long check (length(key) = 32),
  inner_block bytea not null constraint address_hash_key_inner check (length(inner_block) = 64),
  outer_block bytea not null constraint address_hash_key_outer check (length(outer_block) = 64)
);

do $$
declare
  -- 488 bits of chance from the server's strong source.
  made constant bytea := sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  inner_block bytea := decode(repeat('36', 64), 'hex');
  outer_block bytea := decode(repeat('5c', 64), 'hex');
begin
  for n in 0..31 loop
    inner_block := set_byte(inner_block, n, get_byte(made, n) # 54);
    outer_block := set_byte(outer_block, n, get_byte(made, n) # 92);
  end loop;
  insert into public.address_hash_key (key, inner_block, outer_block)
  values (made, inner_block, outer_block)
  on conflict do nothing;
end
$$;

-- An unsubscribe link names the mail by its token.
create index if not exists send_attempts_by_token on public.send_attempts using hash (search_token) where search_token <> '';

-- The leads of a domain and its subdomains, for a suppression of it.
create index if not exists leads_by_domain on public.leads (reverse(lower(email)) text_pattern_ops);

-- Supabase lets its public roles at every new table. lock_down() gives the service role its rights.
alter table public.suppressions enable row level security;
alter table public.audit enable row level security;
alter table public.address_hash_key enable row level security;
do $$
declare
  r name;
begin
  revoke all on public.suppressions, public.audit, public.address_hash_key from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on public.suppressions, public.audit, public.address_hash_key from %I', r);
  end loop;
end
$$;
