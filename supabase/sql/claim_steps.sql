-- The steps of a claim, in the order in which claim_leads takes them. It holds the locks of the campaign and of the
-- account, and its settings for the planner hold for these functions, too.

create or replace function public.fail_unclaimed(campaign uuid, account uuid, why text, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Fails the leads of an account that cannot send; not one whose mail may be on its way. Those of a follow-up wait for
-- the account: plan_step leaves them out once it is too late.
declare
  failed uuid[];
begin
  if exists (select from public.campaigns x where x.id = campaign and x.parent_id is not null) then
    update public.campaign_leads cl
    set next_attempt_at = t + interval '15 minutes', claim_token = null, claimed_until = null
    where cl.campaign_id = campaign and cl.assigned_account_id = account
      and cl.status = 'pending' and cl.open_attempt_id is null
      and (cl.next_attempt_at is null or cl.next_attempt_at <= t);
    return;
  end if;
  with changed as (
    update public.campaign_leads cl
    set status = 'failed', error = why, claim_token = null, claimed_until = null
    where cl.campaign_id = campaign and cl.assigned_account_id = account
      and cl.status = 'pending' and cl.open_attempt_id is null
    returning cl.id
  )
  select array_agg(changed.id) into failed from changed;
  perform public.note_failures(failed, t);
end
$$;

create or replace function public.room_at_pace(
  account uuid,
  pace double precision,
  slot timestamptz,
  held bigint,
  last_slot timestamptz,
  most integer,
  reach_seconds double precision,
  t timestamptz,
  out room bigint,
  out again_at timestamptz
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- How many leads more a campaign may claim of the account, and when it may claim again. It holds `held` of
-- the account, the last one for `last_slot`. A claim reaches ahead, so that a crash wastes little. Of that a
-- campaign holds its share, so that the live ones take turns whoever asks first, and at least one lead, so that a
-- slow pace moves.
declare
  sharing bigint;
  may_hold bigint;
begin
  select count(*) into sharing
  from public.campaign_accounts ca
  join public.campaigns x on x.id = ca.campaign_id
  where ca.account_id = account and x.status = 'running' and x.lease_until > t;
  may_hold := least(1 + floor(reach_seconds / greatest(sharing, 1) / pace), most);
  room := least(
    may_hold - held,
    greatest(1 + floor((reach_seconds - extract(epoch from slot - t)) / pace), (held = 0)::integer));
  -- When half of it is left: not a claim for each mail.
  again_at := greatest(
    slot - reach_seconds / 2 * interval '1 second', last_slot - may_hold / 2 * pace * interval '1 second');
end
$$;

create or replace function public.claim_slots(
  batch uuid,
  campaign uuid,
  account uuid,
  room bigint,
  pace double precision,
  slot timestamptz,
  claim_seconds double precision,
  t timestamptz
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Claims so many leads of the account, the first for `slot`, each with its time. The caller holds the account's lock.
declare
  picked uuid[] := '{}';
  more uuid[];
  suppressed uuid[];
  is_capped constant boolean := exists (
    select from public.accounts x where x.id = account and x.domain_cap is not null);
  after uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  -- Whom nobody may mail gets no time of the account: others are picked in their place, within reason.
  for n in 1..20 loop
    -- Compared as rows, here and in has_claimable: only campaign_leads_claimable has this order. By `=` any index
    -- of the campaign will do for the planner, and with it each claim reads all that was sent.
    select array_agg(ready.id order by ready.id) into more
    from (
      select cl.id
      from public.campaign_leads cl
      where (cl.assigned_account_id, cl.campaign_id, cl.id) > (account, campaign, after)
        and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (account, campaign, highest)
        and cl.status = 'pending' and cl.open_attempt_id is null
        and (cl.claimed_until is null or cl.claimed_until <= t)
        and (cl.next_attempt_at is null or cl.next_attempt_at <= t)
      order by cl.assigned_account_id, cl.campaign_id, cl.id
      limit case when n = 1 then room else greatest(room, 500) end
      for update skip locked
    ) ready;
    exit when more is null;
    after := more[cardinality(more)];
    suppressed := public.cancel_suppressed(more, t);
    if is_capped then
      suppressed := suppressed || public.defer_capped(account, array(
        select x.id from unnest(more) x (id) where x.id <> all (suppressed)), t);
    end if;
    picked := picked || array(
      select x.id from unnest(more) x (id)
      where x.id <> all (suppressed)
      order by x.id
      limit room - cardinality(picked));
    exit when suppressed = '{}' or cardinality(picked) >= room;
  end loop;
  if picked = '{}' then
    return;
  end if;
  update public.campaign_leads cl
  set
    claim_token = batch,
    next_attempt_at = slot + (x.no - 1) * pace * interval '1 second',
    claimed_until = slot + ((x.no - 1) * pace + claim_seconds) * interval '1 second'
  from unnest(picked) with ordinality x (id, no)
  where cl.id = x.id;
  update public.accounts x
  set next_send_at = slot + cardinality(picked) * pace * interval '1 second'
  where x.id = account;
end
$$;

create or replace function public.has_claimable(campaign uuid, account uuid, at timestamptz, t timestamptz)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Whether the account has leads that are free now and may be tried by then.
declare
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  perform from public.campaign_leads cl
  where (cl.assigned_account_id, cl.campaign_id, cl.id) >= (account, campaign, lowest)
    and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (account, campaign, highest)
    and cl.status = 'pending' and cl.open_attempt_id is null
    and (cl.claimed_until is null or cl.claimed_until <= t)
    and (cl.next_attempt_at is null or cl.next_attempt_at <= at)
  order by cl.assigned_account_id, cl.campaign_id, cl.id
  limit 1;
  return found;
end
$$;

create or replace function public.awaited_by(
  campaign uuid,
  settle_seconds double precision,
  is_closed boolean,
  t timestamptz,
  out at timestamptz,
  out why text
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What is pending now is deferred, claimed, or in doubt: what of it comes first, and when.
begin
  select x.at, x.why into at, why
  from (
    select 1 as no, min(cl.next_attempt_at) as at, 'leads that are to be tried again' as why
    from public.campaign_leads cl
    where cl.campaign_id = campaign and cl.status = 'pending' and cl.open_attempt_id is null
      and cl.claim_token is null and cl.next_attempt_at > t and not is_closed
    union all
    select 2, min(cl.claimed_until), 'leads that are being sent'
    from public.campaign_leads cl
    where cl.campaign_id = campaign and cl.claim_token is not null and cl.status = 'pending' and cl.claimed_until > t
      and not is_closed
    union all
    -- Looked for when its sender is certainly done with it, then again from time to time.
    select
      3,
      greatest(min(s.started_at) + settle_seconds * interval '1 second', t + settle_seconds / 8 * interval '1 second'),
      'mails whose delivery is in doubt'
    from public.send_attempts s
    where s.campaign_id = campaign and s.outcome is null
    having count(*) > 0
  ) x
  where x.at is not null
  order by x.at, x.no
  limit 1;
end
$$;
