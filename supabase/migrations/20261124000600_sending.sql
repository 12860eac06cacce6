-- One mail: claim -> begin_attempt -> record_outcome. Locks are taken in one order everywhere: campaign,
-- accounts by id, leads by id. Every function may be called again after a lost answer.

create or replace function public.mails_of_account(account uuid, t timestamptz) returns bigint
language sql
stable
security invoker
set search_path = ''
as $$
  -- Mails of the last 24 hours that left or may have, over all campaigns.
  select count(*)
  from public.send_attempts s
  where s.account_id = mails_of_account.account
    and (s.outcome is null or s.outcome = 'sent' or s.outcome = 'unclear')
    and s.started_at > mails_of_account.t - interval '24 hours';
$$;

create or replace function public.mails_left(a public.accounts, per_day integer, t timestamptz) returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- How many mails the account may still begin, or fewer. Counted once, then counted down by begin_attempt:
-- of these nothing is taken away but by the mails that we begin.
begin
  if a.mails_left_of = per_day and a.mails_left > 0 then
    return a.mails_left;
  end if;
  return per_day - public.mails_of_account(a.id, t);
end
$$;

create or replace function public.below_daily_limit_at(account uuid, per_day integer, t timestamptz)
returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When the account may send again: as soon as all but `per_day` - 1 of its mails are a day old.
  select s.started_at + interval '24 hours'
  from public.send_attempts s
  where s.account_id = below_daily_limit_at.account
    and (s.outcome is null or s.outcome = 'sent' or s.outcome = 'unclear')
    and s.started_at > below_daily_limit_at.t - interval '24 hours'
  order by s.started_at desc
  offset below_daily_limit_at.per_day - 1
  limit 1;
$$;

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
  now timestamptz default null
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
begin
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
        update public.campaign_leads cl
        set
          status = 'failed', claim_token = null, claimed_until = null,
          error = pg_catalog.format('%s cannot send: %s', a.email, coalesce(a.status_reason, 'reconnect the account'))
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
  select
    pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'id', cl.id,
        'token', cl.claim_token,
        'wait_seconds', greatest(extract(epoch from cl.next_attempt_at - t), 0)::double precision,
        'sender', pg_catalog.jsonb_build_object(
          'id', x.id, 'email', coalesce(x.email, ''), 'name', x.sender_name, 'reply_to', x.reply_to),
        'lead', pg_catalog.jsonb_build_object(
          'email', btrim(l.email), 'name', l.name, 'role', l.role,
          'custom_fields', case
            when pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(l.custom_fields)) = 'object' then l.custom_fields
            else '{}'
          end),
        'company', pg_catalog.jsonb_build_object(
          'name', co.name, 'domain', co.domain,
          'email_subject', co.email_subject, 'email_template', co.email_template),
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
  cross join lateral (
    select x.id is not null and coalesce(btrim(l.email), '') <> '' and (l.company_id is null or co.id is not null)
  ) whole (is_whole)
  where cl.campaign_id = campaign and cl.claim_token = batch;
  if incomplete > 0 then
    -- A lead without its rows has nobody to be mailed to: it fails, it never hides.
    update public.campaign_leads cl
    set
      status = 'failed', claim_token = null, claimed_until = null,
      error = case
        when l.id is null then 'The lead was deleted'
        when coalesce(btrim(l.email), '') = '' then 'The lead has no email address'
        else 'The company of the lead was deleted'
      end
    from public.campaign_leads own
    left join public.leads l on l.id = own.lead_id
    left join public.companies co on co.id = l.company_id
    where own.campaign_id = campaign and own.claim_token = batch and cl.id = own.id
      and (l.id is null or coalesce(btrim(l.email), '') = '' or (l.company_id is not null and co.id is null));
  end if;

  if claims is not null then
    return next pg_catalog.jsonb_build_object('answer', 'claimed', 'claims', claims);
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

