-- How first mails and follow-ups share an account's daily limit. While leads of both kinds are due, follow-ups hold at
-- most half of it, rounded up, and first mails the rest, over a rolling 24 hours. What one kind has no due lead for the
-- other uses. So one of them always may go while the account is below its limit.
--
-- Called by claim_leads and begin_attempt, whose settings for the planner hold here, too; they hold the account's lock.

create or replace function public.share_of_kind(is_step boolean, per_day integer) returns integer
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Mails in 24 hours; of both kinds together: per_day.
  select per_day / 2 + case when is_step then per_day % 2 else 0 end;
$$;

create or replace function public.may_pass_share(
  is_step boolean,
  mails bigint,
  mails_left bigint,
  per_day integer
) returns boolean
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call, and most mails need nothing more.
as $$
  -- Whether so many mails more of a kind may be above its share: not while all mails together are below.
  select per_day - mails_left + mails > public.share_of_kind(is_step, per_day);
$$;

create or replace function public.share_left(
  a public.accounts,
  is_step boolean,
  per_day integer,
  t timestamptz,
  out mails bigint,
  out free_at timestamptz,
  out waiting_for text
)
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- How many mails of this kind the account may still begin; null: all that its daily limit allows, since the other kind
-- has nothing due. None: when to ask again, and what it waits for until then. Counted once, then counted down by
-- begin_attempt.
declare
  share constant integer := public.share_of_kind(is_step, per_day);
  counted record;
begin
  if a.shares_of = per_day then
    mails := case when is_step then a.follow_ups_left else a.first_mails_left end;
  end if;
  if mails > 0 then
    return;
  elsif not public.has_due_lead(a.id, not is_step, t) then
    mails := null;
    return;
  end if;
  select
    count(*) filter (where not x.is_step) as first_mails,
    count(*) filter (where x.is_step) as follow_ups,
    min(x.started_at) filter (where x.is_step = is_step and x.nth = share) as last
  into counted
  from (
    select s.started_at, kind.is_step, row_number() over (partition by kind.is_step order by s.started_at desc) as nth
    from public.send_attempts s
    left join public.campaigns c on c.id = s.campaign_id
    cross join lateral (select c.parent_id is not null as is_step) kind
    where s.account_id = a.id and public.may_have_left(s.outcome) and s.started_at > t - interval '24 hours'
  ) x;
  update public.accounts x
  set
    first_mails_left = public.share_of_kind(false, per_day) - counted.first_mails,
    follow_ups_left = public.share_of_kind(true, per_day) - counted.follow_ups,
    shares_of = per_day
  where x.id = a.id;
  mails := share - case when is_step then counted.follow_ups else counted.first_mails end;
  if mails <= 0 then
    -- The other kind may run out of due leads at any time.
    free_at := least(counted.last + interval '24 hours', t + interval '10 minutes');
    waiting_for := pg_catalog.format('the share of %s in the daily limit of %s (%s of %s)',
      case when is_step then 'follow-ups' else 'first mails' end, a.email, share, per_day);
  end if;
end
$$;

create or replace function public.has_due_lead(account uuid, is_step boolean, t timestamptz) returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Whether a campaign that may send now, a step or not, has a due lead of the account. One that is claimed is due until
-- its mail is begun.
declare
  c public.campaigns;
  next_id uuid := '00000000-0000-0000-0000-000000000000';
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if is_step and not public.was_read_lately(account, t) then
    return false;
  end if;
  loop
    -- From campaign to campaign by campaign_leads_claimable, compared as rows as in claim_slots: one probe for each
    -- that has pending leads of the account, however many campaigns it has had.
    select cl.campaign_id into next_id
    from public.campaign_leads cl
    where (cl.assigned_account_id, cl.campaign_id, cl.id) > (account, next_id, highest)
      and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (account, highest, highest)
      and cl.status = 'pending' and cl.open_attempt_id is null
    order by cl.assigned_account_id, cl.campaign_id, cl.id
    limit 1;
    if not found then
      return false;
    end if;
    select x.* into c from public.campaigns x where x.id = next_id;
    continue when (c.parent_id is not null) <> is_step or c.status <> 'running' or c.paused_at is not null;
    continue when is_step and public.held_by_root(c) is not null;
    continue when public.has_window(c) and public.next_opening(c, t) is distinct from t;
    perform
    from (
      -- Within reason, where most are deferred.
      select cl.claimed_until, cl.next_attempt_at
      from public.campaign_leads cl
      where (cl.assigned_account_id, cl.campaign_id, cl.id) >= (account, next_id, lowest)
        and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (account, next_id, highest)
        and cl.status = 'pending' and cl.open_attempt_id is null
      order by cl.assigned_account_id, cl.campaign_id, cl.id
      limit 1000
    ) x
    where x.claimed_until > t or x.next_attempt_at is null or x.next_attempt_at <= t
    limit 1;
    if found then
      return true;
    end if;
  end loop;
end
$$;

create or replace function public.was_read_lately(account uuid, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether its mailbox was read so lately that a follow-up may go.
  select exists (
    select from public.mailboxes m
    where m.account_id = was_read_lately.account and m.read_at > was_read_lately.t - interval '15 minutes');
$$;
