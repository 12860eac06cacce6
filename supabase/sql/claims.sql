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
  t timestamptz;
  pace double precision;
  per_day integer;
  sharing bigint;
  may_hold bigint;
  slot timestamptz;
  room bigint;
  picked uuid[];
  share integer;
  later timestamptz;
  candidate timestamptz;
  why text;
  candidate_why text;
  opening timestamptz;
  is_closed boolean;
  claims jsonb;
  incomplete bigint;
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
  if c.run_id is distinct from run or c.paused_at is not null or c.status <> 'running' then
    return next pg_catalog.jsonb_build_object('answer', 'stopped', 'reason', case
      when c.status = 'cancelled' then 'cancelled'
      when c.paused_at is not null then 'paused'
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
      -- At most a day: a pace that no calendar can hold must not stop the run.
      pace := least(coalesce(a.pace_seconds, default_pace), 86400);
      per_day := coalesce(a.daily_limit, default_per_day);
      candidate := null;
      picked := null;

      if a.status <> 'active' then
        with failed as (
          update public.campaign_leads cl
          set
            status = 'failed', claim_token = null, claimed_until = null,
            error = pg_catalog.format('%s cannot send: %s', a.email, coalesce(a.status_reason, 'reconnect the account'))
          where cl.campaign_id = campaign and cl.assigned_account_id = a.id
            and cl.status = 'pending' and cl.open_attempt_id is null
          returning cl.id
        )
        select array_agg(failed.id) into picked from failed;
        perform public.note_failures(picked, t);
        continue;
      elsif a.user_id <> c.user_id then
        -- Put there since the run began, which looked at all of them.
        update public.campaign_leads cl
        set
          status = 'failed', claim_token = null, claimed_until = null,
          error = pg_catalog.format('%s cannot send: it belongs to another user than the campaign', a.email)
        where cl.campaign_id = campaign and cl.assigned_account_id = a.id
          and cl.status = 'pending' and cl.open_attempt_id is null;
        continue;
      elsif a.paused_until > t then
        candidate := a.paused_until;
        candidate_why := pg_catalog.format('the quota of %s', a.email);
      else
        room := public.mails_left(a, per_day, t);
        if room <= 0 then
          candidate := public.below_daily_limit_at(a.id, per_day, t);
          candidate_why := pg_catalog.format('the daily limit of %s (%s)', a.email, per_day);
        else
          -- A claim reaches ahead, so that a crash wastes little. Of that a campaign holds its share, so that
          -- the live ones take turns whoever asks first, and at least one lead, so that a slow pace moves.
          slot := greatest(a.next_send_at, t);
          if pace > 0 then
            select count(*) into sharing
            from public.campaign_accounts ca
            join public.campaigns x on x.id = ca.campaign_id
            where ca.account_id = a.id and x.status = 'running' and x.lease_until > t;
            may_hold := least(1 + floor(reach_seconds / greatest(sharing, 1) / pace), most);
            room := least(
              room,
              may_hold - sender.held,
              greatest(
                1 + floor((reach_seconds - extract(epoch from slot - t)) / pace),
                (sender.held = 0)::integer));
            -- When half of it is left: not a claim for each mail.
            candidate := greatest(
              slot - reach_seconds / 2 * interval '1 second',
              sender.last_slot - may_hold / 2 * pace * interval '1 second');
            candidate_why := pg_catalog.format('the pace of %s', a.email);
          end if;

          -- Compared as rows, here and below: only campaign_leads_claimable has this order. By `=` any index
          -- of the campaign will do for the planner, and with it each claim reads all that was sent.
          select array_agg(ready.id order by ready.id) into picked
          from (
            select cl.id
            from public.campaign_leads cl
            where (cl.assigned_account_id, cl.campaign_id, cl.id) >= (a.id, campaign, lowest)
              and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (a.id, campaign, highest)
              and cl.status = 'pending' and cl.open_attempt_id is null
              and (cl.claimed_until is null or cl.claimed_until <= t)
              and (cl.next_attempt_at is null or cl.next_attempt_at <= t)
            order by cl.assigned_account_id, cl.campaign_id, cl.id
            limit greatest(least(room, share), 0)
            for update skip locked
          ) ready;

          if picked is not null then
            update public.campaign_leads cl
            set
              claim_token = batch,
              next_attempt_at = slot + (x.no - 1) * pace * interval '1 second',
              claimed_until = slot + ((x.no - 1) * pace + claim_seconds) * interval '1 second'
            from unnest(picked) with ordinality x (id, no)
            where cl.id = x.id;
            update public.accounts x
            set next_send_at = slot + cardinality(picked) * pace * interval '1 second'
            where x.id = a.id;
          end if;
        end if;
      end if;

      if candidate < coalesce(later, 'infinity') then
        perform from public.campaign_leads cl
        where (cl.assigned_account_id, cl.campaign_id, cl.id) >= (a.id, campaign, lowest)
          and (cl.assigned_account_id, cl.campaign_id, cl.id) <= (a.id, campaign, highest)
          and cl.status = 'pending' and cl.open_attempt_id is null
          and (cl.claimed_until is null or cl.claimed_until <= t)
          and (cl.next_attempt_at is null or cl.next_attempt_at <= candidate)
        order by cl.assigned_account_id, cl.campaign_id, cl.id
        limit 1;
        if found then
          later := candidate;
          why := candidate_why;
        end if;
      end if;
    end loop;

  end if;

  -- All that the mail of a claimed lead needs; no token of its account.
  with unreadable as materialized (
    select x.* from public.unreadable_leads(array(
      select cl.lead_id from public.campaign_leads cl
      where cl.campaign_id = campaign and cl.claim_token = batch)) x
  )
  select
    pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'id', cl.id,
        'token', cl.claim_token,
        'wait_seconds', greatest(extract(epoch from cl.next_attempt_at - t), 0)::double precision,
        'sender', pg_catalog.jsonb_build_object(
          'id', x.id, 'email', coalesce(x.email, ''), 'name', x.sender_name, 'reply_to', x.reply_to),
        'lead', pg_catalog.jsonb_build_object(
          -- One character more than a template is given: enough to be refused.
          'email', left(btrim(l.email), 1000), 'name', left(l.name, 200001), 'role', left(l.role, 200001),
          'custom_fields', case
            when pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(l.custom_fields)) = 'object' then l.custom_fields
            else '{}'
          end),
        -- With the lead's own text in place of the company's, where it has one.
        'company', pg_catalog.jsonb_build_object(
          'name', left(co.name, 200001), 'domain', left(co.domain, 200001),
          'email_subject', left(coalesce(nullif(l.email_subject, ''), co.email_subject), 1001),
          'email_template', left(coalesce(nullif(l.email_template, ''), co.email_template), 1000001)),
        'subject_variables', c.subject_variables,
        'draft', (
          -- Of the last real attempt: what defer_lead notes in between has no mail, so no token.
          select case when last.outcome = 'not_sent' and last.draft_id is not null and last.account_id = x.id
            then pg_catalog.jsonb_build_object(
              'id', last.draft_id, 'thread_id', last.thread_id, 'search_token', last.search_token)
          end
          from public.send_attempts last
          where last.campaign_lead_id = cl.id and last.search_token <> ''
          order by last.started_at desc
          limit 1))
      order by cl.next_attempt_at, cl.id
    ) filter (where whole.is_whole),
    count(*) filter (where not whole.is_whole)
  into claims, incomplete
  from public.campaign_leads cl
  left join public.accounts x on x.id = cl.assigned_account_id
  left join public.leads l on l.id = cl.lead_id
  left join public.companies co on co.id = l.company_id
  left join unreadable u on u.lead = l.id
  cross join lateral (
    select x.id is not null and coalesce(btrim(l.email), '') <> '' and (l.company_id is null or co.id is not null)
      and u.why is null
  ) whole (is_whole)
  where cl.campaign_id = campaign and cl.claim_token = batch;
  if incomplete > 0 then
    -- A lead without its rows has nobody to be mailed to: it fails, it never hides. So does one whose fields
    -- nobody can read.
    with failed as (
      update public.campaign_leads cl
      set
        status = 'failed', claim_token = null, claimed_until = null,
        error = case
          when l.id is null then 'The lead was deleted'
          when coalesce(btrim(l.email), '') = '' then 'The lead has no email address'
          when u.why is not null then pg_catalog.format('The lead''s custom fields %s; correct them, then retry it', u.why)
          else 'The company of the lead was deleted'
        end
      from public.campaign_leads own
      left join public.leads l on l.id = own.lead_id
      left join public.companies co on co.id = l.company_id
      left join public.unreadable_leads(array(
        select y.lead_id from public.campaign_leads y
        where y.campaign_id = campaign and y.claim_token = batch)) u on u.lead = l.id
      where own.campaign_id = campaign and own.claim_token = batch and cl.id = own.id
        and (l.id is null or coalesce(btrim(l.email), '') = '' or (l.company_id is not null and co.id is null)
          or u.why is not null)
      returning cl.id
    )
    select array_agg(failed.id) into picked from failed;
    perform public.note_failures(picked, t);
  end if;

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

  -- What is pending now is deferred, claimed, or in doubt.
  select min(cl.next_attempt_at) into candidate
  from public.campaign_leads cl
  where cl.campaign_id = campaign and cl.status = 'pending' and cl.open_attempt_id is null
    and cl.claim_token is null and cl.next_attempt_at > t and not is_closed;
  if candidate < coalesce(later, 'infinity') then
    later := candidate;
    why := 'leads that are to be tried again';
  end if;
  select min(cl.claimed_until) into candidate
  from public.campaign_leads cl
  where cl.campaign_id = campaign and cl.claim_token is not null and cl.status = 'pending' and cl.claimed_until > t
    and not is_closed;
  if candidate < coalesce(later, 'infinity') then
    later := candidate;
    why := 'leads that are being sent';
  end if;
  -- Looked for when its sender is certainly done with it, then again from time to time.
  select greatest(min(s.started_at) + settle_seconds * interval '1 second', t + settle_seconds / 8 * interval '1 second')
  into candidate
  from public.send_attempts s
  where s.campaign_id = campaign and s.outcome is null
  having count(*) > 0;
  if candidate < coalesce(later, 'infinity') then
    later := candidate;
    why := 'mails whose delivery is in doubt';
  end if;
  -- Without a time: leads whose row somebody holds, or whose account left the campaign. No busy loop.
  return next pg_catalog.jsonb_build_object(
    'answer', 'later',
    'wait_seconds', greatest(extract(epoch from coalesce(later, t + interval '5 seconds') - t), 0.1)::double precision,
    'waiting_for', coalesce(why, 'leads that are to be tried again'));
end
$$;
