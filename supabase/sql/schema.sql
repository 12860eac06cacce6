-- What the schema itself needs: ids in the order of time, and which release of the functions is installed.

-- A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then chance. What is made together lies together,
-- in the table and in its indexes, so that a claim in a large table changes few pages.
create or replace function public.time_ordered_id() returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
  -- Of a random one's version, 4, two bits more make 7.
  select encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send(floor(1000 * extract(epoch from clock_timestamp()))::bigint) from 3)
        from 1 for 6),
      52, 1), 53, 1),
    'hex')::uuid;
$$;

create or replace function public.functions_hash(functions text[]) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of what the catalogue has under the names of these functions, overloads too: signature, settings and
  -- source. The same on every version of Postgres. Each claim asks for it: a signature is written once.
  select encode(
    sha256(convert_to(
      string_agg(
        pg_catalog.concat_ws(
          ' ', p.signature, p.proargnames, p.pronargdefaults, p.prorettype::regtype, p.proretset,
          p.provolatile, p.prosecdef, p.proconfig, p.prosrc),
        e'\n' order by p.signature collate "C"),
      'UTF8')),
    'hex')
  from (
    select f.*, f.oid::regprocedure::text as signature
    from pg_catalog.pg_proc f
    where f.pronamespace = 'public'::regnamespace
      and f.proname in (select split_part(split_part(x.name, '(', 1), '.', 2) from unnest(functions) x (name))
    offset 0
  ) p;
$$;

create or replace function public.functions_fingerprint() returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of all functions of the schema: it differs as soon as one is made, changed or dropped. Of this database alone; the
  -- hash reads 200 kB of sources for what this one tells.
  select md5(string_agg(f.oid::text || ' ' || f.xmin::text, ' ' order by f.oid))
  from pg_catalog.pg_proc f
  where f.pronamespace = 'public'::regnamespace;
$$;

create or replace function public.schema_version() returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The release of the functions as it was installed, and the hash of the functions as they are.
  select pg_catalog.jsonb_build_object(
    'version', r.version, 'release_hash', r.hash, 'hash', public.functions_hash(r.functions),
    'calls_since', r.calls_since)
  from public.schema_releases r
  order by r.version desc
  limit 1;
$$;

create or replace function public.installed_release(release text) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- How the functions differ from the release that a caller names; null: not at all, or it names none.
  --   newer: the caller's calls work    older, unsupported: they do not    edited: since their release
  select pg_catalog.jsonb_build_object('version', newest.version, 'state', differs.state)
  from (select * from public.schema_releases r order by r.version desc limit 1) newest
  cross join lateral (
    select case
      when newest.version < installed_release.release then 'older'
      when newest.calls_since > installed_release.release then 'unsupported'
      when newest.fingerprint is distinct from public.functions_fingerprint()
        and newest.hash <> public.functions_hash(newest.functions) then 'edited'
      when newest.version > installed_release.release then 'newer'
    end
  ) differs (state)
  where installed_release.release is not null and differs.state is not null;
$$;
