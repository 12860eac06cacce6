-- The last check before a mail and its write-ahead record, and what is still open of them.

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
  now timestamptz default null,
  knows_cancelled boolean default false,
  looked_seconds double precision default null,
  content jsonb default null
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
--   cancelled: {reason}    the address is suppressed; `not_ours` for callers that do not know the word
-- content: {template, own, subject, filled, fingerprint, text}, what the mail was made from; null: unknown, or that of the draft.
declare
  c public.campaigns;
  a public.accounts;
  allowed record;
  shared record;
  mails_left bigint;
  cl public.campaign_leads;
  known public.send_attempts;
  t timestamptz;
  pace double precision;
  per_day integer;
  last_post timestamptz;
  keeps_distance_at timestamptz;
  longest_wait constant interval := '60 seconds';
  free_at timestamptz;
  opening timestamptz;
  refusal text;
  its_address text;
  keys text[];
  is_suspect boolean;
  is_mailed boolean;
  away_until timestamptz;
  held text;
begin
  if mail_address ~ '[^!-~]' then -- a look costs less than the call
    mail_address := public.canonical_address(mail_address); -- an older worker gives that of the lead's row
  end if;
  -- The campaign is read, not locked: senders that follow one another would hold a shared lock without
  -- end, and nobody could cancel, claim or renew (measured). The lead's row is the fence: a cancel at
  -- this very moment waits for it and leaves it alone, or has cancelled it before we get it.
  select x.* into a
  from public.accounts x
  where x.id = (select y.assigned_account_id from public.campaign_leads y where y.id = lead)
  for no key update;
  select x.* into cl from public.campaign_leads x where x.id = lead for no key update;
  select x.* into c from public.campaigns x where x.id = cl.campaign_id;
  select x.email into its_address from public.leads x where x.id = cl.lead_id;
  t := coalesce(now, clock_timestamp());
  if c.parent_id is not null then
    held := public.held_by_root(c);
  end if;

  refusal := case
    when c.id is null or cl.id is null then 'its row was deleted'
    when c.status = 'cancelled' or cl.status = 'cancelled' or held = 'cancelled' then 'the campaign was cancelled'
    when c.status <> 'running' then 'the campaign is ' || c.status::text
    when c.paused_at is not null or held is not null then 'the campaign was paused'
    when cl.status <> 'pending' then 'the lead is ' || cl.status::text
    when cl.open_attempt_id is not null then 'another attempt is open'
    when cl.claim_token is distinct from claim then 'another run claimed the lead'
    when cl.claimed_until <= t then 'the claim has expired'
    when cl.assigned_account_id is distinct from coalesce(sender, cl.assigned_account_id)
      then 'the lead was given to another account'
    when cl.assigned_account_id <> a.id then 'the lead was given to another account'
    -- Nearly all are spelt as they are mailed: a look costs less than the call.
    when lower(btrim(its_address)) <> lower(mail_address) and public.mailbox_key(its_address) <> lower(mail_address)
      then 'its address was corrected'
  end;
  if refusal is not null then
    -- A claim ends with the attempt that is begun on it: one that is asked for again finds it ended.
    select x.* into known from public.send_attempts x where x.id = attempt;
    if found then
      return next case
        when known.outcome is null then pg_catalog.jsonb_build_object(
          'answer', 'go',
          'budget_seconds', greatest(budget_seconds - extract(epoch from t - known.started_at), 0)::double precision)
        else pg_catalog.jsonb_build_object('answer', 'settled', 'reason', 'already settled as ' || known.outcome)
      end;
      return;
    elsif cl.status = 'cancelled' and c.status <> 'cancelled' and cl.error is not null then
      return next public.cancelled_attempt(cl.error, knows_cancelled);
      return;
    end if;
    update public.campaign_leads x
    set claim_token = null, claimed_until = null
    where x.id = lead and x.claim_token = claim;
    return next pg_catalog.jsonb_build_object('answer', 'not_ours', 'reason', refusal);
    return;
  end if;

  if a.domain_cap is null or public.hold_domain(mail_address) then
    keys := public.hold_off_suppressions(lower(mail_address));
  end if;
  if keys is null then
    return next pg_catalog.jsonb_build_object('answer', 'wait', 'wait_seconds', 0.25);
    return;
  end if;
  select
    -- Nearly all are not: suppression_of is asked of the others, and of each once somebody was erased.
    exists (select from public.suppressions s where s.key = any (keys))
    or exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;'),
    exists (
      -- What the log does not know: the sender before us mailed the same address as another lead. `offset 0`:
      -- from the address on. A planner that knows little of a new campaign would read all that it has sent.
      select from public.leads l
      cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
      where lower(l.email) in (lower(mail_address), lower(btrim(its_address)))
        and x.campaign_id = c.id and x.id <> lead and x.status = 'sent'),
    (
      select x.started_at
      from public.send_attempts x
      where x.account_id = a.id and public.may_have_left(x.outcome)
      order by x.started_at desc
      limit 1),
    (
      select max(x.until)
      from public.absences x
      where x.key = keys[1] and x.until > t and (x.user_id <> c.user_id) is not true)
  into is_suspect, is_mailed, last_post, away_until;
  if is_suspect then
    refusal := public.told_suppression(public.suppression_of(keys, c.user_id, t));
  end if;
  if refusal is null and c.parent_id is not null then
    refusal := case
      when cl.previous_id is null then 'the mail that it follows was deleted'
      else public.why_not_followed(c, cl.previous_id, t)
    end;
  end if;
  if refusal is not null then
    update public.campaign_leads x
    set status = 'cancelled', error = refusal, claim_token = null, claimed_until = null, next_attempt_at = null
    where x.id = lead;
    return next public.cancelled_attempt(refusal, knows_cancelled);
    return;
  end if;
  -- Only now: a suppression may have been lifted a moment ago, and the mail is begun after that.
  t := coalesce(now, clock_timestamp());

  if c.parent_id is not null then
    -- Fail closed: who may have answered meanwhile gets no follow-up.
    refusal := case
      when looked_seconds is null then 'its worker does not know follow-ups; update it'
      when looked_seconds > 30 then 'its thread was looked at too long ago'
      when not public.was_read_lately(a.id, t)
        then pg_catalog.format('the mailbox of %s was not read in the last 15 minutes', a.email)
    end;
    if refusal is not null then
      update public.campaign_leads x
      set claim_token = null, claimed_until = null, next_attempt_at = t + interval '1 minute'
      where x.id = lead;
      return next pg_catalog.jsonb_build_object('answer', 'deferred', 'reason', refusal, 'wait_seconds', 60);
      return;
    end if;
  end if;

  pace := public.pace_of(a, default_pace);
  per_day := public.daily_limit_of(a, default_per_day, t);
  refusal := public.why_unable(a, c.user_id);
  if refusal is null and its_address is null then
    refusal := 'The lead was deleted';
  elsif refusal is null and is_mailed then
    refusal := 'This address was already mailed in this campaign';
  elsif refusal is null then
    mails_left := case when (a.paused_until > t) is not true then public.mails_left(a, per_day, t) end;
    if coalesce(mails_left, 0) <= 0 then -- nearly never: it costs a call
      allowed := public.allowance(a, per_day, t);
      free_at := allowed.free_at;
      refusal := allowed.waiting_for;
    elsif public.may_pass_share(c.parent_id is not null, 1, mails_left, per_day) then
      shared := public.share_left(a, c.parent_id is not null, per_day, t);
      free_at := shared.free_at;
      refusal := shared.waiting_for;
    end if;
    if free_at is null and a.domain_cap is not null then
      free_at := public.domain_free_at(public.capped_domain(mail_address), a.domain_cap, t);
      if free_at is not null then
        refusal := public.told_domain_cap(public.capped_domain(mail_address), a.domain_cap);
      end if;
    end if;
    opening := case when public.has_window(c) then public.next_opening(c, t) else t end; -- saves the call
    if free_at is null and opening is distinct from t then
      free_at := coalesce(opening, t + interval '1 day');
      refusal := public.told_window(c, opening);
    end if;
    keeps_distance_at := last_post + 0.95 * pace * interval '1 second';
    if free_at is null and keeps_distance_at > t + longest_wait then
      -- No thread waits that long, nor does a draft: the account was slowed down, or the clock set back.
      free_at := keeps_distance_at;
      refusal := pg_catalog.format('the pace of %s', a.email);
      update public.accounts x set next_send_at = greatest(x.next_send_at, free_at) where x.id = a.id;
    end if;
    if away_until is not null then
      free_at := greatest(free_at, away_until);
      refusal := 'away until ' || pg_catalog.to_char(free_at at time zone 'UTC', 'YYYY-MM-DD');
    end if;
  elsif c.parent_id is not null then
    -- A follow-up waits for its account, until it is too late.
    free_at := t + interval '15 minutes';
  end if;
  if free_at is not null then
    free_at := least(free_at, t + interval '1 year'); -- also where a row says for ever
    update public.campaign_leads x
    set
      claim_token = null, claimed_until = null,
      -- A rest and an absence may end early: who waits for one is looked at again before.
      next_attempt_at = least(free_at, case
        when a.paused_until > t then t + interval '15 minutes'
        when away_until is not null then t + interval '1 day'
      end)
    where x.id = lead;
    return next pg_catalog.jsonb_build_object(
      'answer', 'deferred', 'reason', refusal,
      'wait_seconds', extract(epoch from free_at - t)::double precision);
    return;
  elsif refusal is null then
    -- Posts of an account keep their distance, whoever posts and however late.
    free_at := greatest(cl.next_attempt_at, keeps_distance_at);
    -- A millisecond too early for its own time is on time; too close to the last post it never is.
    if free_at > t + interval '1 millisecond' or keeps_distance_at > t then
      update public.campaign_leads x
      set claimed_until = greatest(x.claimed_until, free_at + interval '30 seconds')
      where x.id = lead;
      return next pg_catalog.jsonb_build_object(
        'answer', 'wait', 'wait_seconds', extract(epoch from free_at - t)::double precision);
      return;
    end if;

    if content is null and draft is not null then
      content := public.content_of_draft(token);
    end if;
    insert into public.send_attempts (
      id, campaign_id, campaign_lead_id, account_id, run_id, address, started_at, draft_id, thread_id, search_token,
      template, own_text, subject, placeholders, fingerprint)
    values (
      attempt, c.id, lead, a.id, run, mail_address, t, draft, thread, token,
      content ->> 'template', (content ->> 'own')::boolean, left(content ->> 'subject', 1001), content -> 'filled',
      case when draft is not null then left(content ->> 'fingerprint', 100) end)
    on conflict do nothing;
    if found then
      if content ? 'text' then
        perform public.note_template(content);
      end if;
      update public.accounts x
      set
        mails_left = mails_left - 1, mails_left_of = per_day,
        follow_ups_left = x.follow_ups_left - (c.parent_id is not null)::integer,
        first_mails_left = x.first_mails_left - (c.parent_id is null)::integer
      where x.id = a.id;
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
  perform public.note_failures(array[lead], t);
  return next pg_catalog.jsonb_build_object('answer', 'failed', 'reason', refusal);