create or replace function public.begin_attempt(
  attempt uuid,
  lead uuid,
  claim uuid,
  run uuid,
  mail_address text,
  token text,
  budget_seconds double precision,
  default_pace double precision,
  default_per_day integer,
  draft text default null,
  thread text default null,
  sender uuid default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- A plan made while a table was small would read all of it when it has grown.
set enable_seqscan = off
-- Each connection would plan each statement five times before it keeps a plan, and there is but one.
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- The last check and the write-ahead record in one: after `go` the mail may be posted, once, within
-- budget_seconds of the call.
--   go: {budget_seconds}   wait: {wait_seconds}   deferred: {reason, wait_seconds}
--   failed: {reason}       not_ours: {reason}      settled: {reason} this very attempt, by somebody else
declare
  c public.campaigns;
  a public.accounts;
  cl public.campaign_leads;
  known public.send_attempts;
  t timestamptz;
  pace double precision;
  per_day integer;
  last_post timestamptz;
  free_at timestamptz;
  opening timestamptz;
  refusal text;
begin
  -- The campaign is read, not locked: senders that follow one another would hold a shared lock without
  -- end, and nobody could cancel, claim or renew (measured). The lead's row is the fence: a cancel at
  -- this very moment waits for it and leaves it alone, or has cancelled it before we get it.
  select x.* into cl from public.campaign_leads x where x.id = lead;
  select x.* into a from public.accounts x where x.id = cl.assigned_account_id for no key update;
  select x.* into cl from public.campaign_leads x where x.id = lead for no key update;
  select x.* into c from public.campaigns x where x.id = cl.campaign_id;
  t := coalesce(now, clock_timestamp());

  select x.* into known from public.send_attempts x where x.id = attempt;
  if found then
    return next case
      when known.outcome is null then pg_catalog.jsonb_build_object(
        'answer', 'go',
        'budget_seconds', greatest(budget_seconds - extract(epoch from t - known.started_at), 0)::double precision)
      else pg_catalog.jsonb_build_object('answer', 'settled', 'reason', 'already settled as ' || known.outcome)
    end;
    return;
  end if;

  refusal := case
    when c.id is null or cl.id is null then 'its row was deleted'
    when c.status = 'cancelled' or cl.status = 'cancelled' then 'the campaign was cancelled'
    when c.status <> 'running' then 'the campaign is ' || c.status::text
    when c.paused_at is not null then 'the campaign was paused'
    when cl.status <> 'pending' then 'the lead is ' || cl.status::text
    when cl.open_attempt_id is not null then 'another attempt is open'
    when cl.claim_token is distinct from claim then 'another run claimed the lead'
    when cl.claimed_until <= t then 'the claim has expired'
    when cl.assigned_account_id is distinct from coalesce(sender, cl.assigned_account_id)
      then 'the lead was given to another account'
    when cl.assigned_account_id <> a.id then 'the lead was given to another account'
  end;
  if refusal is not null then
    update public.campaign_leads x
    set claim_token = null, claimed_until = null
    where x.id = lead and x.claim_token = claim;
    return next pg_catalog.jsonb_build_object('answer', 'not_ours', 'reason', refusal);
    return;
  end if;

  pace := least(coalesce(a.pace_seconds, default_pace), 86400);
  per_day := coalesce(a.daily_limit, default_per_day);
  a.mails_left := public.mails_left(a, per_day, t);
  if a.status is distinct from 'active' then
    refusal := pg_catalog.format('%s cannot send: %s', a.email, coalesce(a.status_reason, 'reconnect the account'));
  elsif exists (
    -- What the log does not know: the sender before us mailed the same address as another lead. `offset 0`:
    -- from the address on. A planner that knows little of a new campaign would read all that it has sent.
    select from public.leads l
    cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
    where lower(l.email) = lower(mail_address)
      and x.campaign_id = c.id and x.id <> lead and x.status = 'sent'
  ) then
    refusal := 'This address was already mailed in this campaign';
  elsif a.paused_until > t then
    free_at := a.paused_until;
    refusal := pg_catalog.format('the quota of %s', a.email);
  elsif a.mails_left <= 0 then
    free_at := public.below_daily_limit_at(a.id, per_day, t);
    refusal := pg_catalog.format('the daily limit of %s (%s)', a.email, per_day);
  else
    opening := public.next_opening(c, t);
    if opening is distinct from t then
      free_at := coalesce(opening, t + interval '1 day');
      refusal := public.told_window(c, opening);
    end if;
  end if;
  if free_at is not null then
    update public.campaign_leads x
    set claim_token = null, claimed_until = null, next_attempt_at = free_at
    where x.id = lead;
    return next pg_catalog.jsonb_build_object(
      'answer', 'deferred', 'reason', refusal,
      'wait_seconds', extract(epoch from free_at - t)::double precision);
    return;
  elsif refusal is null then
    -- Posts of an account keep their distance, whoever posts and however late.
    select x.started_at into last_post
    from public.send_attempts x
    where x.account_id = a.id and (x.outcome is null or x.outcome = 'sent' or x.outcome = 'unclear')
    order by x.started_at desc
    limit 1;
    free_at := greatest(cl.next_attempt_at, last_post + 0.95 * pace * interval '1 second');
    -- A millisecond too early for its own time is on time; too close to the last post it never is.
    if free_at > t + interval '1 millisecond' or last_post + 0.95 * pace * interval '1 second' > t then
      update public.campaign_leads x
      set claimed_until = greatest(x.claimed_until, free_at + interval '30 seconds')
      where x.id = lead;
      return next pg_catalog.jsonb_build_object(
        'answer', 'wait', 'wait_seconds', extract(epoch from free_at - t)::double precision);
      return;
    end if;

    insert into public.send_attempts (
      id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, draft_id, thread_id, search_token)
    values (
      attempt, c.id, lead, a.id, run, mail_address, t, draft, thread, token)
    on conflict do nothing;
    if found then
      update public.accounts x set mails_left = a.mails_left - 1, mails_left_of = per_day where x.id = a.id;
      update public.campaign_leads x
      set open_attempt_id = attempt, claim_token = null, claimed_until = null
      where x.id = lead;
      return next pg_catalog.jsonb_build_object('answer', 'go', 'budget_seconds', budget_seconds);
      return;
    end if;
    refusal := 'This address was already mailed in this campaign';
  end if;

  update public.campaign_leads x
  set status = 'failed', error = refusal, claim_token = null, claimed_until = null
  where x.id = lead;
  return next pg_catalog.jsonb_build_object('answer', 'failed', 'reason', refusal);
end
$$;

create or replace function public.record_outcome(
  attempt uuid,
  became text,
  message text default null,
  thread text default null,
  why text default null,
  again_after double precision default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Both as for begin_attempt.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- What became of an attempt: sent, refused, not_sent or unclear. The first word stands, but that `sent`
-- wins over everything; asked again it answers what is recorded. `not_sent` keeps the lead pending until
-- again_after seconds from now; without again_after each time longer, and failed after a day of that.
declare
  s public.send_attempts;
  cl public.campaign_leads;
  c public.campaigns;
  t timestamptz;
  mailed_twice boolean := false;
begin
  select x.* into s from public.send_attempts x where x.id = attempt;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  -- A lead that is done is progress, and a mail that left ends the doubling of quota pauses. Not sent is
  -- none: what settles a lead that kills every run must not set the count back each time.
  if became = 'not_sent' then
    -- Against a cancel at this very moment, which leaves leads with an open attempt to us.
    perform from public.campaigns x where x.id = s.campaign_id for share;
  else
    update public.campaigns x set crash_count = 0 where x.id = s.campaign_id and x.crash_count > 0;
  end if;
  if became = 'sent' then
    update public.accounts x set quota_pauses = 0 where x.id = s.account_id and x.quota_pauses > 0
      and (x.paused_until is null or x.paused_until <= coalesce(now, clock_timestamp()));
    if s.outcome in ('not_sent', 'refused') then
      -- A late word: one mail more than was counted, so that they are counted anew.
      update public.accounts x set mails_left_of = null where x.id = s.account_id;
    end if;
  end if;
  select x.* into c from public.campaigns x where x.id = s.campaign_id;
  select x.* into cl from public.campaign_leads x where x.id = s.campaign_lead_id for no key update;
  select x.* into s from public.send_attempts x where x.id = attempt for update;
  t := coalesce(now, clock_timestamp());

  if s.outcome = 'sent' or (s.outcome is not null and became <> 'sent') then
    return next pg_catalog.jsonb_build_object('answer', s.outcome);
    return;
  end if;

  if became = 'sent' and s.outcome in ('not_sent', 'refused') then
    -- A late word about a draft that a newer attempt took over: it is that attempt which was sent.
    select x.id into attempt
    from public.send_attempts x
    where x.campaign_lead_id = s.campaign_lead_id and x.id <> s.id
      and (x.outcome is null or x.outcome = 'sent' or x.outcome = 'unclear')
    limit 1;
    if attempt is not null then
      return query select public.record_outcome(attempt, became, message, thread, why, again_after, now);
      return;
    end if;
    attempt := s.id;
    -- Another lead of its address was mailed since: the log keeps one mail an address, the lead says more.
    mailed_twice := exists (
      select from public.send_attempts x
      where x.campaign_id = s.campaign_id and lower(x.address) = lower(s.address)
        and (x.outcome is null or x.outcome = 'sent' or x.outcome = 'unclear'));
  end if;

  update public.send_attempts x
  set
    outcome = case when mailed_twice then x.outcome else became end,
    detail = case when mailed_twice then 'sent all the same, beside another lead of this address' else why end,
    finished_at = t, retry_after = again_after, thread_id = coalesce(thread, x.thread_id)
  where x.id = attempt;

  if became = 'sent' then
    update public.campaign_leads x
    set
      status = 'sent', sent_at = s.started_at, message_id = message, thread_id = thread, error = null,
      open_attempt_id = null, claim_token = null, claimed_until = null, next_attempt_at = null
    where x.id = cl.id;
  elsif cl.open_attempt_id = attempt and became = 'refused' then
    update public.campaign_leads x
    set status = 'failed', error = why, open_attempt_id = null, next_attempt_at = null
    where x.id = cl.id;
  elsif cl.open_attempt_id = attempt and became = 'unclear' then
    update public.campaign_leads x
    set status = 'failed', error = 'may have been sent: ' || coalesce(why, 'no reason recorded'), open_attempt_id = null, next_attempt_at = null
    where x.id = cl.id;
  elsif cl.open_attempt_id = attempt then
    perform public.put_off(cl, c, again_after, why, t);
  end if;
  return next pg_catalog.jsonb_build_object('answer', became);
end
$$;

create or replace function public.put_off(
  cl public.campaign_leads,
  c public.campaigns,
  again_after double precision,
  why text,
  t timestamptz
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A lead whose mail certainly did not leave: later, or never when its campaign was cancelled or a day
-- of failures that should have passed did not.
declare
  failures bigint;
  first_failure timestamptz;
begin
  update public.campaign_leads x
  set open_attempt_id = null, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = cl.id;
  if c.status = 'cancelled' then
    update public.campaign_leads x set status = 'cancelled' where x.id = cl.id;
    return;
  end if;

  -- Of the last failures in a row: what failed before a long pause is not held against it.
  select count(*), min(x.started_at) into failures, first_failure
  from public.send_attempts x
  where x.campaign_lead_id = cl.id and x.outcome = 'not_sent' and x.retry_after is null
    and x.started_at > t - interval '36 hours';
  if again_after is null and first_failure < t - interval '24 hours' then
    update public.campaign_leads x
    set status = 'failed', error = 'tried for a day: ' || coalesce(why, 'no reason recorded')
    where x.id = cl.id;
  else
    update public.campaign_leads x
    set next_attempt_at =
      t + coalesce(again_after, least(60 * 2 ^ least(failures - 1, 10), 3600)) * interval '1 second'
    where x.id = cl.id;
  end if;
end
$$;

create or replace function public.fail_lead(lead uuid, claim uuid, why text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The lead's mail can never be made or was refused before it could leave; only by who holds the claim.
begin
  update public.campaigns x set crash_count = 0
  where x.crash_count > 0 and x.id = (select cl.campaign_id from public.campaign_leads cl where cl.id = lead);
  update public.campaign_leads x
  set status = 'failed', error = why, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = lead and x.status = 'pending' and x.claim_token = claim;
  return next pg_catalog.jsonb_build_object(
    'answer', case when found then 'failed' else 'not_ours' end);
end
$$;

create or replace function public.defer_lead(
  attempt uuid,
  lead uuid,
  claim uuid,
  run uuid,
  mail_address text,
  why text,
  again_after double precision default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The mail could not be made ready and may go later: noted in the log as an attempt that was not sent.
declare
  c public.campaigns;
  cl public.campaign_leads;
  t timestamptz;
begin
  select x.* into cl from public.campaign_leads x where x.id = lead for no key update;
  select x.* into c from public.campaigns x where x.id = cl.campaign_id;
  t := coalesce(now, clock_timestamp());
  if cl.status is distinct from 'pending' or cl.claim_token is distinct from claim then
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
    return;
  end if;
  insert into public.send_attempts (
    id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, search_token,
    finished_at, outcome, detail, retry_after)
  select attempt, c.id, lead, cl.assigned_account_id, run, mail_address, t, '', t, 'not_sent', why, again_after
  where cl.assigned_account_id is not null
  on conflict do nothing;
  perform public.put_off(cl, c, again_after, why, t);
  return next pg_catalog.jsonb_build_object('answer', 'deferred');
end
$$;

create or replace function public.list_open_attempts(
  campaign uuid default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Mails that may be on their way: what a dead or cut-off run left behind.
  select pg_catalog.jsonb_build_object(
    'id', s.id,
    'campaign_id', s.campaign_id,
    'campaign_lead_id', s.campaign_lead_id,
    'account_id', s.account_id,
    'draft_id', s.draft_id,
    'thread_id', s.thread_id,
    'search_token', s.search_token,
    'age_seconds',
    extract(epoch from coalesce(list_open_attempts.now, clock_timestamp()) - s.started_at)::double precision,
    'campaign_cancelled', coalesce(c.status = 'cancelled', true),
    'campaign_paused', coalesce(c.paused_at is not null, false))
  from public.send_attempts s
  left join public.campaigns c on c.id = s.campaign_id
  where s.outcome is null
    and (list_open_attempts.campaign is null or s.campaign_id = list_open_attempts.campaign)
    and s.id > list_open_attempts.after
  order by s.id
  limit list_open_attempts.most;
$$;
