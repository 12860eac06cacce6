-- One mail: claim -> begin_attempt -> record_outcome. Locks are taken in one order everywhere: campaign,
-- accounts by id, leads by id. Every function may be called again after a lost answer.

create or replace function public.claim_leads(
  batch uuid,
  campaign uuid,
  run uuid,
  most integer,
  claim_seconds double precision,
  default_pace double precision,
  default_per_day integer,
  reach_seconds double precision default 30,
  settle_seconds double precision default 120,
  now timestamptz default null,
  release text default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Whether anything is pending: where most rows are, the planner would read the table from its start.
set enable_seqscan = off
-- What the campaign holds: it would sort all the leads of the campaign instead, the sent ones too.
set enable_incremental_sort = off
-- In a large table it would plan each statement anew each time, which takes as long as the claim itself.
set plan_cache_mode = force_generic_plan
set statement_timeout = '60s'
-- What is set holds for the steps below, too: they are called from here alone.
as $$
#variable_conflict use_variable
-- Hands leads to `run`, each with the time at which its account may send it, and all that its mail
-- needs. The batch id is the claim token: the same batch gets the same leads.
--   claimed: {claims: [...]}     later: nothing until {wait_seconds, waiting_for}
--   done: nothing is left        stopped: {reason} paused, cancelled, or another run's
--   refused: {installed} these functions are not for a caller of `release`
declare
  c public.campaigns;
  a public.accounts;
  sender record;
  allowed record;
  shared record;
  paced record;
  t timestamptz;
  is_step boolean;
  is_closed boolean;
  opening timestamptz;
  pace double precision;
  per_day integer;
  share integer;
  slot timestamptz;
  room bigint;
  refusal text;
  candidate timestamptz;
  candidate_why text;
  later timestamptz;
  why text;
  awaited record;
  held text;
  claims jsonb;
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  installed constant jsonb := public.installed_release(release);
begin
  if installed ->> 'state' in ('older', 'unsupported') then
    return next pg_catalog.jsonb_build_object('answer', 'refused', 'installed', installed);
    return;
  end if;
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  t := coalesce(now, clock_timestamp());
  is_step := c.parent_id is not null;
  if is_step then
    held := public.held_by_root(c);
  end if;
  if c.run_id is distinct from run or c.paused_at is not null or c.status <> 'running' or held is not null then
    return next pg_catalog.jsonb_build_object('answer', 'stopped', 'reason', case
      when c.status = 'cancelled' or held = 'cancelled' then 'cancelled'
      when c.paused_at is not null or held is not null then 'paused'
      else 'superseded'
    end);
    return;
  end if;

  opening := public.next_opening(c, t);
  is_closed := opening is distinct from t;
  if is_closed then
    -- Nothing of it may leave before: when single leads could go again says nothing more.
    later := coalesce(opening, t + interval '1 day');
    why := public.told_window(c, opening);
  elsif not exists (
    select from public.campaign_leads cl where cl.campaign_id = campaign and cl.claim_token = batch
  ) then
    select ceil(most::numeric / greatest(count(*), 1)) into share
    from public.campaign_accounts ca where ca.campaign_id = campaign;

    for sender in
      select x as account, coalesce(own.leads, 0) as held, own.last_slot
      from public.accounts x
      join public.campaign_accounts ca on ca.account_id = x.id and ca.campaign_id = campaign
      left join (
        select held.account_id, count(*) as leads, max(held.slot) as last_slot
        from (
          -- As rows, in order and with a limit: by campaign_leads_claimed, not past all that was sent.
          select cl.assigned_account_id as account_id, cl.next_attempt_at as slot
          from public.campaign_leads cl
          where (cl.campaign_id, cl.claim_token) >= (campaign, lowest)
            and (cl.campaign_id, cl.claim_token) <= (campaign, highest)
            and cl.claim_token is not null
          order by cl.campaign_id, cl.claim_token
          limit 10 * most
        ) held
        where held.slot > t
        group by held.account_id
      ) own on own.account_id = x.id
      order by x.id
      for no key update of x
    loop
      a := sender.account;
      t := coalesce(now, clock_timestamp());
      pace := public.pace_of(a, default_pace);
      if a.ramp_from is not null then
        a := public.count_ramp(a, t);
      end if;
      per_day := public.daily_limit_of(a, default_per_day, t);

      -- Of another user: put there since the run began, which looked at all of them.
      refusal := public.why_unable(a, c.user_id);
      if refusal is not null then
        perform public.fail_unclaimed(campaign, a.id, refusal, t);
        continue;
      end if;

      allowed := public.allowance(a, per_day, t);
      candidate := allowed.free_at;
      candidate_why := allowed.waiting_for;
      if candidate is null then
        slot := greatest(a.next_send_at, t);
        room := least(allowed.mails_left, share);
        if public.may_pass_share(is_step, room, allowed.mails_left, per_day) then
          shared := public.share_left(a, is_step, per_day, t);
          room := least(room, shared.mails);
          candidate := shared.free_at;
          candidate_why := shared.waiting_for;
        end if;
        if pace > 0 and candidate is null then
          paced := public.room_at_pace(a.id, pace, slot, sender.held, sender.last_slot, most, reach_seconds, t);
          room := least(room, paced.room);
          candidate := paced.again_at;
          candidate_why := pg_catalog.format('the pace of %s', a.email);
        end if;
        if room > 0 then
          perform public.claim_slots(batch, campaign, a.id, room, pace, slot, claim_seconds, t);
        end if;
        if a.domain_cap is not null then
          -- It may have deferred all that it looked at, and there is more.
          candidate := coalesce(candidate, t);
        end if;
      end if;

      if candidate < coalesce(later, 'infinity') and public.has_claimable(campaign, a.id, candidate, t) then
        later := candidate;
        why := candidate_why;
      end if;
    end loop;
  end if;

  claims := public.hand_out(c, batch, t);
  if claims is not null then
    return next pg_catalog.jsonb_build_object('answer', 'claimed', 'claims', claims)
      || pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('installed', installed));
    return;
  end if;
  -- As rows again: by campaign_leads_by_status, not past all that was sent.
  perform from public.campaign_leads cl
  where (cl.campaign_id, cl.status, cl.id) >= (campaign, 'pending', lowest)
    and (cl.campaign_id, cl.status, cl.id) <= (campaign, 'pending', highest)
  order by cl.campaign_id, cl.status, cl.id
  limit 1;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'done');
    return;
  end if;

  awaited := public.awaited_by(campaign, settle_seconds, is_closed, t);
  if awaited.at < coalesce(later, 'infinity') then
    later := awaited.at;
    why := coalesce(public.awaited_cap(campaign, awaited.at, t), awaited.why);
  end if;
  -- Without a time: leads whose row somebody holds, or whose account left the campaign. No busy loop.
  return next pg_catalog.jsonb_build_object(
    'answer', 'later',
    'wait_seconds', greatest(extract(epoch from coalesce(later, t + interval '5 seconds') - t), 0.1)::double precision,
    'waiting_for', coalesce(why, 'leads that are to be tried again'));
end
$$;