end
$$;

create or replace function public.cancelled_attempt(why text, knows_cancelled boolean) returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  -- The answer for a lead that is not mailed because its address is suppressed. Workers of releases before know no
  -- such answer; with `not_ours` they discard the draft, too, and count nothing.
  select pg_catalog.jsonb_build_object(
    'answer', case when cancelled_attempt.knows_cancelled then 'cancelled' else 'not_ours' end,
    'reason', cancelled_attempt.why);
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
    'address', s.address,
    'account', coalesce(a.email, ''),
    'draft_id', s.draft_id,
    'thread_id', s.thread_id,
    'search_token', s.search_token,
    'joins', coalesce(c.parent_id is not null and c.step_subject is null, false),
    'age_seconds',
    extract(epoch from coalesce(list_open_attempts.now, clock_timestamp()) - s.started_at)::double precision,
    'campaign_cancelled', coalesce(c.status = 'cancelled', true),
    'campaign_paused', coalesce(c.paused_at is not null, false))
  from public.send_attempts s
  left join public.campaigns c on c.id = s.campaign_id
  left join public.accounts a on a.id = s.account_id
  where s.outcome is null
    and (list_open_attempts.campaign is null or s.campaign_id = list_open_attempts.campaign)
    and s.id > list_open_attempts.after
  order by s.id
  limit list_open_attempts.most;
$$;

create or replace function public.holds_claim(lead uuid, claim uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('holds', exists (
    select from public.campaign_leads cl
    where cl.id = holds_claim.lead and cl.claim_token = holds_claim.claim and cl.open_attempt_id is null));
$$;

create or replace function public.forget_draft(lead uuid, claim uuid, token text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of a draft that was deleted unsent for a newer one; only by who holds the claim. A claim that took it up again
-- would be in doubt.
declare
  is_held constant boolean := exists (
    select from public.campaign_leads cl where cl.id = lead and cl.claim_token = claim);
begin
  update public.send_attempts s
  set draft_id = null
  where is_held and s.campaign_lead_id = lead and s.search_token = token and s.outcome = 'not_sent';
  return next pg_catalog.jsonb_build_object('answer', case when is_held then 'forgotten' else 'not_ours' end);
end
$$;

create or replace function public.drafts_in_use(drafts text[]) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of these drafts, those that may still go out: an attempt is open on them, or left them for the next one of a
  -- lead that is still to be mailed.
  select pg_catalog.jsonb_build_object('draft', s.draft_id)
  from public.send_attempts s
  where s.draft_id = any (drafts_in_use.drafts) and s.draft_id is not null
    and (s.outcome is null or s.outcome = 'not_sent')
    and (s.outcome is null or exists (
      select from public.campaign_leads cl
      join public.campaigns c on c.id = cl.campaign_id
      where cl.id = s.campaign_lead_id and cl.status = 'pending' and c.status <> 'cancelled'));
$$;
