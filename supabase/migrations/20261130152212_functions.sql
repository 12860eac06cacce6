-- Release 20261130152212 of the functions: `make release-sql` wrote it from supabase/sql; no hand edits it.

do $$
declare
  ours constant text[] := array[
    'public.account_bounce_rate(uuid,timestamp with time zone)',
    'public.accounts_of_others(public.campaigns)',
    'public.add_step(uuid,uuid,integer,double precision,text,text,text,text,double precision,timestamp with time zone,boolean,timestamp with time zone)',
    'public.adopt_opens(integer)',
    'public.allowance(public.accounts,integer,timestamp with time zone)',
    'public.assign_companies(uuid)',
    'public.assign_texts()',
    'public.attempt_begun_with_outcome()',
    'public.attempt_counted()',
    'public.awaited_by(uuid,double precision,boolean,timestamp with time zone)',
    'public.awaited_cap(uuid,timestamp with time zone,timestamp with time zone)',
    'public.away_until(date,timestamp with time zone)',
    'public.bare_domain(text)',
    'public.begin_attempt(uuid,uuid,uuid,uuid,text,text,double precision,double precision,integer,text,text,uuid,timestamp with time zone,boolean,double precision,jsonb)',
    'public.begin_run(uuid,uuid,double precision,timestamp with time zone,text)',
    'public.below_daily_limit_at(uuid,integer,timestamp with time zone)',
    'public.better_class(text,text)',
    'public.by_hour(timestamp with time zone[],timestamp with time zone)',
    'public.campaign_account_summary(uuid,uuid,uuid,integer)',
    'public.campaign_counts(uuid)',
    'public.campaign_facts(uuid,timestamp with time zone)',
    'public.campaign_opened(uuid)',
    'public.campaign_progress(uuid,double precision,integer,double precision,timestamp with time zone)',
    'public.campaign_senders(uuid)',
    'public.campaign_status(uuid)',
    'public.campaigns_of_chain(uuid)',
    'public.cancel_campaign(uuid,timestamp with time zone)',
    'public.cancel_run(uuid,uuid)',
    'public.cancel_step(uuid)',
    'public.cancel_steps(uuid)',
    'public.cancel_suppressed(uuid[],timestamp with time zone)',
    'public.cancelled_attempt(text,boolean)',
    'public.cancelled_reasons(uuid)',
    'public.canonical_address(text)',
    'public.capped_domain(text)',
    'public.capped_domains(uuid,timestamp with time zone)',
    'public.cause_told(text)',
    'public.chain_facts(uuid,timestamp with time zone)',
    'public.chain_of(uuid)',
    'public.check_campaign(uuid)',
    'public.claim_leads(uuid,uuid,uuid,integer,double precision,double precision,integer,double precision,double precision,timestamp with time zone,text)',
    'public.claim_slots(uuid,uuid,uuid,bigint,double precision,timestamp with time zone,double precision,timestamp with time zone)',
    'public.companies_kept_apart()',
    'public.content_of_draft(text)',
    'public.count_attempt(public.send_attempts,public.send_attempts)',
    'public.count_opening(uuid,date,uuid,text,text,integer)',
    'public.count_places(timestamp with time zone)',
    'public.count_ramp(public.accounts,timestamp with time zone)',
    'public.crash_run(uuid,uuid,text,timestamp with time zone)',
    'public.create_campaign(uuid,text,text[],text,text[],timestamp with time zone,text,text,integer[],time without time zone,time without time zone,uuid,boolean,boolean,text,date[])',
    'public.daily_limit_of(public.accounts,integer,timestamp with time zone)',
    'public.date_suppressions(uuid[],text[])',
    'public.dead_of_campaign(public.campaigns,double precision,integer)',
    'public.decline_run(uuid,uuid)',
    'public.defer_capped(uuid,uuid[],timestamp with time zone)',
    'public.defer_lead(uuid,uuid,uuid,uuid,text,text,double precision,timestamp with time zone)',
    'public.dispatcher_state(timestamp with time zone)',
    'public.domain_free_at(text,integer,timestamp with time zone)',
    'public.drafts_in_use(text[])',
    'public.due_at(public.campaigns)',
    'public.end_campaign(uuid,timestamp with time zone)',
    'public.end_in_error(uuid,text,timestamp with time zone)',
    'public.end_step(public.campaigns,public.campaigns,timestamp with time zone)',
    'public.erase_person(text,text,timestamp with time zone)',
    'public.exposed_tokens()',
    'public.fail_lead(uuid,uuid,text,timestamp with time zone)',
    'public.fail_mailbox(uuid,uuid,text,boolean,text,double precision,timestamp with time zone)',
    'public.fail_run(uuid,uuid,text,timestamp with time zone)',
    'public.fail_unclaimed(uuid,uuid,text,timestamp with time zone)',
    'public.fail_unmailable(uuid,jsonb,timestamp with time zone)',
    'public.failure_reasons(uuid,integer)',
    'public.failures_counted()',
    'public.fault_of_accounts(public.campaigns)',
    'public.fault_of_window(public.campaigns,timestamp with time zone)',
    'public.field_key(text)',
    'public.find_mails(uuid,text,text[],text[],timestamp with time zone)',
    'public.find_respelt()',
    'public.finish_mailbox(uuid,uuid,text,text,timestamp with time zone)',
    'public.finish_run(uuid,uuid,double precision,text,timestamp with time zone)',
    'public.follow_due(public.campaigns,timestamp with time zone)',
    'public.followed_mails(uuid,public.campaigns)',
    'public.forget_content(text,uuid[])',
    'public.forget_dispatch(uuid,text)',
    'public.forget_draft(uuid,uuid,text)',
    'public.forget_person(text,text,text,timestamp with time zone,boolean)',
    'public.forget_suspension(uuid,uuid)',
    'public.free_claims(uuid)',
    'public.functions_fingerprint()',
    'public.functions_hash(text[])',
    'public.guard_accounts(double precision,integer,timestamp with time zone)',
    'public.guard_campaigns(double precision,integer,timestamp with time zone)',
    'public.guard_step()',
    'public.hand_out(public.campaigns,uuid,timestamp with time zone)',
    'public.has_claimable(uuid,uuid,timestamp with time zone,timestamp with time zone)',
    'public.has_due_lead(uuid,boolean,timestamp with time zone)',
    'public.has_steps_to_come(uuid)',
    'public.has_window(public.campaigns)',
    'public.has_written_since(text,uuid,timestamp with time zone)',
    'public.held_by_root(public.campaigns)',
    'public.hold_domain(text)',
    'public.hold_off_suppressions(text)',
    'public.holds_claim(uuid,uuid)',
    'public.import_leads(jsonb,text,uuid)',
    'public.inbound_counts(uuid)',
    'public.installed_release(text)',
    'public.is_due(public.campaigns,timestamp with time zone)',
    'public.is_erased(text)',
    'public.is_over(public.campaigns,timestamp with time zone)',
    'public.is_ramp_frozen(uuid,timestamp with time zone)',
    'public.is_to_be_mailed(text)',
    'public.keep_failures(uuid[])',
    'public.keep_mailbox(uuid,uuid,double precision,text,timestamp with time zone)',
    'public.keep_within_bounds(public.campaigns,uuid)',
    'public.keyed_hash(text)',
    'public.lead_dispatch(uuid,text,text,double precision,timestamp with time zone)',
    'public.lead_events(text,integer)',
    'public.lead_in_campaigns(text,integer)',
    'public.lead_suppressions(text,integer)',
    'public.leads_by_account(uuid)',
    'public.leads_of_address(text)',
    'public.leads_of_keys(text[])',
    'public.leads_of_steps(uuid)',
    'public.leads_to_come(uuid,uuid,integer)',
    'public.leads_to_mail(text,text[],uuid)',
    'public.leave_digest(date)',
    'public.leave_dispatch(uuid)',
    'public.leave_foreign_steps(uuid)',
    'public.leave_late(public.campaigns,uuid[],timestamp with time zone)',
    'public.leave_lead(uuid,uuid,text)',
    'public.left_for(text)',
    'public.lift_suppressions(text[],text,uuid)',
    'public.limit_on_day(public.accounts,integer)',
    'public.list_accounts(uuid,integer,timestamp with time zone)',
    'public.list_acts(text,integer)',
    'public.list_campaign_leads(uuid,text,uuid,integer)',
    'public.list_campaigns(uuid,integer)',
    'public.list_dispatched(uuid,integer)',
    'public.list_leads(text,text,uuid,integer)',
    'public.list_mailboxes(uuid,integer,timestamp with time zone)',
    'public.list_mails(uuid,double precision,boolean,uuid,text,uuid,integer,timestamp with time zone)',
    'public.list_open_attempts(uuid,uuid,integer,timestamp with time zone)',
    'public.list_replies(uuid,uuid,integer)',
    'public.list_suppressions(uuid,integer,uuid)',
    'public.list_suspended(uuid,integer)',
    'public.list_unannounced(integer)',
    'public.lock_down()',
    'public.mail_domain(text)',
    'public.mail_of_lead(uuid)',
    'public.mailbox_key(text)',
    'public.mailbox_of(uuid,timestamp with time zone)',
    'public.mails_by_hour(uuid,timestamp with time zone)',
    'public.mails_left(public.accounts,integer,timestamp with time zone)',
    'public.mails_of_account(uuid,timestamp with time zone)',
    'public.mails_to(text,integer,timestamp with time zone)',
    'public.make_report_views()',
    'public.mark_account_unusable(uuid,text)',
    'public.may_have_left(text)',
    'public.may_pass_share(boolean,bigint,bigint,integer)',
    'public.most_late(public.campaigns)',
    'public.next_due(timestamp with time zone)',
    'public.next_opening(public.campaigns,timestamp with time zone)',
    'public.note_announced(uuid[],timestamp with time zone)',
    'public.note_answer(text,text,uuid,timestamp with time zone)',
    'public.note_canary(text,boolean,text,timestamp with time zone)',
    'public.note_dispatch(uuid,text)',
    'public.note_failures(uuid[],timestamp with time zone)',
    'public.note_template(jsonb)',
    'public.note_unread(uuid,text)',
    'public.open_class(text,double precision,integer)',
    'public.operating_figures(timestamp with time zone)',
    'public.owning_runs(uuid[],timestamp with time zone)',
    'public.pace_of(public.accounts,double precision)',
    'public.pause_account(uuid,double precision,boolean,timestamp with time zone,boolean)',
    'public.pause_campaign(uuid,timestamp with time zone)',
    'public.pick_inbound(uuid,jsonb)',
    'public.plan_step(public.campaigns,public.campaigns,integer,double precision,timestamp with time zone)',
    'public.plan_steps(integer,double precision,timestamp with time zone)',
    'public.probe_dispatcher(uuid)',
    'public.prolong_dispatch(uuid,text,timestamp with time zone)',
    'public.punycode(text)',
    'public.put_off(public.campaign_leads,public.campaigns,double precision,text,timestamp with time zone)',
    'public.ramp_of(public.accounts,timestamp with time zone)',
    'public.ramped_limit(public.accounts,integer,timestamp with time zone)',
    'public.read_canary(text,timestamp with time zone)',
    'public.read_credentials(uuid)',
    'public.recent_campaigns(text,timestamp with time zone,timestamp with time zone,uuid,integer)',
    'public.record_inbound(uuid,uuid,jsonb,jsonb,timestamp with time zone)',
    'public.record_open(uuid,timestamp with time zone,text)',
    'public.record_opens(jsonb,timestamp with time zone)',
    'public.record_outcome(uuid,text,text,text,text,double precision,timestamp with time zone)',
    'public.recount_mails()',
    'public.release_run(uuid,uuid)',
    'public.remove_account(text)',
    'public.remove_step(uuid)',
    'public.renew_run(uuid,uuid,double precision,timestamp with time zone)',
    'public.renew_runs(uuid[],uuid[],double precision,timestamp with time zone)',
    'public.report_cohorts(integer)',
    'public.report_numbers(uuid,date,date,integer)',
    'public.report_upcoming(integer)',
    'public.resolve_lead(boolean,uuid,uuid,text,timestamp with time zone)',
    'public.resume_campaign(uuid)',
    'public.retry_failed(uuid,text,text,boolean,boolean)',
    'public.room_at_pace(uuid,double precision,timestamp with time zone,bigint,timestamp with time zone,integer,double precision,timestamp with time zone)',
    'public.save_account(uuid,text,text,text,text,double precision,integer,uuid,integer,integer,integer)',
    'public.save_inbound(uuid,jsonb,jsonb,text,timestamp with time zone)',
    'public.schema_version()',
    'public.seconds_paused(timestamp with time zone,timestamp with time zone)',
    'public.settle_by_hand(public.campaign_leads,public.campaigns,public.send_attempts,boolean,text,timestamp with time zone)',
    'public.share_left(public.accounts,boolean,integer,timestamp with time zone)',
    'public.share_of_kind(boolean,integer)',
    'public.shared_domains()',
    'public.soft_bounces(text,timestamp with time zone)',
    'public.spellings_of_domain(text)',
    'public.start_campaign(uuid,timestamp with time zone,boolean)',
    'public.step_before(public.campaigns)',
    'public.steps_of(uuid)',
    'public.suppress(jsonb,text,text,uuid,boolean)',
    'public.suppression_key(text)',
    'public.suppression_keys(text)',
    'public.suppression_lock(text)',
    'public.suppression_of(text[],uuid,timestamp with time zone)',
    'public.suppressions_deleted()',
    'public.suppressions_inserted()',
    'public.suppressions_updated()',
    'public.suspend_run(uuid,uuid,timestamp with time zone)',
    'public.sweep_cancelled(integer)',
    'public.sweep_erasures(timestamp with time zone)',
    'public.sweep_retention(double precision,integer,timestamp with time zone)',
    'public.sweep_suppressed(integer,integer,timestamp with time zone)',
    'public.take_canary(text,text,double precision,timestamp with time zone)',
    'public.take_digest(date)',
    'public.take_due(integer,timestamp with time zone,integer,double precision)',
    'public.take_mailboxes(uuid,double precision,double precision,integer,text,timestamp with time zone,uuid)',
    'public.tell_dispatchers()',
    'public.template_key(text,boolean)',
    'public.template_text(text)',
    'public.text_hash(text,text,text,text)',
    'public.texts_changed()',
    'public.texts_of_step(uuid)',
    'public.time_ordered_id()',
    'public.told_act(public.suppressions)',
    'public.told_domain_cap(text,integer)',
    'public.told_ramp(public.accounts,timestamp with time zone)',
    'public.told_suppression(public.suppressions)',
    'public.told_window(public.campaigns,timestamp with time zone)',
    'public.unreadable_leads(uuid[])',
    'public.unsubscribe(text,text)',
    'public.wake_account(text)',
    'public.was_read_lately(uuid,timestamp with time zone)',
    'public.why_not_followed(public.campaigns,uuid,timestamp with time zone)',
    'public.why_unable(public.accounts,uuid)'
  ];
  known text[];
  path constant text := pg_catalog.current_setting('search_path');
  f record;
begin
  select array_agg(x.signature) into known
  from public.schema_releases r cross join unnest(r.functions) x (signature);
  perform pg_catalog.set_config('search_path', '', true); -- signatures with their schemas, as above
  for f in
    select p.oid::regprocedure::text as signature
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
        select split_part(split_part(x.signature, '(', 1), '.', 2) from unnest(ours || known) x (signature))
  loop
    if f.signature <> all (known) then
      raise exception
        'The database has a function of its own with a name of ours: %; rename or drop it, then migrate again.',
        f.signature;
    elsif f.signature <> all (ours) then
      execute 'drop function ' || f.signature; -- superseded
    end if;
  end loop;
  perform pg_catalog.set_config('search_path', path, true);

  insert into public.schema_releases (version, hash, functions, calls_since)
  values ('20261130152212', '10209bbe54124c286b777c7223ce5d79c8bf98b61350403c419bd9ad112bf1ae', ours, '20261124009900')
  on conflict (version) do update
  set hash = excluded.hash, functions = excluded.functions, calls_since = excluded.calls_since;
end
$$;

-- In the order of their files, whoever calls whom.
set check_function_bodies = off;

-- Functions.

-- Gmail accounts. Every function returns a set of JSON objects: one shape for both transports.

create or replace function public.save_account(
  account uuid,
  address text,
  token text default null,
  display_name text default null,
  answer_to text default null,
  pace double precision default null,
  per_day integer default null,
  owner uuid default null,
  ramp_begin integer default null,
  ramp_growth integer default null,
  cap integer default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Adds the account of this address, or changes what is given of it. A token makes it usable again. A ramp that
-- begins with 0, and a cap of 0: none.
declare
  saved public.accounts;
begin
  -- For Postgres NaN is more than any number.
  if pace < 0 or pace > 86400 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A pace is a number of seconds from 0 to 86400.');
    return;
  end if;
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.save_account'));
  select a.* into saved from public.accounts a
  where a.id = account
    or (public.mailbox_key(a.email) = public.mailbox_key(address)
      and a.user_id is not distinct from coalesce(owner, a.user_id))
  order by (a.id = account) desc
  limit 1
  for no key update;

  if not found then
    insert into public.accounts (
      id, user_id, email, provider, refresh_token, sender_name, reply_to, pace_seconds, daily_limit, ramp_from, ramp_step,
      domain_cap)
    values (
      account, owner, address, 'gmail', coalesce(token, ''), display_name, answer_to, pace, per_day,
      nullif(ramp_begin, 0), case when ramp_begin > 0 then ramp_growth end, nullif(cap, 0))
    returning * into saved;
  else
    update public.accounts a
    set
      refresh_token = coalesce(token, a.refresh_token),
      access_token = case when token is null then a.access_token end,
      sender_name = coalesce(display_name, a.sender_name),
      reply_to = coalesce(answer_to, a.reply_to),
      pace_seconds = coalesce(pace, a.pace_seconds),
      -- A shorter pace holds from the next mail on; begin_attempt keeps the distance.
      next_send_at = case
        when pace < a.pace_seconds then least(a.next_send_at, clock_timestamp() + pace * interval '1 second')
        else a.next_send_at
      end,
      daily_limit = coalesce(per_day, a.daily_limit),
      ramp_from = nullif(coalesce(ramp_begin, a.ramp_from), 0),
      ramp_step = case when ramp_begin = 0 then null else coalesce(ramp_growth, a.ramp_step) end,
      domain_cap = nullif(coalesce(cap, a.domain_cap), 0),
      status = case when token is null and a.status <> 'removed' then a.status else 'active' end,
      status_reason = case when token is null then a.status_reason end
    where a.id = saved.id
    returning * into saved;
    update public.mailboxes m set next_read_at = null where m.account_id = saved.id and token is not null;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'saved', 'id', saved.id, 'email', saved.email);
end
$$;

create or replace function public.list_accounts(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object(
    'id', a.id,
    'email', a.email,
    'sender_name', a.sender_name,
    'reply_to', a.reply_to,
    'status', a.status,
    'status_reason', a.status_reason,
    'paused_seconds', public.seconds_paused(a.paused_until, clock.t),
    'pace_seconds', a.pace_seconds,
    'daily_limit', a.daily_limit,
    'ramp', public.told_ramp(its_row, clock.t),
    'domain_cap', a.domain_cap,
    'sent_today', public.mails_of_account(a.id, clock.t),
    'connected', coalesce(a.refresh_token, '') <> '',
    'rest_reason', case when a.paused_until > clock.t then a.rest_reason end,
    'mailbox', public.mailbox_of(a.id, clock.t)
  )
  from public.accounts a
  -- As a whole it is called by a name that no column has: then the name would be that column.
  join public.accounts its_row on its_row.id = a.id
  cross join (select coalesce(list_accounts.now, clock_timestamp()) as t) clock
  where a.status <> 'removed' and a.id > list_accounts.after
  order by a.id
  limit list_accounts.most;
$$;

create or replace function public.read_credentials(account uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('email', a.email, 'refresh_token', nullif(a.refresh_token, ''))
  from public.accounts a
  where a.id = read_credentials.account and a.status <> 'removed';
$$;

create or replace function public.remove_account(address text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Forgets the account's tokens. The row stays, as the sender of what it sent, and so that a second
-- removal is answered like the first.
declare
  removed public.accounts;
  waiting bigint;
begin
  select a.* into removed from public.accounts a
  where public.mailbox_key(a.email) = public.mailbox_key(address)
  order by a.status = 'removed', a.id
  limit 1
  for update;
  if not found then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', address),
      'remedy', 'list_accounts');
    return;
  end if;

  select count(*) into waiting from public.campaign_leads cl
  where cl.assigned_account_id = removed.id and cl.status = 'pending' and cl.open_attempt_id is null;
  select waiting + count(*) into waiting from public.send_attempts s
  where s.account_id = removed.id and s.outcome is null;
  if waiting > 0 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected',
      'reason', pg_catalog.format(
        '%s pending lead(s) are to be mailed by %s; let their campaigns end or cancel them, then remove it.',
        waiting, address));
    return;
  end if;

  delete from public.campaign_accounts ca where ca.account_id = removed.id;
  update public.accounts a
  set refresh_token = '', access_token = null, status = 'removed', status_reason = null
  where a.id = removed.id;
  return next pg_catalog.jsonb_build_object('answer', 'removed', 'id', removed.id);
end
$$;

create or replace function public.mark_account_unusable(account uuid, reason text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  update public.accounts a
  set status = 'unusable', status_reason = mark_account_unusable.reason
  where a.id = mark_account_unusable.account and a.status <> 'removed'
  returning pg_catalog.jsonb_build_object('answer', 'marked');
$$;

create or replace function public.pause_account(
  account uuid,
  seconds double precision,
  whole_project boolean default false,
  now timestamptz default null,
  brief boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Rests the account (or every account) for at least `seconds`, doubling with each pause in a row up to
-- a day. `brief`, for a rate and no quota: for exactly `seconds`, or without them 1, 2, 4 to 64 and some more.
-- Asked again while it rests, it changes nothing: many mails in flight meet the same quota.
declare
  a public.accounts;
  t timestamptz := coalesce(now, clock_timestamp());
  rests_until timestamptz;
begin
  for a in
    select x.* from public.accounts x
    where (x.id = account or whole_project) and x.status <> 'removed'
    order by x.id
    for no key update
  loop
    t := coalesce(now, clock_timestamp());
    if a.paused_until is null or a.paused_until <= t then
      update public.accounts x
      set
        paused_until = t + interval '1 second' * case
          when brief then coalesce(seconds, 2 ^ least(a.rate_pauses, 6) * (1 + random() / 4))
          else least(seconds * 2 ^ least(a.quota_pauses, 20), 86400)
        end,
        rest_reason = null,
        quota_pauses = a.quota_pauses + (not brief)::integer,
        rate_pauses = a.rate_pauses + brief::integer
      where x.id = a.id;
    end if;
  end loop;
  -- An account that was removed meanwhile sends nothing: its lead may be asked about again as soon.
  select x.paused_until into rests_until from public.accounts x where x.id = account and x.status <> 'removed';
  return next pg_catalog.jsonb_build_object(
    'answer', 'paused',
    'seconds', coalesce(extract(epoch from rests_until - t), seconds, 1)::double precision);
end
$$;

-- One form for all spellings of a mailbox's address.

create or replace function public.punycode(label text) returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
-- A label of a domain beyond ASCII as DNS has it, xn--… (RFC 3492); the label is in lower case.
declare
  digits constant text := 'abcdefghijklmnopqrstuvwxyz0123456789';
  codes constant integer[] := array(
    select ascii(character) from unnest(pg_catalog.string_to_array(label, null)) character);
  written text := pg_catalog.regexp_replace(label, '[^\x01-\x7f]', '', 'g');
  basic constant integer := length(written);
  handled integer := basic;
  least_left bigint;
  n bigint := 128;
  delta bigint := 0;
  bias bigint := 72;
  code bigint;
  q bigint;
  k bigint;
  threshold bigint;
begin
  if basic > 0 then
    written := written || '-';
  end if;
  while handled < cardinality(codes) loop
    select min(c) into least_left from unnest(codes) c where c >= n;
    delta := delta + (least_left - n) * (handled + 1);
    n := least_left;
    foreach code in array codes loop
      if code < n then
        delta := delta + 1;
      elsif code = n then
        q := delta;
        k := 36;
        loop
          threshold := least(greatest(k - bias, 1), 26);
          exit when q < threshold;
          written := written || substr(digits, (threshold + (q - threshold) % (36 - threshold))::integer + 1, 1);
          q := (q - threshold) / (36 - threshold);
          k := k + 36;
        end loop;
        written := written || substr(digits, q::integer + 1, 1);
        delta := delta / case when handled = basic then 700 else 2 end;
        handled := handled + 1;
        delta := delta + delta / handled;
        k := 0;
        while delta > 455 loop
          delta := delta / 35;
          k := k + 36;
        end loop;
        bias := k + 36 * delta / (delta + 38);
        delta := 0;
      end if;
    end loop;
    delta := delta + 1;
    n := n + 1;
  end loop;
  return 'xn--' || written;
end
$$;

create or replace function public.canonical_address(address text) returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
-- The address as a mail's To and the log have it, but for the case of letters: trimmed, NFC, its domain in
-- ASCII. By mailbox_key addresses are compared. For each that a mail can be sent to that is the same as
-- outreach.mail.addresses.mailbox_key, but for domains in Cherokee: what a worker gives is in that form already.
declare
  invisible constant text :=
    e' \t\r\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000'
    '\u00ad\u200b\u200c\u200d\u2060\ufeff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069';
  trimmed text;
  domain text;
begin
  if address !~ '[^!-~]' then -- nearly all of them
    return address;
  end if;
  trimmed := btrim(address, invisible);
  -- No mail goes to what is longer (254 octets), whatever it would be.
  if trimmed !~ '[^\x01-\x7f]' or length(trimmed) > 320 or strpos(trimmed, '@') = 0 then
    return trimmed;
  end if;
  trimmed := normalize(trimmed, nfc);
  domain := pg_catalog.regexp_replace(trimmed, '^.*@', '');
  trimmed := left(trimmed, length(trimmed) - length(domain));
  if domain ~ '[^\x01-\x7f]' then
    -- As UTS 46 maps it: other full stops, what has no width, fullwidth and capital letters.
    domain := replace(translate(
      domain,
      e'\u3002\uff0e\uff61\u03f2\u03f9\U0001d6d3\U0001d70d\U0001d747\U0001d781\U0001d7bb',
      e'...\u03c3\u03c3\u03c3\u03c3\u03c3\u03c3\u03c3'), e'\u0130', e'i\u0307');
    domain := pg_catalog.regexp_replace(
      domain,
      e'[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2064\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff'
      '\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0100-\U000e01ef]',
      '', 'g');
    domain := normalize(translate(
      lower(normalize(domain, nfkd)),
      e'\u0345\u1c80\u1c81\u1c82\u1c83\u1c84\u1c85\u1c86\u1c87\u1c88',
      e'\u03b9\u0432\u0434\u043e\u0441\u0442\u0442\u044a\u0463\ua64b'), nfc);
    select pg_catalog.string_agg(
      case when label ~ '[^\x01-\x7f]' and length(label) <= 63 then public.punycode(label) else label end,
      '.' order by nth) into domain
    from unnest(pg_catalog.string_to_array(domain, '.')) with ordinality labels (label, nth);
  end if;
  return trimmed || lower(domain);
end
$$;

create or replace function public.mailbox_key(address text) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- Equal for all spellings of a mailbox's address.
  select lower(public.canonical_address(address));
$$;

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

-- How many of an account's mails came back.

create or replace function public.account_bounce_rate(account uuid, t timestamptz) returns double precision
language plpgsql
stable
security invoker
set search_path = ''
-- A few mails of a large log: always by index.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- The share of dead addresses among the account's mails of the 30 days before `t`, as it was known at `t`: 0.03 is 3 %.
declare
  since constant timestamptz := t - interval '30 days';
  dead bigint;
  sent bigint;
begin
  select count(distinct m.attempt_id) into dead
  from public.inbound i
  join public.inbound_mails m on m.inbound_id = i.id and m.verdict = 'dead'
  join public.send_attempts s on s.id = m.attempt_id and s.started_at > since
  where i.account_id = account and i.received_at > since and i.received_at <= t;
  if dead = 0 then
    return 0;
  end if;
  select count(*) into sent
  from public.send_attempts s
  where s.account_id = account and public.may_have_left(s.outcome) and s.started_at > since and s.started_at <= t;
  return dead::double precision / greatest(sent, dead);
end
$$;

-- What people do with a campaign: create, start, cancel, pause, resume, look.

create or replace function public.create_campaign(
  campaign uuid,
  campaign_name text,
  account_addresses text[],
  lead_tag text default null,
  company_names text[] default null,
  starts_at timestamptz default null,
  attachment_name text default null,
  zone text default null,
  days integer[] default null,
  day_from time default null,
  day_until time default null,
  owner uuid default null,
  subject_variables boolean default false,
  list_unsubscribe boolean default false,
  footer_text text default null,
  days_off date[] default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Makes a draft with its leads, all or nothing. Repeated with the same id it answers the same.
-- A mailbox is taken once, however its address is written; who came second is listed in `skipped`.
-- `subject_variables` null: if a subject has a placeholder.
declare
  account_ids uuid[];
  unknown text;
  fault text;
begin
  if not exists (select from public.campaigns c where c.id = campaign) then
    select string_agg(given.address, ', ') into unknown
    from unnest(account_addresses) given (address)
    where not exists (
      select from public.accounts a
      where public.mailbox_key(a.email) = public.mailbox_key(given.address) and a.status <> 'removed'
        and a.user_id is not distinct from coalesce(owner, a.user_id)
    );
    if unknown is not null then
      return next pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', unknown),
        'remedy', 'add_account');
      return;
    end if;
    -- One row an address: two would be one mailbox at twice its pace.
    select array_agg(mine.id order by mine.id) into account_ids
    from (
      select distinct on (public.mailbox_key(a.email)) a.id
      from public.accounts a
      where public.mailbox_key(a.email) in (
          select public.mailbox_key(given.address) from unnest(account_addresses) given (address))
        and a.status <> 'removed'
        and a.user_id is not distinct from coalesce(owner, a.user_id)
      order by public.mailbox_key(a.email), a.id
    ) mine;
    if account_ids is null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason',
        'A campaign needs at least one account; name one with --account.');
      return;
    end if;

    select string_agg(given.company, ', ') into unknown
    from unnest(company_names) given (company)
    where not exists (
      select from public.companies c
      where lower(given.company) in (lower(c.name), lower(c.domain), c.id::text)
        and c.user_id is not distinct from coalesce(owner, c.user_id)
    );
    if unknown is not null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
        'There is no company %s; its name, domain or id is needed.', unknown));
      return;
    end if;

    select public.fault_of_window(
      pg_catalog.jsonb_populate_record(null::public.campaigns, pg_catalog.jsonb_build_object(
        'time_zone', zone, 'send_days', days, 'send_from', day_from, 'send_until', day_until, 'skip_dates', days_off)),
      clock_timestamp())
    into fault;
    if fault is not null then
      return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', fault);
      return;
    end if;

    insert into public.campaigns (
      id, user_id, name, status, scheduled_at, attachment, time_zone, send_days, send_from, send_until,
      subject_variables, list_unsubscribe, footer, skip_dates)
    values (
      campaign, owner, campaign_name, 'draft', starts_at, attachment_name, zone, days, day_from, day_until,
      coalesce(subject_variables, false), coalesce(list_unsubscribe, false), footer_text, days_off)
    on conflict (id) do nothing;
  end if;

  -- Only who made the row fills it: the same call may be made again while the first one is at it.
  if found then
    insert into public.campaign_leads (campaign_id, lead_id, status, assigned_account_id)
    select
      campaign, chosen.id, 'pending',
      account_ids[1 + (row_number() over (order by chosen.id) - 1) % cardinality(account_ids)]
    from (
      -- A lead without an address comes along, to fail with that reason.
      select distinct on (coalesce(nullif(public.mailbox_key(l.email), ''), l.id::text)) l.id
      from public.leads_to_mail(lead_tag, company_names, owner) l
      order by coalesce(nullif(public.mailbox_key(l.email), ''), l.id::text), l.id
    ) chosen;
    if not found then
      delete from public.campaigns c where c.id = campaign;
      return next pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', case
          when lead_tag is not null then pg_catalog.format('No lead matches tag %L.', lead_tag)
          else 'No lead belongs to these companies.'
        end,
        'remedy', 'import_leads');
      return;
    end if;

    insert into public.campaign_accounts (campaign_id, account_id)
    select campaign, x.id from unnest(account_ids) x (id);

    if subject_variables is null then
      update public.campaigns c
      set subject_variables = exists (
        select from public.campaign_leads cl
        join public.leads l on l.id = cl.lead_id
        left join public.companies co on co.id = l.company_id
        where cl.campaign_id = campaign
          and coalesce(nullif(l.email_subject, ''), co.email_subject) ~ '\{\{|\{%|\{[[:alnum:]_ -]+\}')
      where c.id = campaign;
    end if;
  end if;

  return query
  select pg_catalog.jsonb_build_object(
    'answer', 'created',
    'id', campaign,
    'leads', (select count(*) from public.campaign_leads cl where cl.campaign_id = campaign),
    'subject_variables', (select c.subject_variables from public.campaigns c where c.id = campaign),
    'skipped', coalesce((
      -- Whose address is in the campaign, but not the lead; in one pass over what is selected.
      select pg_catalog.jsonb_agg(s.email)
      from (
        select x.email
        from (
          select y.email, y.address, y.taken, bool_or(y.taken) over (partition by y.address) as mailed
          from (
            select l.email, public.mailbox_key(l.email) as address, exists (
              select from public.campaign_leads cl where cl.lead_id = l.id and cl.campaign_id = campaign) as taken
            from public.leads_to_mail(lead_tag, company_names, owner) l
          ) y
        ) x
        where x.mailed and not x.taken and x.address <> ''
        order by x.email
        limit 1000
      ) s
    ), '[]'::jsonb));
end
$$;

create or replace function public.start_campaign(
  campaign uuid,
  now timestamptz default null,
  asked boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Whether anything is pending: where most rows are, the planner would read the table from its start.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- draft -> scheduled (its time is still to come) or running. Nothing is sent yet: a run has to begin it.
-- `asked`: the caller sees to that run, so that the dispatcher makes none in the next minutes.
declare
  c public.campaigns;
  t timestamptz;
  told text;
  owned boolean;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  t := coalesce(now, clock_timestamp());
  told := public.accounts_of_others(c);
  owned := c.run_id is not null and c.lease_until > t;
  if c.id is null then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
  elsif c.status = 'draft' and told is not null then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', told);
  elsif c.status = 'draft' and c.parent_id is not null then
    -- It begins by itself, once it is planned.
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'This is step %s of another campaign; give that one: %s.', c.step, c.parent_id));
  elsif c.status = 'draft' and c.scheduled_at > t then
    update public.campaigns x
    set
      status = 'scheduled', dispatched_at = case when asked then t end, dispatched_run = null,
      dispatch_misses = asked::integer
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object(
      'answer', 'scheduled', 'wait_seconds', extract(epoch from c.scheduled_at - t)::double precision);
  elsif c.status = 'draft' then
    update public.campaigns x
    set
      status = 'running', dispatched_at = case when asked then t end, dispatched_run = null,
      dispatch_misses = asked::integer
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'running');
  else
    if asked and not coalesce(owned, false) and c.paused_at is null then
      update public.campaigns x
      set dispatched_at = t, dispatched_run = null, dispatch_misses = greatest(x.dispatch_misses, 1)
      where x.id = campaign;
    end if;
    return next pg_catalog.jsonb_build_object(
      'answer', 'already', 'status', c.status,
      'owned', owned,
      'paused', c.paused_at is not null,
      'pending', exists (
        select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'));
  end if;
end
$$;

create or replace function public.cancel_campaign(campaign uuid, now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Cancels the campaign and what is pending. A lead with an open attempt may be on its way: settling
-- decides about it.
declare
  c public.campaigns;
  to_come bigint;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'error') then
    -- What it was stays; its follow-ups end.
    to_come := public.leads_of_steps(campaign);
    if public.cancel_steps(campaign) = 0 then
      return next pg_catalog.jsonb_build_object('answer', 'already_ended', 'status', c.status);
    else
      return next pg_catalog.jsonb_build_object('answer', 'cancelled', 'leads', to_come, 'follow_ups_only', true);
    end if;
    return;
  end if;
  perform public.cancel_steps(campaign);
  update public.campaigns x
  set
    status = 'cancelled', finished_at = coalesce(x.finished_at, now, clock_timestamp()), run_id = null,
    lease_until = null, resume_at = null, waiting_for = null
  where x.id = campaign;
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = campaign and cl.status = 'pending' and cl.open_attempt_id is null;
  return next pg_catalog.jsonb_build_object(
    'answer', 'cancelled', 'leads', public.campaign_counts(campaign) -> 'cancelled');
end
$$;

create or replace function public.pause_campaign(campaign uuid, now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Nothing more is sent until it is resumed; pending leads stay. The status stays what the web app knows.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
  elsif c.status not in ('scheduled', 'running')
    and (c.status = 'draft' or not public.has_steps_to_come(campaign)) then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; only one that is scheduled or running can be paused.', c.status));
  else
    update public.campaigns x
    set
      paused_at = coalesce(x.paused_at, now, clock_timestamp()),
      -- What it waited for until now is over; why it is paused already stays.
      waiting_for = case
        when x.paused_at is not null and x.suspended_run is null then coalesce(x.waiting_for, 'a person to resume it')
        else 'a person to resume it'
      end,
      -- From now on it is this person's pause: Resume in Prefect does not end it.
      suspended_run = null
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'paused');
  end if;
end
$$;

create or replace function public.resume_campaign(campaign uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Takes a paused campaign up again, or one in error whose leads are still pending.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'error') and c.paused_at is not null then
    update public.campaigns x
    set paused_at = null, waiting_for = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
    if c.status = 'completed' or not exists (
      select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
    ) then
      return next pg_catalog.jsonb_build_object('answer', 'resumed');
      return;
    end if;
  end if;
  if c.status in ('scheduled', 'running') then
    update public.campaigns x
    set
      paused_at = null, waiting_for = null, resume_at = null, crash_count = 0, dispatch_misses = 0,
      dispatched_at = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
  elsif c.status = 'error' and exists (
    select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
  ) then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, paused_at = null, waiting_for = null, resume_at = null,
      crash_count = 0, dispatch_misses = 0, dispatched_at = null, guarded_from = clock_timestamp(), guarded_dead = 0
    where x.id = campaign;
  else
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; there is nothing to resume.', c.status));
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'resumed');
end
$$;

create or replace function public.retry_failed(
  campaign uuid,
  account_address text default null,
  because text default null,
  unclear_too boolean default false,
  suppressed boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Failed leads are pending again and the campaign runs again: those of an account, or whose reason
-- contains `because`; what may have been sent only when asked for. `suppressed`: instead of failed leads those that
-- were cancelled because their address was suppressed and that nothing suppresses any more.
declare
  c public.campaigns;
  retried bigint;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status not in ('running', 'completed', 'error') then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The campaign is %s; only one that is running, completed or in error has leads to retry.', c.status));
    return;
  end if;

  create temporary table if not exists outreach_retried (id uuid, attempt uuid) on commit drop;
  truncate pg_temp.outreach_retried;
  insert into pg_temp.outreach_retried
  select cl.id, (
    select s.id from public.send_attempts s
    where s.campaign_lead_id = cl.id and s.outcome = 'unclear'
    limit 1)
  from public.campaign_leads cl
  left join public.accounts a on a.id = cl.assigned_account_id
  left join public.leads l on l.id = cl.lead_id
  where cl.campaign_id = campaign and cl.open_attempt_id is null and public.is_erased(l.email) is not true
    and ((cl.status = 'failed' and not suppressed) or (
      cl.status = 'cancelled' and suppressed and public.cause_told(cl.error) is not null
      and public.suppression_of(
        public.suppression_keys(public.mailbox_key(l.email)), c.user_id, clock_timestamp()) is null))
    and (account_address is null or public.mailbox_key(a.email) = public.mailbox_key(account_address))
    and (because is null or strpos(lower(cl.error), lower(because)) > 0)
  order by cl.id
  for update of cl;
  if not unclear_too then
    delete from pg_temp.outreach_retried r where r.attempt is not null;
  end if;

  -- Whoever retries what is unclear says that it was not sent.
  update public.send_attempts s
  set outcome = 'not_sent', retry_after = 0, draft_id = null,
    detail = 'retried by a person: ' || coalesce(s.detail, '')
  from pg_temp.outreach_retried r
  where s.id = r.attempt;
  -- Drafts of leads that were not pending may have been deleted since.
  update public.send_attempts s
  set draft_id = null
  from pg_temp.outreach_retried r
  where s.campaign_lead_id = r.id and s.outcome = 'not_sent' and s.draft_id is not null;
  if not suppressed then
    perform public.keep_failures(array(select r.id from pg_temp.outreach_retried r));
  end if;
  update public.campaign_leads cl
  set status = 'pending', error = null, next_attempt_at = null
  from pg_temp.outreach_retried r
  where cl.id = r.id;
  get diagnostics retried = row_count;
  if retried > 0 then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, resume_at = null, crash_count = 0,
      waiting_for = case when x.paused_at is not null then x.waiting_for end, -- why it is paused
      dispatch_misses = 0, dispatched_at = null, idle = false
    where x.id = campaign;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'retried', 'leads', retried);
end
$$;

create or replace function public.campaign_counts(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object(
    'pending', count(*) filter (where cl.status = 'pending'),
    'sent', count(*) filter (where cl.status = 'sent'),
    'failed', count(*) filter (where cl.status = 'failed'),
    'cancelled', count(*) filter (where cl.status = 'cancelled'))
  from public.campaign_leads cl
  where cl.campaign_id = campaign_counts.campaign;
$$;

create or replace function public.leads_by_account(campaign uuid)
returns table (account uuid, pending bigint, sent bigint, failed bigint, cancelled bigint)
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same for each account that has leads in the campaign; those without an account, too.
  select
    cl.assigned_account_id,
    count(*) filter (where cl.status = 'pending'),
    count(*) filter (where cl.status = 'sent'),
    count(*) filter (where cl.status = 'failed'),
    count(*) filter (where cl.status = 'cancelled')
  from public.campaign_leads cl
  where cl.campaign_id = leads_by_account.campaign
  group by cl.assigned_account_id;
$$;

create or replace function public.list_campaigns(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select (pg_catalog.to_jsonb(c) - 'footer') || pg_catalog.jsonb_build_object('leads', public.campaign_counts(c.id))
    || public.inbound_counts(c.id)
  from public.campaigns c
  where c.id > list_campaigns.after
  order by c.id
  limit list_campaigns.most;
$$;

create or replace function public.recent_campaigns(
  with_status text default null,
  since timestamptz default null,
  before timestamptz default null,
  before_id uuid default null,
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The newest first, of those made since then. The next page has the time and the id of the last row
  -- before it; an old campaign without a time is the oldest.
  select (pg_catalog.to_jsonb(page_row) - 'footer') || pg_catalog.jsonb_build_object(
    'leads', public.campaign_counts(page_row.id), 'accounts', public.campaign_senders(page_row.id),
    'opened', public.campaign_opened(page_row.id))
    || public.inbound_counts(page_row.id)
  from (
    -- The page first: what belongs to it is counted for no other.
    select x.*
    from public.campaigns x
    where (recent_campaigns.with_status is null or x.status::text = recent_campaigns.with_status)
      and (recent_campaigns.since is null or x.created_at >= recent_campaigns.since)
      and (recent_campaigns.before_id is null or (coalesce(x.created_at, '-infinity'), x.id)
        < (coalesce(recent_campaigns.before, '-infinity'), recent_campaigns.before_id))
    order by coalesce(x.created_at, '-infinity') desc, x.id desc
    limit recent_campaigns.most
  ) page_row
  order by coalesce(page_row.created_at, '-infinity') desc, page_row.id desc;
$$;

create or replace function public.campaign_senders(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The addresses of its accounts.
  select coalesce(pg_catalog.jsonb_agg(a.email order by a.email), '[]')
  from public.campaign_accounts ca
  join public.accounts a on a.id = ca.account_id
  where ca.campaign_id = campaign_senders.campaign;
$$;

create or replace function public.campaign_status(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select (pg_catalog.to_jsonb(its_row) - 'footer') || pg_catalog.jsonb_build_object(
    'leads', public.campaign_counts(its_row.id), 'accounts', public.campaign_senders(its_row.id),
    'opened', public.campaign_opened(its_row.id))
    || public.inbound_counts(its_row.id)
    || pg_catalog.jsonb_build_object('steps', public.steps_of(its_row.id))
  from public.campaigns its_row
  where its_row.id = campaign_status.campaign;
$$;

create or replace function public.list_campaign_leads(
  campaign uuid,
  with_status text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred leads: always by index.
set enable_seqscan = off
as $$
  -- Every lead with all that is known of it; one whose own row is gone, too.
  select pg_catalog.jsonb_build_object(
    'id', cl.id,
    'email', l.email,
    'name', l.name,
    'company', co.name,
    'role', l.role,
    'status', cl.status,
    'account', a.email,
    'sent_at', cl.sent_at,
    'opened_at', cl.opened_at,
    'thread_id', cl.thread_id,
    'message_id', cl.message_id,
    'error', left(cl.error, 1001),
    'failed_at', past.failed_at,
    'failures', coalesce(past.failures, '[]'))
    || back.told
  from (
    -- The page first, then what belongs to it: joined first, every page would read the whole campaign.
    select x.*
    from public.campaign_leads x
    where x.campaign_id = list_campaign_leads.campaign and x.id > list_campaign_leads.after
      and (list_campaign_leads.with_status is null or x.status::text = list_campaign_leads.with_status)
    order by x.id
    limit list_campaign_leads.most
  ) cl
  left join public.leads l on l.id = cl.lead_id
  left join public.companies co on co.id = l.company_id
  left join public.accounts a on a.id = cl.assigned_account_id
  cross join lateral (
    select
      max(f.failed_at) as failed_at,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('failed_at', f.failed_at, 'reason', left(f.reason, 1001))
        order by f.failed_at nulls first, f.id) as failures
    from (
      select x.*
      from public.lead_failures x
      where x.campaign_lead_id = cl.id
      order by x.failed_at desc nulls last, x.id desc
      limit 100
    ) f
  ) past
  cross join lateral (
    -- What came back first, but for away notices. No function: a call for each lead costs more than the look.
    select pg_catalog.jsonb_build_object(
      'replied_at', min(i.received_at) filter (where i.kind = 'reply'),
      'bounced_at', min(i.received_at) filter (where i.kind = 'bounce'),
      'bounce', (pg_catalog.array_agg(m.verdict order by i.received_at) filter (where i.kind = 'bounce'))[1],
      'bounce_status',
      (pg_catalog.array_agg(nullif(m.status, '') order by i.received_at) filter (where i.kind = 'bounce'))[1],
      'away_at', max(i.received_at) filter (where i.kind = 'away'),
      'back_on', max(i.back_on) filter (where i.kind = 'away'),
      'unsubscribed_at', min(i.received_at) filter (where i.kind in ('unsubscribe', 'complaint'))) as told
    from public.inbound_mails m
    join public.inbound i on i.id = m.inbound_id
    where m.campaign_lead_id = cl.id
  ) back
  order by cl.id;
$$;

create or replace function public.failure_reasons(campaign uuid, most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('reason', coalesce(left(cl.error, 1001), 'no reason recorded'), 'leads', count(*))
  from public.campaign_leads cl
  where cl.campaign_id = failure_reasons.campaign and cl.status = 'failed'
  group by coalesce(left(cl.error, 1001), 'no reason recorded')
  order by count(*) desc, coalesce(left(cl.error, 1001), 'no reason recorded')
  limit failure_reasons.most;
$$;

-- A chain before its follow-ups are planned: for `check`, `preview` and `test-send`. Nothing is changed.

create or replace function public.campaigns_of_chain(campaign uuid) returns uuid[]
language sql
stable
security invoker
set search_path = ''
as $$
  -- The first campaign of its chain and its steps, itself among them.
  select array(
    select x.id
    from public.campaigns c
    join public.campaigns x on coalesce(c.parent_id, c.id) in (x.id, x.parent_id)
    where c.id = campaigns_of_chain.campaign);
$$;

create or replace function public.leads_to_come(
  step_id uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default null
) returns setof public.campaign_leads
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Of a step: the leads of the campaigns before it that it can still follow, if nobody answers; by id. Each stands where
  -- the chain has brought it.
  select x.*
  from public.campaigns s
  join public.campaigns b on b.id = s.parent_id or (b.parent_id = s.parent_id and b.step < s.step)
  cross join lateral (
    select cl.*
    from public.campaign_leads cl
    where cl.campaign_id = b.id and cl.id > leads_to_come.after and cl.followed_at is null
      and (cl.status = 'pending' or cl.status = 'sent' and (
        coalesce(b.step, 1) < s.step - 1 or cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')))
    order by cl.id
    limit leads_to_come.most
  ) x
  where s.id = leads_to_come.step_id and s.status <> 'cancelled'
  order by x.id
  limit leads_to_come.most;
$$;

create or replace function public.texts_of_step(campaign uuid)
returns table (subject text, template text, subject_variables boolean, answers boolean)
language sql
stable
security invoker
set search_path = ''
as $$
  -- A campaign's own texts, in place of the leads' and companies'. A step without a subject answers: under that of the
  -- mail that opened its thread.
  select
    case when opens.id is not null then opens.step_subject end,
    c.step_template,
    coalesce(opens.subject_variables, first.subject_variables, c.subject_variables),
    c.parent_id is not null and c.step_subject is null
  from public.campaigns c
  left join public.campaigns first on first.id = c.parent_id
  left join lateral (
    select x.*
    from public.campaigns x
    where x.parent_id = c.parent_id and x.step <= c.step and x.step_subject is not null
    order by x.step desc
    limit 1
  ) opens on true
  where c.id = texts_of_step.campaign;
$$;

create or replace function public.chain_facts(campaign uuid, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The campaigns of its chain by number, the first one among them: their own texts and columns, and for each account the
  -- leads that they have to mail now or later: {account, leads, due_seconds} from the campaign or from the step before.
  -- Behind a cancelled step there is none.
  select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'id', x.id,
      'step', coalesce(x.step, 1),
      'status', x.status,
      'subject', left(x.step_subject, 1001),
      'template', left(x.step_template, 1000001),
      'subject_variables', x.subject_variables,
      'footer', left(x.footer, 1000001),
      'footer_required', x.footer_required,
      'list_unsubscribe', x.list_unsubscribe,
      'attachment', x.attachment,
      'wait_seconds', greatest(extract(epoch from x.scheduled_at - chain_facts.t), 0)::double precision,
      'delay_seconds', coalesce(x.delay_seconds, x.delay_days * 86400.0, 0),
      'time_zone', x.time_zone,
      'send_days', x.send_days,
      'send_from', x.send_from,
      'send_until', nullif(x.send_until, '24:00'),
      'skip_dates', x.skip_dates,
      'opens', public.next_opening(x.*, chain_facts.t) is not null,
      'fault_of_accounts', public.fault_of_accounts(x.*),
      'lacks_accounts', case when x.parent_id is not null
        and exists (select from public.campaign_accounts ca where ca.campaign_id = x.id)
      then (
        select count(*)
        from public.campaign_accounts ca
        where ca.campaign_id = x.parent_id and not exists (
          select from public.campaign_accounts own where own.campaign_id = x.id and own.account_id = ca.account_id))
      else 0 end,
      'ahead', coalesce((
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'account', ahead.account, 'leads', ahead.leads,
          'due_seconds', coalesce(greatest(extract(epoch from ahead.due - chain_facts.t), 0), 0)::double precision))
        from (
          select cl.assigned_account_id as account, count(*) as leads, max(cl.next_attempt_at) as due
          from public.campaign_leads cl
          where cl.campaign_id = x.id and cl.status = 'pending'
          group by cl.assigned_account_id
          union all
          select cl.assigned_account_id, count(*), public.follow_due(x.*, max(cl.sent_at))
          from public.campaign_leads cl
          where x.parent_id is not null and x.status <> 'cancelled'
            and cl.campaign_id = public.step_before(x.*) and cl.status = 'sent' and cl.followed_at is null
            and cl.sent_at > coalesce(x.follow_since, x.created_at - interval '30 days')
          group by cl.assigned_account_id
        ) ahead), '[]'))
    order by coalesce(x.step, 1))
  from public.campaigns x
  where x.id = any (public.campaigns_of_chain(chain_facts.campaign))
    and (x.parent_id is null or not exists (
      select from public.campaigns gone
      where gone.parent_id = x.parent_id and gone.step <= x.step and gone.status = 'cancelled'));
$$;

-- What is known of a campaign before it starts: for `check`, `preview` and `test-send`. Nothing is changed.

create or replace function public.campaign_facts(campaign uuid, now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
  -- The campaign, its accounts with what each has to mail and has mailed, hour by hour of the last day.
  with clock as (select coalesce(campaign_facts.now, clock_timestamp()) as t),
  to_come as (
    -- Of a step that is not planned yet.
    select x.assigned_account_id as account, count(*) as leads
    from public.leads_to_come(campaign_facts.campaign) x
    group by x.assigned_account_id
  ),
  waiting as (
    select cl.assigned_account_id as account, count(*) as leads
    from public.campaign_leads cl
    where cl.campaign_id = campaign_facts.campaign and cl.status = 'pending'
    group by cl.assigned_account_id
    union all
    select x.account, x.leads from to_come x
  ),
  mine as (
    select a.*
    from public.campaigns c
    join public.campaign_accounts ca on ca.campaign_id = case
      -- A step that a web app made has the accounts of its first campaign as soon as it is planned.
      when c.parent_id is null or exists (select from public.campaign_accounts x where x.campaign_id = c.id) then c.id
      else c.parent_id
    end
    join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
    where c.id = campaign_facts.campaign
  )
  select pg_catalog.jsonb_build_object(
    'id', c.id,
    'name', c.name,
    'status', c.status,
    'paused', c.paused_at is not null,
    'held', public.held_by_root(its_row),
    'parent_id', c.parent_id,
    'step', c.step,
    'wait_seconds', greatest(extract(epoch from c.scheduled_at - clock.t), 0)::double precision,
    'attachment', c.attachment,
    'subject_variables', c.subject_variables,
    'list_unsubscribe', c.list_unsubscribe,
    'footer', left(c.footer, 1000001),
    'footer_required', c.footer_required,
    'has_steps', c.parent_id is not null or exists (select from public.campaigns x where x.parent_id = c.id),
    'chain', case when c.parent_id is not null or exists (select from public.campaigns x where x.parent_id = c.id)
      then public.chain_facts(c.id, clock.t) else '[]' end,
    'to_come', coalesce((select sum(x.leads) from to_come x), 0),
    'time_zone', c.time_zone,
    'send_days', c.send_days,
    'send_from', c.send_from,
    -- Midnight, which JSON's readers know no clock time for.
    'send_until', nullif(c.send_until, '24:00'),
    'skip_dates', c.skip_dates,
    -- As a whole it is called by a name that no column has: then the name would be that column.
    'opens', public.next_opening(its_row, clock.t) is not null,
    'leads', public.campaign_counts(c.id),
    'fault_of_accounts', public.fault_of_accounts(its_row),
    -- For workers of the releases before.
    'accounts_of_others', public.accounts_of_others(its_row),
    'misassigned', coalesce((
      select sum(w.leads) from waiting w
      where w.account is null or w.account not in (select mine.id from mine)), 0),
    'accounts', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'id', a.id,
        'email', coalesce(a.email, ''),
        'sender_name', a.sender_name,
        'reply_to', a.reply_to,
        'status', a.status,
        'status_reason', a.status_reason,
        'paused_seconds', public.seconds_paused(a.paused_until, clock.t),
        'rest_reason', case when a.paused_until > clock.t then a.rest_reason end,
        'pace_seconds', a.pace_seconds,
        'daily_limit', a.daily_limit,
        'ramp', (select public.told_ramp(its_row, clock.t) from public.accounts its_row where its_row.id = a.id),
        'domain_cap', a.domain_cap,
        'sent_today', public.mails_of_account(a.id, clock.t),
        'connected', coalesce(a.refresh_token, '') <> '',
        'leads', coalesce((select sum(w.leads) from waiting w where w.account = a.id), 0),
        'sent_by_hour', public.mails_by_hour(a.id, clock.t)) order by a.email, a.id)
      from mine a), '[]'),
    'capped_domains', public.capped_domains(c.id, clock.t))
  from public.campaigns c
  join public.campaigns its_row on its_row.id = c.id
  cross join clock
  where c.id = campaign_facts.campaign;
$$;

create or replace function public.list_mails(
  campaign uuid,
  cooldown_seconds double precision default 0,
  every boolean default false,
  lead uuid default null,
  address text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred addresses: always by index.
set enable_seqscan = off
set statement_timeout = '60s'
as $$
  -- What each pending lead (or every one; or one by its id or its address) is to be mailed, as a claim
  -- has it; of a step the leads that it can follow later, too. And whether its address was mailed before: in this campaign, or by another one within the
  -- cooldown. A company comes with the first of its leads on each page, and with those that have a text of
  -- their own, which then stands in the company's place; again with the lead after such a one.
  with page as materialized (
    select
      chosen.*, row_number() over company as nth, lag(chosen.own_text) over company as after_own_text,
      coalesce(list_mails.now, clock_timestamp()) as t
    from (
      select
        cl.id, case when cl.campaign_id = list_mails.campaign then cl.status::text else 'pending' end as status,
        cl.assigned_account_id, l.id as lead_id, l.company_id, l.email_subject, l.email_template,
        coalesce(l.email_subject, '') <> '' or coalesce(l.email_template, '') <> '' as own_text,
        coalesce(btrim(l.email), '') as email, public.mailbox_key(l.email) as mailbox, l.name, l.role,
        case when pg_catalog.jsonb_typeof(f.fields) = 'object' then f.fields else '{}' end as custom_fields
      from (
        -- A page, or the one: in one condition the planner would take every page for a single row.
        (select x.*
        from public.campaign_leads x
        where list_mails.lead is null and list_mails.address is null
          and x.campaign_id = list_mails.campaign and x.id > list_mails.after
          and (list_mails.every or x.status = 'pending')
        order by x.id
        limit list_mails.most)
        union all
        -- None of a campaign that is no step.
        (select x.*
        from public.leads_to_come(list_mails.campaign, list_mails.after, list_mails.most) x
        where list_mails.lead is null and list_mails.address is null
        order by x.id
        limit list_mails.most)
        union all
        (select x.*
        from public.leads_to_come(list_mails.campaign, list_mails.after) x
        left join public.leads l on l.id = x.lead_id
        where (list_mails.lead is not null or list_mails.address is not null)
          and (list_mails.lead is null or list_mails.lead in (x.id, x.lead_id))
          and (list_mails.address is null or public.mailbox_key(l.email) = public.mailbox_key(list_mails.address))
        order by x.id
        limit list_mails.most)
        union all
        (select x.*
        from public.campaign_leads x
        left join public.leads l on l.id = x.lead_id
        where (list_mails.lead is not null or list_mails.address is not null)
          and x.campaign_id = list_mails.campaign and x.id > list_mails.after
          and (list_mails.every or x.status = 'pending')
          and (list_mails.lead is null or list_mails.lead in (x.id, x.lead_id))
          and (list_mails.address is null or public.mailbox_key(l.email) = public.mailbox_key(list_mails.address))
        order by x.id
        limit list_mails.most)
      ) cl
      left join public.leads l on l.id = cl.lead_id
      cross join lateral (
        -- As in unreadable_leads.
        select case pg_typeof(l.custom_fields)
          when 'jsonb'::regtype then l.custom_fields::jsonb else pg_catalog.to_jsonb(l.custom_fields)
        end as fields
        offset 0) f
      -- Two lists of a step are one page.
      order by cl.id
      limit list_mails.most
    ) chosen
    window company as (partition by chosen.company_id order by chosen.id)
  )
  select pg_catalog.jsonb_build_object(
    'id', page.id,
    'status', page.status,
    'missing', case
      when page.lead_id is null then 'lead'
      when page.company_id is not null and co.id is null then 'company'
    end,
    'sender', case when a.id is not null then pg_catalog.jsonb_build_object(
      'id', a.id, 'email', coalesce(a.email, ''), 'name', a.sender_name, 'reply_to', a.reply_to) end,
    'lead', pg_catalog.jsonb_build_object(
      'email', left(page.email, 1000), 'name', left(page.name, 200001), 'role', left(page.role, 200001),
      'custom_fields', case when u.why is null then page.custom_fields else '{}' end, 'unreadable', u.why),
    'company_id', page.company_id,
    'company', case when page.nth = 1 or page.own_text or page.after_own_text then pg_catalog.jsonb_build_object(
      'name', left(co.name, 200001), 'domain', left(co.domain, 200001),
      'email_subject', left(coalesce(step.subject, nullif(page.email_subject, ''), co.email_subject), 1001),
      'email_template',
      left(coalesce(step.template, nullif(page.email_template, ''), co.email_template), 1000001)) end,
    'subject_variables', step.subject_variables,
    'answers', step.answers,
    'suppressed', case when page.email <> '' and exists (select from public.suppressions) then (
      select public.cause_told(public.told_suppression(public.suppression_of(
        public.suppression_keys(page.mailbox), c.user_id, page.t)))
      from public.campaigns c where c.id = list_mails.campaign) end,
    'mailed_here', page.email <> '' and (
      exists (
        select from public.send_attempts s
        where s.campaign_id = list_mails.campaign and lower(s.address) = page.mailbox
          and s.campaign_lead_id <> page.id
          and public.may_have_left(s.outcome))
      or exists (
        -- `offset 0`, here and below: from the address on, as in begin_attempt.
        select from public.leads l
        cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
        where lower(l.email) in (page.mailbox, lower(page.email)) and x.campaign_id = list_mails.campaign
          and x.id <> page.id and x.status = 'sent')),
    'mailed_seconds_ago', case when page.email <> '' and list_mails.cooldown_seconds > 0 then (
      select min(extract(epoch from page.t - mailed.at))::double precision
      from (
        select s.started_at as at
        from public.send_attempts s
        where lower(s.address) = page.mailbox and s.campaign_id <> all (step.chain)
          and public.may_have_left(s.outcome)
          and s.started_at > page.t - list_mails.cooldown_seconds * interval '1 second'
        union all
        -- What the log does not know: mails of the sender before us.
        select x.sent_at
        from public.leads l
        cross join lateral (select y.* from public.campaign_leads y where y.lead_id = l.id offset 0) x
        where lower(l.email) in (page.mailbox, lower(page.email)) and x.campaign_id <> all (step.chain)
          and x.status = 'sent' and x.sent_at > page.t - list_mails.cooldown_seconds * interval '1 second'
      ) mailed) end)
  from page
  cross join (
    select x.*, public.campaigns_of_chain(list_mails.campaign) as chain
    from public.texts_of_step(list_mails.campaign) x) step
  left join public.unreadable_leads(array(select p.lead_id from page p)) u on u.lead = page.lead_id
  left join public.companies co on co.id = page.company_id
  left join public.accounts a on a.id = page.assigned_account_id and a.status <> 'removed'
  order by page.id;
$$;

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

-- Which company a row of an import is about.

create or replace function public.bare_domain(given text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- `https://www.Acme.example:443/team` -> `acme.example`; null for nothing.
  select nullif(
    rtrim(
      regexp_replace(
        regexp_replace(
          regexp_replace(lower(btrim(bare_domain.given)), '^([a-z][a-z0-9+.-]*:)?//+', ''),
          '[/?#[:space:]].*$|:[0-9]*([/?#].*)?$', ''),
        '^.*@|^www[.](?=[^.]+[.])', ''),
      '.'),
    '');
$$;

create or replace function public.spellings_of_domain(bare text) returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  -- As companies.domain may have it from a web app, in lower case: so that its index finds it.
  select array[
    d, d || '/', 'www.' || d, 'www.' || d || '/',
    'http://' || d, 'http://' || d || '/', 'http://www.' || d, 'http://www.' || d || '/',
    'https://' || d, 'https://' || d || '/', 'https://www.' || d, 'https://www.' || d || '/'
  ]
  from (values (spellings_of_domain.bare)) given (d);
$$;

create or replace function public.shared_domains() returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Domains of people without a company's own: free mail, access providers, social networks.
  select string_to_array(
    'gmail.com,googlemail.com,'
    'outlook.com,outlook.de,outlook.fr,outlook.es,outlook.it,outlook.at,outlook.jp,outlook.com.br,'
    'hotmail.com,hotmail.de,hotmail.fr,hotmail.es,hotmail.it,hotmail.nl,hotmail.be,hotmail.ch,hotmail.co.uk,'
    'hotmail.com.br,hotmail.co.jp,live.com,live.de,live.fr,live.it,live.nl,live.be,live.at,live.co.uk,live.com.mx,'
    'msn.com,passport.com,windowslive.com,'
    'yahoo.com,yahoo.de,yahoo.fr,yahoo.es,yahoo.it,yahoo.co.uk,yahoo.co.in,yahoo.in,yahoo.co.jp,yahoo.ca,yahoo.at,'
    'yahoo.com.br,yahoo.com.mx,yahoo.com.ar,yahoo.com.au,yahoo.com.sg,yahoo.com.tr,yahoo.pl,yahoo.ie,yahoo.gr,'
    'ymail.com,rocketmail.com,myyahoo.com,aol.com,aol.de,aol.fr,aol.co.uk,aim.com,verizon.net,'
    'icloud.com,me.com,mac.com,'
    'proton.me,protonmail.com,protonmail.ch,pm.me,tutanota.com,tutanota.de,tuta.io,tuta.com,tutamail.com,keemail.me,'
    'posteo.de,posteo.net,mailbox.org,fastmail.com,fastmail.fm,hey.com,hushmail.com,runbox.com,disroot.org,riseup.net,'
    'mail.com,email.com,usa.com,zoho.com,zohomail.com,zohomail.eu,inbox.com,'
    'gmx.com,gmx.net,gmx.org,gmx.de,gmx.at,gmx.ch,gmx.eu,gmx.fr,gmx.us,gmx.co.uk,web.de,freenet.de,t-online.de,'
    'arcor.de,vodafone.de,vodafonemail.de,kabelmail.de,unitybox.de,online.de,email.de,magenta.de,1und1.de,netcologne.de,'
    'aon.at,a1.net,chello.at,utanet.at,inode.at,kabsi.at,bluewin.ch,hispeed.ch,sunrise.ch,'
    'orange.fr,wanadoo.fr,free.fr,sfr.fr,neuf.fr,laposte.net,bbox.fr,numericable.fr,aliceadsl.fr,club-internet.fr,'
    'voila.fr,telefonica.net,terra.es,terra.com.br,movistar.es,ono.com,euskaltel.net,'
    'libero.it,virgilio.it,tiscali.it,tin.it,alice.it,tim.it,fastwebnet.it,inwind.it,iol.it,poste.it,email.it,'
    'skynet.be,telenet.be,proximus.be,scarlet.be,ziggo.nl,kpnmail.nl,planet.nl,xs4all.nl,hetnet.nl,home.nl,casema.nl,'
    'btinternet.com,btopenworld.com,virginmedia.com,ntlworld.com,sky.com,talktalk.net,tiscali.co.uk,blueyonder.co.uk,'
    'eircom.net,comcast.net,att.net,sbcglobal.net,bellsouth.net,cox.net,charter.net,earthlink.net,optonline.net,juno.com,'
    'rogers.com,shaw.ca,sympatico.ca,telus.net,videotron.ca,bigpond.com,optusnet.com.au,xtra.co.nz,'
    'telia.com,bredband.net,online.no,tdcadsl.dk,jubii.dk,luukku.com,kolumbus.fi,'
    'wp.pl,o2.pl,onet.pl,interia.pl,op.pl,gazeta.pl,seznam.cz,centrum.cz,email.cz,centrum.sk,azet.sk,freemail.hu,'
    'citromail.hu,abv.bg,ukr.net,i.ua,mail.ru,bk.ru,list.ru,inbox.ru,internet.ru,yandex.ru,yandex.com,ya.ru,rambler.ru,'
    'inbox.lv,mail.ee,delfi.ee,'
    'qq.com,foxmail.com,163.com,126.com,yeah.net,139.com,189.cn,sina.com,sina.cn,sohu.com,aliyun.com,'
    'naver.com,hanmail.net,daum.net,docomo.ne.jp,ezweb.ne.jp,softbank.ne.jp,nifty.com,rediffmail.com,'
    'uol.com.br,bol.com.br,ig.com.br,globo.com,globomail.com,walla.co.il,walla.com,sapo.pt,mynet.com,'
    'linkedin.com,xing.com,facebook.com,instagram.com,twitter.com,x.com,youtube.com,tiktok.com,github.com,linktr.ee',
    ',');
$$;

create or replace function public.assign_companies(owner uuid) returns bigint
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Gives each row that import_leads holds its company, made where it is missing; how many are new.
-- A company has a name and a domain: a row with both means the one that has both. A row with one of them
-- means the one that has that, whatever else it has.
declare
  named bigint;
  by_domain bigint;
  by_name bigint;
begin
  -- The companies of these domains, looked up once.
  create temporary table if not exists outreach_known (id uuid, name text, domain text) on commit drop;
  truncate pg_temp.outreach_known;
  insert into pg_temp.outreach_known
  select c.id, c.name, given.domain
  from (select distinct r.domain from pg_temp.outreach_rows r where r.domain is not null) given
  cross join lateral unnest(public.spellings_of_domain(given.domain)) written (domain)
  join public.companies c on lower(c.domain) = written.domain
  where c.user_id is not distinct from coalesce(owner, c.user_id);

  -- Known by its name so far: now its domain is known too.
  with given as (
    select distinct on (lower(r.company)) c.id, r.domain
    from pg_temp.outreach_rows r
    join public.companies c
      on lower(c.name) = lower(r.company) and coalesce(btrim(c.domain), '') = ''
      and c.user_id is not distinct from coalesce(owner, c.user_id)
    where r.domain is not null
      and not exists (
        select from pg_temp.outreach_known k where k.domain = r.domain and lower(k.name) = lower(r.company))
    order by lower(r.company), c.id, r.no
  ),
  changed as (
    update public.companies c set domain = given.domain from given where c.id = given.id
    returning c.id, c.name, c.domain
  )
  insert into pg_temp.outreach_known select changed.id, changed.name, changed.domain from changed;
  -- Known by its domain so far: now its name is known too.
  with given as (
    select distinct on (k.id) k.id, r.company
    from pg_temp.outreach_rows r
    join pg_temp.outreach_known k on k.domain = r.domain
    where r.company is not null and coalesce(lower(btrim(k.name)), '') in ('', k.domain)
      and not exists (
        select from pg_temp.outreach_known same
        where same.domain = r.domain and lower(same.name) = lower(r.company))
    order by k.id, r.no
  ),
  changed as (
    update public.companies c set name = given.company from given where c.id = given.id
    returning c.id, c.name
  )
  update pg_temp.outreach_known k set name = changed.name from changed where k.id = changed.id;

  with added as (
    insert into public.companies (user_id, name, domain)
    select owner, new.company, new.domain
    from (
      select distinct on (lower(r.company), r.domain) r.no, r.company, r.domain
      from pg_temp.outreach_rows r
      where r.company is not null and r.domain is not null
        and not exists (
          select from pg_temp.outreach_known k where k.domain = r.domain and lower(k.name) = lower(r.company))
      order by lower(r.company), r.domain, r.no
    ) new
    order by new.no
    returning id, name, domain
  )
  insert into pg_temp.outreach_known select added.id, added.name, added.domain from added;
  get diagnostics named = row_count;
  with added as (
    insert into public.companies (user_id, name, domain)
    select distinct owner, r.domain, r.domain
    from pg_temp.outreach_rows r
    where r.company is null and r.domain is not null
      and not exists (select from pg_temp.outreach_known k where k.domain = r.domain)
    returning id, name, domain
  )
  insert into pg_temp.outreach_known select added.id, added.name, added.domain from added;
  get diagnostics by_domain = row_count;
  insert into public.companies (user_id, name)
  select distinct on (lower(r.company)) owner, r.company
  from pg_temp.outreach_rows r
  where r.domain is null and r.company is not null
    and not exists (
      select from public.companies c
      where lower(c.name) = lower(r.company) and c.user_id is not distinct from coalesce(owner, c.user_id)
    )
  order by lower(r.company), r.no;
  get diagnostics by_name = row_count;

  update pg_temp.outreach_rows r
  set company_id = meant.id
  from (
    select distinct on (x.no) x.no, k.id
    from pg_temp.outreach_rows x
    join pg_temp.outreach_known k on k.domain = x.domain
    left join public.leads l on l.id = x.lead_id
    where x.company is null or lower(k.name) = lower(x.company)
    -- Of several the one that the lead is in.
    order by x.no, (k.id = l.company_id) is true desc, k.id
  ) meant
  where meant.no = r.no;
  update pg_temp.outreach_rows r
  set company_id = (
    select c.id from public.companies c
    where lower(c.name) = lower(r.company) and c.user_id is not distinct from coalesce(owner, c.user_id)
    order by (c.id = (select l.company_id from public.leads l where l.id = r.lead_id)) is true desc, c.id
    limit 1
  )
  where r.domain is null and r.company is not null;
  return named + by_domain + by_name;
end
$$;

create or replace function public.companies_kept_apart() returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
-- Of the rows that import_leads holds: companies whose domain is that of another one, too.
begin
  return coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'company', apart.company, 'domain', apart.domain, 'other', apart.other) order by apart.no)
    from (
      select distinct on (r.company_id) r.no, r.company, r.domain, first.name as other
      from pg_temp.outreach_rows r
      join (
        select distinct on (k.domain) k.domain, k.id, k.name from pg_temp.outreach_known k order by k.domain, k.id
      ) first on first.domain = r.domain
      where r.company is not null and first.id <> r.company_id
      order by r.company_id, r.no
    ) apart), '[]');
end
$$;

-- Mails by day, campaign, account and template: kept with each outcome, whoever records it, and rebuilt at will.

create or replace function public.template_key(template text, own_text boolean) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- As daily_counts has it: a campaign of texts that are written for each lead would have a row for each.
  select case when own_text then 'own' else coalesce(template, '') end;
$$;

create or replace function public.mail_of_lead(lead uuid)
returns table (campaign uuid, day date, account uuid, template text, sent_at timestamptz)
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Where the lead's mail is counted: that which left or may have; of a sender before us, that of its row.
  (select s.campaign_id, (s.started_at at time zone 'UTC')::date, s.account_id,
    public.template_key(s.template, s.own_text), s.started_at
  from public.send_attempts s
  where s.campaign_lead_id = mail_of_lead.lead and public.may_have_left(s.outcome)
  order by s.started_at desc
  limit 1)
  union all
  (select cl.campaign_id, (cl.sent_at at time zone 'UTC')::date,
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), '', cl.sent_at
  from public.campaign_leads cl
  where cl.id = mail_of_lead.lead and cl.status = 'sent' and cl.sent_at is not null
    and not exists (select from public.send_attempts s where s.campaign_lead_id = cl.id))
  limit 1;
$$;

create or replace function public.count_opening(
  of_campaign uuid,
  of_day date,
  of_account uuid,
  of_template text,
  class text,
  n integer
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_column
begin
  if class is null then
    return;
  end if;
  insert into public.daily_counts (campaign_id, day, account_id, template)
  values (of_campaign, of_day, of_account, of_template)
  on conflict do nothing;
  update public.daily_counts x
  set
    opened_people = x.opened_people + case when class = 'person' then n else 0 end,
    opened_unclassified = x.opened_unclassified + case when class = 'unclassified' then n else 0 end,
    opened_machines = x.opened_machines + case when class = 'machine' then n else 0 end
  where x.campaign_id = of_campaign and x.day = of_day and x.account_id = of_account and x.template = of_template;
end
$$;

create or replace function public.count_attempt(old public.send_attempts, new public.send_attempts) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What became of a mail, `old` before; null: it had no row.
declare
  of_day constant date := (new.started_at at time zone 'UTC')::date;
  of_template constant text := public.template_key(new.template, new.own_text);
  class text;
begin
  -- Once more where the row is the first of its kind.
  for n in 1..2 loop
    update public.daily_counts x
    set
      sent = x.sent + coalesce((new.outcome = 'sent')::integer, 0) - coalesce((old.outcome = 'sent')::integer, 0),
      refused = x.refused
        + coalesce((new.outcome = 'refused')::integer, 0) - coalesce((old.outcome = 'refused')::integer, 0),
      not_sent = x.not_sent
        + coalesce((new.outcome = 'not_sent')::integer, 0) - coalesce((old.outcome = 'not_sent')::integer, 0),
      unclear = x.unclear
        + coalesce((new.outcome = 'unclear')::integer, 0) - coalesce((old.outcome = 'unclear')::integer, 0)
    where x.campaign_id = new.campaign_id and x.day = of_day and x.account_id = new.account_id
      and x.template = of_template;
    exit when found;
    insert into public.daily_counts (campaign_id, day, account_id, template)
    values (new.campaign_id, of_day, new.account_id, of_template)
    on conflict do nothing;
  end loop;
  if old.id is not null and public.may_have_left(old.outcome) and not public.may_have_left(new.outcome) then
    -- Nearly never: what was opened had not left after all. It counts with the lead's next mail.
    update public.campaign_leads cl
    set open_class = null
    from public.campaign_leads before
    where cl.id = new.campaign_lead_id and before.id = cl.id and cl.open_class is not null
    returning before.open_class into class;
    perform public.count_opening(new.campaign_id, of_day, new.account_id, of_template, class, -1);
  end if;
end
$$;

create or replace function public.attempt_begun_with_outcome() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  perform public.count_attempt(null, new);
  return null;
end
$$;

create or replace function public.attempt_counted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  -- With each mail: an expression is prepared anew each time, and costs more than what it computes. So there are few.
  if old.outcome is null and new.outcome = 'sent' then
    update public.daily_counts x
    set sent = x.sent + 1
    where x.campaign_id = new.campaign_id and x.day = (new.started_at at time zone 'UTC')::date
      and x.account_id = new.account_id and x.template = public.template_key(new.template, new.own_text);
    if found then
      return null;
    end if;
  end if;
  if old.outcome is distinct from new.outcome then
    perform public.count_attempt(old, new);
  end if;
  return null;
end
$$;

-- On the log itself: whatever function records an outcome, it is counted.
create or replace trigger attempt_begun_with_outcome after insert on public.send_attempts
  for each row when (new.outcome is not null) execute function public.attempt_begun_with_outcome();
-- Without a condition: each statement would read and prepare it anew, too.
create or replace trigger attempt_counted after update of outcome on public.send_attempts
  for each row execute function public.attempt_counted();

create or replace function public.failures_counted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  insert into public.daily_failures (campaign_id, day, account_id, reason, failures)
  select
    cl.campaign_id, coalesce((f.failed_at at time zone 'UTC')::date, '-infinity'),
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), left(f.reason, 300), count(*)
  from new_rows f
  join public.campaign_leads cl on cl.id = f.campaign_lead_id
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (campaign_id, day, account_id, reason) do update
  set failures = public.daily_failures.failures + excluded.failures;
  return null;
end
$$;

-- By statement: thousands of leads may fail at once, for one reason.
create or replace trigger failures_counted after insert on public.lead_failures
  referencing new table as new_rows
  for each statement execute function public.failures_counted();

create or replace function public.recount_mails() returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
-- Rebuilds daily_counts from the log, the leads and their openings, and daily_failures. Outcomes wait meanwhile: seconds for a million.
-- What was counted of a campaign whose row is gone stays: with it went its leads, their openings and failures.
--   recounted: {rows, changed}
declare
  changed bigint;
begin
  lock table public.daily_counts in share row exclusive mode;
  create temporary table outreach_recounted on commit drop as
  select
    m.campaign_id, m.day, m.account_id, m.template,
    count(*) filter (where m.outcome = 'sent') as sent,
    count(*) filter (where m.outcome = 'refused') as refused,
    count(*) filter (where m.outcome = 'not_sent') as not_sent,
    count(*) filter (where m.outcome = 'unclear') as unclear,
    count(*) filter (where m.open_class = 'person') as opened_people,
    count(*) filter (where m.open_class = 'unclassified') as opened_unclassified,
    count(*) filter (where m.open_class = 'machine') as opened_machines
  from (
    select s.campaign_id, (s.started_at at time zone 'UTC')::date as day, s.account_id,
      public.template_key(s.template, s.own_text) as template, s.outcome, cl.open_class
    from public.send_attempts s
    join public.campaigns c on c.id = s.campaign_id
    left join public.campaign_leads cl on cl.id = s.campaign_lead_id and public.may_have_left(s.outcome)
    union all
    -- Mailed by a sender before us.
    select cl.campaign_id, (cl.sent_at at time zone 'UTC')::date,
      coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), '', 'sent', cl.open_class
    from public.campaign_leads cl
    where cl.status = 'sent' and cl.sent_at is not null
      and not exists (select from public.send_attempts s where s.campaign_lead_id = cl.id)
  ) m
  group by m.campaign_id, m.day, m.account_id, m.template
  having count(m.outcome) + count(m.open_class) > 0;
  select count(*) into changed
  from pg_temp.outreach_recounted r
  full join (
    select n.* from public.daily_counts n
    join public.campaigns c on c.id = n.campaign_id
    where (n.sent, n.refused, n.not_sent, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines)
      <> (0, 0, 0, 0, 0, 0, 0)
  ) n using (campaign_id, day, account_id, template)
  where (r.sent, r.refused, r.not_sent, r.unclear, r.opened_people, r.opened_unclassified, r.opened_machines)
    is distinct from
    (n.sent, n.refused, n.not_sent, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines);
  delete from public.daily_counts n where n.campaign_id in (select c.id from public.campaigns c);
  insert into public.daily_counts (
    campaign_id, day, account_id, template, sent, refused, not_sent, unclear, opened_people, opened_unclassified,
    opened_machines)
  select * from pg_temp.outreach_recounted;
  lock table public.daily_failures in share row exclusive mode;
  delete from public.daily_failures n where n.campaign_id in (select c.id from public.campaigns c);
  insert into public.daily_failures (campaign_id, day, account_id, reason, failures)
  select
    cl.campaign_id, coalesce((f.failed_at at time zone 'UTC')::date, '-infinity'),
    coalesce(cl.assigned_account_id, '00000000-0000-0000-0000-000000000000'), left(f.reason, 300), count(*)
  from public.lead_failures f
  join public.campaign_leads cl on cl.id = f.campaign_lead_id
  group by 1, 2, 3, 4;
  return next pg_catalog.jsonb_build_object(
    'answer', 'recounted', 'rows', (select count(*) from public.daily_counts), 'changed', changed);
  drop table pg_temp.outreach_recounted;
end
$$;

-- Which campaigns are to be run now.

create or replace function public.due_at(c public.campaigns) returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When a run of it may begin that nobody has in hand then: a run waits for a near time by itself.
  -- Within the years that can be reckoned with, whatever a row holds.
  select least(
    greatest(
      c.lease_until,
      c.resume_at,
      case when c.dispatched_at < '9999-01-01' then c.dispatched_at + interval '5 minutes' end,
      case when c.status = 'scheduled' then greatest(c.scheduled_at, '1970-01-01') - interval '2 minutes' end,
      '-infinity'),
    '9999-01-01');
$$;

create or replace function public.is_due(c public.campaigns, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether a run of it could begin now, and nobody has one in hand.
  select c.status in ('scheduled', 'running') and c.paused_at is null and not c.idle and public.due_at(c) <= t
    and (c.parent_id is null or public.held_by_root(c) is null);
$$;

create or replace function public.next_due(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Seconds until the next campaign is due: 0 when one is, null when none ever will be by itself.
  select pg_catalog.jsonb_build_object(
    'seconds', case when waiting.due is not null then extract(epoch from greatest(waiting.due, clock.t) - clock.t) end)
  from (select coalesce(next_due.now, clock_timestamp()) as t) clock
  cross join (
    select min(public.due_at(c.*)) as due
    from public.campaigns c
    where c.status in ('scheduled', 'running') and c.paused_at is null and not c.idle
      and (c.parent_id is null or public.held_by_root(c.*) is null)
  ) waiting;
$$;

create or replace function public.count_places(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that a run has, or was asked for in the last minutes; and those that are due and have none.
  select pg_catalog.jsonb_build_object(
    'taken', count(*) filter (where c.lease_until > clock.t or c.dispatched_at >= clock.t - interval '5 minutes'),
    'waiting', count(*) filter (where public.is_due(c.*, clock.t)))
  from public.campaigns c
  cross join lateral (select coalesce(count_places.now, clock_timestamp()) as t) clock
  where c.status in ('scheduled', 'running') and not c.idle;
$$;

create or replace function public.take_due(
  most integer default 100,
  now timestamptz default null,
  places integer default null,
  rest_seconds double precision default 0
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Hands out each campaign that is due, once: with a key under which Prefect makes one run and no more, and
-- with the run that owned it before or was to, if that one is dead. Dispatched three times and never begun:
-- it is given up, in error. After a death it rests for `rest_seconds`, after the next for twice that. Of `places`, those that are taken are left out: what is due for longest goes first,
-- the rest waits, which is held against nobody.
declare
  c public.campaigns;
  dead_run text;
  dispatch integer;
  t timestamptz := coalesce(now, clock_timestamp());
  free bigint;
begin
  if places is not null then
    -- One at a time, and counted after that: two that count the same free place would both give it away.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('outreach places', 0));
    select places - (x ->> 'taken')::bigint into free from public.count_places(t) x;
  end if;
  for c in
    select x.* from public.campaigns x
    where x.status in ('scheduled', 'running') and not x.idle and public.is_due(x.*, t)
      and (x.crashed_at is null or x.crashed_at <= t - rest_seconds * x.crash_count * interval '1 second')
    order by greatest(x.resume_at, x.scheduled_at, x.created_at), x.id
    limit most
    for no key update skip locked
  loop
    -- While `dispatched_at` is set, nobody has begun the run that was made for it.
    dead_run := case
      when c.dispatched_at is null then c.run_id::text
      else c.dispatched_run
    end;
    if c.dispatch_misses >= 3 then
      perform public.end_in_error(
        c.id,
        'Prefect was asked three times and began no run; see whether a worker is up, then start it again.', t);
      return next pg_catalog.jsonb_build_object(
        'answer', 'given_up', 'id', c.id, 'name', c.name, 'dead_run', dead_run);
    elsif free is null or free > 0 then
      free := free - 1;
      dispatch := c.dispatch_no % 1000000000 + 1;
      update public.campaigns x
      set
        dispatch_no = dispatch, dispatch_misses = c.dispatch_misses + 1, dispatched_at = t,
        dispatched_run = null
      where x.id = c.id;
      return next pg_catalog.jsonb_build_object(
        'answer', 'due', 'id', c.id, 'name', c.name,
        -- With the time: where the database was restored to an earlier one, Prefect knows the numbers already.
        'key', pg_catalog.format('%s:%s:%s', c.id, dispatch, round(extract(epoch from t) * 1000)),
        'dead_run', dead_run);
    end if;
  end loop;
end
$$;

create or replace function public.note_dispatch(campaign uuid, flow_run text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The run that was made for a dispatch, so that its fate can be asked for.
  update public.campaigns x
  set flow_run_ids = case
    when note_dispatch.flow_run = any (x.flow_run_ids) then x.flow_run_ids
    else x.flow_run_ids || note_dispatch.flow_run
  end,
  dispatched_run = note_dispatch.flow_run
  where x.id = note_dispatch.campaign
  returning pg_catalog.jsonb_build_object('answer', 'noted');
$$;

create or replace function public.list_dispatched(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns whose last dispatch has not begun yet, with the run that was to.
  select pg_catalog.jsonb_build_object('id', c.id, 'flow_run', c.dispatched_run)
  from public.campaigns c
  where c.status in ('scheduled', 'running') and c.dispatched_at is not null and c.dispatched_run is not null
    and c.id > list_dispatched.after
  order by c.id
  limit list_dispatched.most;
$$;

create or replace function public.forget_dispatch(campaign uuid, flow_run text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run ended without beginning: the campaign may be dispatched again at once.
  update public.campaigns x
  set dispatched_at = null
  where x.id = forget_dispatch.campaign and x.dispatched_run = forget_dispatch.flow_run
  returning pg_catalog.jsonb_build_object('answer', 'forgotten');
$$;

create or replace function public.prolong_dispatch(
  campaign uuid,
  flow_run text,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run waits for a place in Prefect, which a person has closed or which others hold: nobody missed it. Whoever asks
  -- for a run counts one: 0 tells that it waits.
  update public.campaigns x
  set dispatched_at = coalesce(prolong_dispatch.now, clock_timestamp()), dispatch_misses = 0
  where x.id = prolong_dispatch.campaign and x.dispatched_run = prolong_dispatch.flow_run
    and x.dispatched_at is not null
  returning pg_catalog.jsonb_build_object('answer', 'prolonged');
$$;

create or replace function public.sweep_cancelled(most integer default 5000) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Pending leads of campaigns that a mere update of their row cancelled.
declare
  swept bigint;
begin
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.id in (
    -- Campaign by campaign: in one order, the planner would walk through all leads that there are.
    select left_behind.id
    from public.campaigns c
    cross join lateral (
      select x.id
      from public.campaign_leads x
      where x.campaign_id = c.id and x.status = 'pending' and x.open_attempt_id is null
      limit most
      for update skip locked
    ) left_behind
    where c.status = 'cancelled'
    limit most
  );
  get diagnostics swept = row_count;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'leads', swept);
end
$$;

create or replace function public.lead_dispatch(
  dispatcher uuid,
  name text,
  woken_by text,
  seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Notes that this worker's dispatcher lives, and makes it the one that leads for `seconds` unless another one does.
declare
  t timestamptz := coalesce(now, clock_timestamp());
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('outreach dispatchers', 0));
  delete from public.dispatchers d where d.seen_at < t - interval '1 hour';
  update public.dispatchers d set lease_until = null where d.lease_until <= t;
  insert into public.dispatchers as d (id, name, woken_by, seen_at)
  values (dispatcher, left(name, 200), left(woken_by, 200), t)
  on conflict (id) do update
  set name = excluded.name, woken_by = excluded.woken_by, seen_at = excluded.seen_at;
  update public.dispatchers d
  set lease_until = t + seconds * interval '1 second'
  where d.id = dispatcher
    and not exists (select from public.dispatchers other where other.id <> dispatcher and other.lease_until > t);
  return next pg_catalog.jsonb_build_object('answer', case when found then 'leads' else 'follows' end);
end
$$;

create or replace function public.probe_dispatcher(probe uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Notifies one dispatcher, which proves thereby that notifications of other sessions reach it.
  select pg_catalog.jsonb_build_object('answer', 'notified')
  from (select pg_catalog.pg_notify('outreach_probe_' || probe_dispatcher.probe, '')) told;
$$;

create or replace function public.leave_dispatch(dispatcher uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its worker ends: another one may lead at once.
  delete from public.dispatchers d where d.id = leave_dispatch.dispatcher
  returning pg_catalog.jsonb_build_object('answer', 'left');
$$;

create or replace function public.dispatcher_state(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The dispatchers of the last two minutes, and whether the rows of campaigns wake them.
  select pg_catalog.jsonb_build_object(
    'dispatchers', coalesce(pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'name', d.name, 'woken_by', d.woken_by, 'seen_seconds', extract(epoch from clock.t - d.seen_at),
        'leads', coalesce(d.lease_until > clock.t, false))
      order by d.seen_at desc) filter (where d.id is not null), '[]'),
    'rows_tell', exists (
      select from pg_catalog.pg_trigger g
      where g.tgrelid = 'public.campaigns'::pg_catalog.regclass and g.tgname = 'outreach_due' and g.tgenabled <> 'D'))
  from (select coalesce(dispatcher_state.now, clock_timestamp()) as t) clock
  left join public.dispatchers d on d.seen_at > clock.t - interval '2 minutes'
  group by clock.t;
$$;

create or replace function public.tell_dispatchers() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
-- The condition is here: in the trigger it would keep a web app from changing the type of a column that it names.
begin
  if new.status::text in ('scheduled', 'running') and new.paused_at is null and new.lease_until is null then
    perform pg_catalog.pg_notify('outreach_due', '');
  end if;
  return null;
end
$$;

create or replace trigger outreach_due
after insert or update on public.campaigns
for each row execute function public.tell_dispatchers();

-- The cap of mails a day to one domain: of all accounts together, by the number of the account that sends.
--
-- A mail under a cap is begun under the exclusive lock of its domain, of which every other mail to it takes the shared
-- one (see suppressions.sql). So nothing is begun between the count and the mail.

create or replace function public.mail_domain(address text) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left. To the letter the expression of the index send_attempts_to_domain.
as $$
  -- Of an address as the log has it.
  select split_part(lower(address), '@', -1);
$$;

create or replace function public.capped_domain(address text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- The domain that a cap counts, of an address in any spelling; null for those of free mail.
  select given.domain
  from (
    select public.mail_domain(public.canonical_address(capped_domain.address)) as domain
    -- No mail goes to what is longer.
    where strpos(capped_domain.address, '@') > 0 and length(capped_domain.address) <= 320
  ) given
  where given.domain <> all (public.shared_domains());
$$;

create or replace function public.hold_domain(mailbox text) returns boolean
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Until the end of this transaction nobody else begins a mail to the domain of this address. False: somebody is at
-- it, or suppresses it. Taken before hold_off_suppressions: two that both held the shared lock would both be refused.
declare
  domain constant text := public.capped_domain(mailbox);
begin
  return domain is null or pg_catalog.pg_try_advisory_xact_lock(public.suppression_lock(domain));
end
$$;

create or replace function public.mails_to(domain text, most integer, t timestamptz) returns setof timestamptz
language sql
stable
security invoker
set search_path = ''
-- As for begin_attempt.
set enable_seqscan = off
as $$
  -- When the mails of the last 24 hours to a domain began that left or may have, the youngest first.
  select s.started_at
  from public.send_attempts s
  where public.mail_domain(s.address) = mails_to.domain
    and (s.started_at at time zone 'UTC') > (mails_to.t - interval '24 hours') at time zone 'UTC'
    and public.may_have_left(s.outcome)
  order by s.started_at at time zone 'UTC' desc
  limit mails_to.most;
$$;

create or replace function public.domain_free_at(domain text, cap integer, t timestamptz) returns timestamptz
language sql
stable
security invoker
set search_path = ''
as $$
  -- When the domain may get one more mail: as soon as all but `cap` - 1 of its mails are a day old. Null: now.
  select min(x.began) + interval '24 hours'
  from public.mails_to(domain_free_at.domain, domain_free_at.cap, domain_free_at.t) x (began)
  having count(*) >= domain_free_at.cap;
$$;

create or replace function public.told_domain_cap(domain text, cap integer) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- What a mail waits for, for people.
  select pg_catalog.format('the cap of %s mail(s) a day to %s', told_domain_cap.cap, told_domain_cap.domain);
$$;

create or replace function public.defer_capped(account uuid, leads uuid[], t timestamptz) returns uuid[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads of one campaign, which the caller has locked, defers those whose domain has no room; returns them.
-- The first lead waits for the first mail that will be a day old, the second for the second: they do not all
-- come back at once to be deferred anew. None waits longer than a day: the cap may be raised meanwhile.
declare
  cap integer;
  campaign uuid;
  deferred uuid[];
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  select x.domain_cap into cap from public.accounts x where x.id = account;
  if cap is null then
    return '{}';
  end if;
  select cl.campaign_id into campaign from public.campaign_leads cl where cl.id = leads[1];
  with asked as materialized (
    select x.*, row_number() over (partition by x.domain order by x.id) as nth
    from (
      select cl.id, public.capped_domain(l.email) as domain
      from public.campaign_leads cl
      join public.leads l on l.id = cl.lead_id
      where cl.id = any (leads)
    ) x
    where x.domain is not null
  ), claimed as materialized (
    select public.capped_domain(l.email) as domain, count(*) as mails
    from (
      -- As rows, in order and with a limit: as in claim_leads.
      select cl.lead_id, cl.status, cl.claimed_until
      from public.campaign_leads cl
      where (cl.campaign_id, cl.claim_token) >= (campaign, lowest)
        and (cl.campaign_id, cl.claim_token) <= (campaign, highest)
        and cl.claim_token is not null
      order by cl.campaign_id, cl.claim_token
      limit 1000
    ) x
    join public.leads l on l.id = x.lead_id
    where x.status = 'pending' and x.claimed_until > t
    group by 1
  ), used as materialized (
    -- What ends first comes first.
    select
      d.domain,
      coalesce((select claimed.mails from claimed where claimed.domain = d.domain), 0) as claimed,
      array(
        select x.began + interval '24 hours' from public.mails_to(d.domain, cap, t) x (began) order by x.began) as ends
    from (select distinct asked.domain from asked) d
  ), waiting as (
    select
      asked.id,
      coalesce(
        used.ends[asked.nth - greatest(cap - cardinality(used.ends) - used.claimed, 0)],
        t + interval '24 hours') as until
    from asked
    join used on used.domain = asked.domain
    where asked.nth > cap - cardinality(used.ends) - used.claimed
  ), changed as (
    update public.campaign_leads cl
    set next_attempt_at = waiting.until
    from waiting
    where cl.id = waiting.id
    returning cl.id
  )
  select array_agg(changed.id) into deferred from changed;
  return coalesce(deferred, '{}');
end
$$;

create or replace function public.awaited_cap(campaign uuid, at timestamptz, t timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The cap for which the leads that are deferred until then wait, in words; null: something else.
  select public.told_domain_cap(x.domain, x.domain_cap)
  from (
    select public.capped_domain(l.email) as domain, a.domain_cap
    from public.campaign_leads cl
    join public.accounts a on a.id = cl.assigned_account_id and a.domain_cap is not null
    join public.leads l on l.id = cl.lead_id
    where cl.campaign_id = awaited_cap.campaign and cl.next_attempt_at = awaited_cap.at
      and cl.status = 'pending' and cl.open_attempt_id is null and cl.claim_token is null
    limit 10
  ) x
  where public.domain_free_at(x.domain, x.domain_cap, awaited_cap.t) is not null
  limit 1;
$$;

create or replace function public.capped_domains(campaign uuid, t timestamptz) returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The domains whose cap makes the campaign last longer than a day, the slowest first, for estimates: of the first
-- 100,000 pending leads, since people look again and again.
declare
  capped constant uuid[] := array(
    select a.id
    from public.campaign_accounts ca
    join public.accounts a on a.id = ca.account_id
    where ca.campaign_id = campaign and a.domain_cap is not null);
begin
  if capped = '{}' then
    return '[]';
  end if;
  return coalesce((
    select pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object(
        'domain', slow.domain, 'leads', slow.leads, 'cap', slow.cap, 'sent_by_hour', slow.sent_by_hour)
      order by slow.leads::double precision / slow.cap desc, slow.domain)
    from (
      select most.*, public.by_hour(array(select public.mails_to(most.domain, 1000000, t)), t) as sent_by_hour
      from (
        select public.capped_domain('x@' || x.domain) as domain, x.leads, x.cap
        from (
          -- As the rows spell it: a call for each lead would take longer than all else.
          select public.mail_domain(l.email) as domain, count(*) as leads, max(a.domain_cap) as cap
          from (
            select cl.lead_id, cl.assigned_account_id
            from public.campaign_leads cl
            where cl.campaign_id = campaign and cl.status = 'pending'
            limit 100000
          ) pending
          join public.accounts a on a.id = pending.assigned_account_id and a.id = any (capped)
          join public.leads l on l.id = pending.lead_id
          group by 1
          order by count(*)::double precision / max(a.domain_cap) desc
          limit 200
        ) x
      ) most
      where most.domain is not null
    ) slow
    where slow.leads + (select sum(n::bigint) from pg_catalog.jsonb_array_elements_text(slow.sent_by_hour) x (n))
      > slow.cap
  ), '[]');
end
$$;

-- Erasing persons: every table forgets the address. Its keyed hash stays in the log of mails and in suppressions, so
-- that counts stay true and the person is mailed by nobody.

create or replace function public.is_erased(email text) returns boolean
language sql
immutable
parallel safe
security invoker
set search_path = ''
as $$
  -- What forget_person leaves in the row of a lead.
  select is_erased.email like 'erased-%@erased.invalid';
$$;

create or replace function public.erase_person(
  address text,
  by_name text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- From now on nobody mails the person; the rest follows at once, or after a mail that is on its way.
--   erased: {leads, mails}   later: a mail is on its way   rejected: {reason}
declare
  key constant text := public.mailbox_key(address);
  hash constant text := public.keyed_hash(key);
  t timestamptz;
  done jsonb;
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A person is erased in the name of a person; name them with --by.');
    return;
  elsif strpos(key, '@') = 0 then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'An address is erased as a whole, such as jo@example.com.');
    return;
  end if;
  -- An import that has the person among its rows ends first: its rows are seen here.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.import_leads'));
  perform pg_catalog.set_config('outreach.by_name', left(btrim(by_name), 200), true);
  insert into public.suppressions (key, cause, source) values ('erased:' || hash, 'erased', 'command')
  on conflict do nothing;
  t := coalesce(now, clock_timestamp());
  -- Mails that were begun before are seen from here on, and none is begun any more.
  done := public.forget_person(key, hash, btrim(by_name), t, true);
  if done is null then
    insert into public.erasures (key, by_name) values (key, left(btrim(by_name), 200)) on conflict do nothing;
    return next pg_catalog.jsonb_build_object('answer', 'later');
  else
    return next done || pg_catalog.jsonb_build_object('answer', 'erased');
  end if;
end
$$;

create or replace function public.forget_person(
  key text,
  hash text,
  by_name text,
  t timestamptz,
  is_thorough boolean
) returns jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- {leads, mails}; null, and nothing is changed, while a mail to the address is on its way.
declare
  forgotten uuid[];
  mails bigint;
  s public.suppressions;
begin
  select pg_catalog.array_agg(l.id) into forgotten
  from public.leads_of_keys(array[key]) named (lead)
  join public.leads l on l.id = named.lead
  where public.mailbox_key(l.email) = key;
  -- As a mail is begun: first its lead. Whoever begins one at this moment is waited for, and its attempt is seen.
  perform from public.campaign_leads cl
  where cl.lead_id = any (forgotten) and cl.status = 'pending'
  order by cl.id
  for no key update;
  if exists (select from public.send_attempts a where lower(a.address) = key and a.outcome is null) then
    return null;
  end if;

  update public.campaign_leads cl
  set
    status = 'cancelled', error = 'was erased on ' || pg_catalog.to_char(t at time zone 'UTC', 'YYYY-MM-DD'),
    claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.lead_id = any (forgotten) and cl.status = 'pending';
  update public.leads l
  set
    -- Not null: the web app's own columns may have to hold something.
    email = 'erased-' || left(hash, 16) || '@erased.invalid', name = '', role = '', tag = '', list_tags = '{}', custom_fields = '{}',
    email_subject = null, email_template = null
  where l.id = any (forgotten);
  perform public.forget_content(key, forgotten);
  update public.send_attempts a
  set address = case
    -- Who was forgotten before, imported anew and mailed again: an address stands once in a campaign.
    when exists (
      select from public.send_attempts y
      where lower(y.address) = hash and y.campaign_id = a.campaign_id and public.may_have_left(y.outcome))
    then hash || ':' || a.id
    else hash
  end
  where lower(a.address) = key and public.may_have_left(a.outcome);
  get diagnostics mails = row_count;
  update public.send_attempts a set address = hash
  from public.campaign_leads cl
  where cl.lead_id = any (forgotten) and a.campaign_lead_id = cl.id and lower(a.address) = key;
  if is_thorough or mails = 0 then -- no index has what was refused before it left
    update public.send_attempts a set address = hash where lower(a.address) = key;
  end if;
  delete from public.absences x where x.key = forget_person.key;

  -- What held goes on to hold, since when it did.
  for s in select x.* from public.suppressions x where x.key = forget_person.key loop
    -- What the hash has of that cause already holds for the longer of both.
    update public.suppressions x
    set until = case when x.until is not null and s.until is not null then greatest(x.until, s.until) end
    where x.key = 'erased:' || hash and x.cause = s.cause and x.user_id is not distinct from s.user_id;
    update public.suppressions x set key = 'erased:' || hash
    where x.id = s.id and not exists (
      select from public.suppressions y
      where y.key = 'erased:' || hash and y.cause = s.cause and y.user_id is not distinct from s.user_id);
    update public.suppressions x set created_at = s.created_at where x.id = s.id;
  end loop;
  delete from public.suppressions x where x.key = forget_person.key;
  -- Words about the person are forgotten, too.
  update public.suppressions x set reason = null where x.key = 'erased:' || hash and x.reason is not null;
  insert into public.audit (act, subject, by_name, details)
  values ('erased', 'erased:' || hash, left(by_name, 200), pg_catalog.jsonb_build_object(
    'leads', coalesce(cardinality(forgotten), 0), 'mails', mails));
  update public.audit a
  set subject = 'erased:' || hash, details = a.details - 'reason'
  where a.subject in (forget_person.key, 'erased:' || hash);
  delete from public.erasures e where e.key = forget_person.key;
  return pg_catalog.jsonb_build_object('leads', coalesce(cardinality(forgotten), 0), 'mails', mails);
end
$$;

create or replace function public.sweep_erasures(now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Erases persons whose mail has had its outcome meanwhile.
declare
  e public.erasures;
  erased bigint := 0;
begin
  for e in select x.* from public.erasures x order by x.key limit 1000 loop
    if public.forget_person(e.key, public.keyed_hash(e.key), e.by_name, coalesce(now, clock_timestamp()), true) is not null then
      erased := erased + 1;
    end if;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'persons', erased);
end
$$;

create or replace function public.sweep_retention(
  days double precision,
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Forgets persons who were mailed last more than `days` days ago, and whom no campaign is yet to mail. Who had not
-- opted out may be mailed again, when imported anew. `persons`: 0 when nobody is left.
declare
  t constant timestamptz := coalesce(now, clock_timestamp());
  oldest constant timestamptz := t - days * interval '1 day';
  person record;
  forgotten bigint := 0;
begin
  for person in
    select mailed.key
    from (
      select distinct lower(a.address) as key
      from public.send_attempts a
      where a.started_at < oldest and strpos(a.address, '@') > 0
    ) mailed
    where not exists (
      select from public.send_attempts y
      where lower(y.address) = mailed.key and public.may_have_left(y.outcome) and y.started_at >= oldest)
      and not public.is_to_be_mailed(mailed.key)
    limit most
  loop
    if public.forget_person(person.key, public.keyed_hash(person.key), 'retention', t, false) is not null then
      forgotten := forgotten + 1;
    end if;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'swept', 'persons', forgotten);
end
$$;

create or replace function public.is_to_be_mailed(key text) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Whether a campaign has yet to mail this address, or a follow-up that is not planned yet.
  select exists (
    select from public.leads_of_keys(array[is_to_be_mailed.key]) named (lead)
    join public.campaign_leads cl on cl.lead_id = named.lead
    where cl.status = 'pending'
      or cl.status = 'sent' and cl.followed_at is null and exists (
        select from public.campaigns c
        join public.campaigns s on s.parent_id = coalesce(c.parent_id, c.id)
        where c.id = cl.campaign_id and s.step = coalesce(c.step, 1) + 1
          and s.status not in ('completed', 'cancelled')
          and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')));
$$;

-- The guard: a campaign that meets too many dead addresses pauses itself, an account rests for a day.

create or replace function public.guard_campaigns(
  share double precision,
  least_mails integer,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Pauses campaigns of whose mails, those of their steps among them, since the last resume, least_mails of them or more,
-- at least this share met dead addresses; returns them. The steps stop with the first campaign of their chain. Each in
-- its turn is locked, so that no mail of others waits.
declare
  c public.campaigns;
  met record;
begin
  for c in
    select r.*
    from public.campaigns r
    where r.status <> 'cancelled' and r.paused_at is null
      and r.id in (
        select coalesce(x.parent_id, x.id)
        from public.campaigns x
        where x.status in ('scheduled', 'running') and x.paused_at is null)
      and exists (
        select from public.campaigns x
        join public.inbound_mails m on m.campaign_id = x.id and m.verdict = 'dead'
        where x.id = r.id or x.parent_id = r.id)
    order by r.id
  loop
    select * into met from public.dead_of_campaign(c, share, least_mails);
    continue when met.sent is null;
    if not met.too_many then
      update public.campaigns x set guarded_dead = met.dead where x.id = c.id and met.sent >= least_mails;
      continue;
    end if;
    update public.campaigns x
    set
      paused_at = coalesce(now, clock_timestamp()),
      waiting_for = pg_catalog.format(
        'a person to resume it: %s of its last %s mails met dead addresses', met.dead, met.sent),
      suspended_run = null
    where x.id = c.id and x.paused_at is null and x.status <> 'cancelled';
    if found then
      return next pg_catalog.jsonb_build_object(
        'campaign', c.id, 'name', left(c.name, 1001), 'dead', met.dead, 'sent', met.sent);
    end if;
  end loop;
end
$$;

create or replace function public.dead_of_campaign(
  c public.campaigns,
  share double precision,
  least_mails integer,
  out dead bigint,
  out sent bigint,
  out too_many boolean
)
language plpgsql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Of its mails and those of its steps, since the last resume. Of those that were sent no more are counted than decide.
-- `sent` is null where nothing has changed since the last look.
begin
  select count(distinct s.id) into dead
  from public.campaigns x
  join public.inbound_mails m on m.campaign_id = x.id and m.verdict = 'dead'
  join public.send_attempts s on s.id = m.attempt_id
  cross join lateral (select greatest(c.guarded_from, x.guarded_from) as resumed_at) last
  where (x.id = c.id or x.parent_id = c.id) and (last.resumed_at is null or s.started_at > last.resumed_at);
  if dead = 0 or dead = c.guarded_dead then
    return;
  end if;
  select count(*) into sent
  from (
    select from public.campaigns x
    join public.campaign_leads cl on cl.campaign_id = x.id and cl.status = 'sent'
    cross join lateral (select greatest(c.guarded_from, x.guarded_from) as resumed_at) last
    where (x.id = c.id or x.parent_id = c.id) and (last.resumed_at is null or cl.sent_at > last.resumed_at)
    limit greatest(floor(dead / share) + 1, least_mails)
  ) x;
  too_many := sent >= least_mails and dead >= share * sent;
end
$$;

create or replace function public.guard_accounts(
  share double precision,
  least_mails integer,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Lets accounts rest for a day of whose mails in the last 30 days, least_mails of them or more, at least this share
-- met dead addresses; returns them. After the rest they are counted anew.
declare
  t timestamptz := coalesce(now, clock_timestamp());
  a record;
  sent bigint;
  why text;
begin
  for a in
    select x.id, x.email, count(distinct m.attempt_id) as dead,
      greatest(x.guarded_from, t - interval '30 days') as since
    from public.accounts x
    join public.inbound i on i.account_id = x.id and i.received_at > greatest(x.guarded_from, t - interval '30 days')
    join public.inbound_mails m on m.inbound_id = i.id and m.verdict = 'dead'
    join public.send_attempts s on s.id = m.attempt_id and s.started_at > greatest(x.guarded_from, t - interval '30 days')
    where x.status <> 'removed' and (x.paused_until is null or x.paused_until < t + interval '1 hour')
    group by x.id
    order by x.id
  loop
    select count(*) into sent
    from (
      select from public.send_attempts s
      where s.account_id = a.id and public.may_have_left(s.outcome) and s.started_at > a.since
      limit greatest(floor(a.dead / share) + 1, least_mails)
    ) x;
    continue when sent < least_mails or a.dead < share * sent;
    why := pg_catalog.format('%s of its last %s mails met dead addresses', a.dead, sent);
    update public.accounts x
    set paused_until = t + interval '1 day', guarded_from = t, rest_reason = why
    where x.id = a.id;
    return next pg_catalog.jsonb_build_object(
      'account', a.id, 'email', a.email, 'dead', a.dead, 'sent', sent, 'reason', why);
  end loop;
end
$$;

create or replace function public.wake_account(address text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person ends an account's rest.
declare
  woken public.accounts;
begin
  update public.accounts a
  set paused_until = null, rest_reason = null, guarded_from = case when a.rest_reason is null then a.guarded_from else clock_timestamp() end
  where a.status <> 'removed' and public.mailbox_key(a.email) = public.mailbox_key(address)
  returning a.* into woken;
  if not found then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', pg_catalog.format('There is no account %s.', address),
      'remedy', 'list_accounts');
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'woken', 'id', woken.id);
end
$$;

-- What a claim hands out.

create or replace function public.hand_out(c public.campaigns, batch uuid, t timestamptz) returns jsonb
language plpgsql
security invoker
set search_path = ''
-- Of a campaign whose rows nobody has counted, the planner would read and sort all leads instead.
set enable_sort = off
as $$
#variable_conflict use_variable
-- All that the mail of each claimed lead needs, in the order of their times; no token of its account. Null for
-- none. A lead that cannot be mailed fails.
declare
  claims jsonb;
  faults jsonb;
begin
  perform public.keep_within_bounds(c, batch);
  with claimed as materialized (
    -- As rows, in order and with a limit: by campaign_leads_claimed, not past all that was sent.
    select x.*
    from public.campaign_leads x
    where (x.campaign_id, x.claim_token) >= (c.id, batch) and (x.campaign_id, x.claim_token) <= (c.id, batch)
      and x.claim_token is not null
    order by x.campaign_id, x.claim_token
    limit 100000
  ), unreadable as materialized (
    select x.* from public.unreadable_leads(array(select cl.lead_id from claimed cl)) x
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
          'email_subject', left(coalesce(c.step_subject, nullif(l.email_subject, ''), co.email_subject), 1001),
          'email_template',
          left(coalesce(c.step_template, nullif(l.email_template, ''), co.email_template), 1000001)),
        'own_text', (c.step_subject is null and nullif(l.email_subject, '') is not null)
          or (c.step_template is null and nullif(l.email_template, '') is not null),
        'subject_variables', c.subject_variables,
        'follows', case when c.parent_id is not null then public.followed_mails(cl.id, c) end,
        'draft', (
          -- Of the last real attempt: what defer_lead notes in between has no mail, so no token.
          select case when last.outcome = 'not_sent' and last.draft_id is not null and last.account_id = x.id
            then pg_catalog.jsonb_build_object(
              'id', last.draft_id, 'thread_id', last.thread_id, 'search_token', last.search_token,
              'fingerprint', last.fingerprint,
              -- For workers of the releases before the fingerprint.
              'is_stale', lower(last.address) is distinct from public.mailbox_key(l.email))
          end
          from public.send_attempts last
          where last.campaign_lead_id = cl.id and last.search_token <> ''
          order by last.started_at desc
          limit 1))
      order by cl.next_attempt_at, cl.id
    ) filter (where x.id is not null and fault.why is null),
    pg_catalog.jsonb_object_agg(cl.id, fault.why) filter (where fault.why is not null)
  into claims, faults
  from claimed cl
  left join public.accounts x on x.id = cl.assigned_account_id
  left join public.leads l on l.id = cl.lead_id
  left join public.companies co on co.id = l.company_id
  left join unreadable u on u.lead = l.id
  cross join lateral (
    select case
      when l.id is null then 'The lead was deleted'
      when coalesce(btrim(l.email), '') = '' then 'The lead has no email address'
      when public.is_erased(l.email) then 'The person was erased'
      when u.why is not null then pg_catalog.format('The lead''s custom fields %s; correct them, then retry it', u.why)
      when l.company_id is not null and co.id is null then 'The company of the lead was deleted'
    end
  ) fault (why);
  if faults is not null then
    perform public.fail_unmailable(batch, faults, t);
  end if;
  return claims;
end
$$;

create or replace function public.keep_within_bounds(c public.campaigns, batch uuid) returns void
language plpgsql
security invoker
set search_path = ''
-- As in hand_out.
set enable_sort = off
as $$
#variable_conflict use_variable
-- Gives back the leads of a batch whose texts, a copy for each, are more than JSON can hold: a quarter of a GB. They
-- are claimed again, and the times that were held for them are free. Lengths alone are looked at, which reads no text.
begin
  with claimed as materialized (
    select x.id, x.next_attempt_at, x.lead_id, x.assigned_account_id
    from public.campaign_leads x
    where (x.campaign_id, x.claim_token) >= (c.id, batch) and (x.campaign_id, x.claim_token) <= (c.id, batch)
      and x.claim_token is not null
    order by x.campaign_id, x.claim_token
    limit 100000
  ), sized as (
    select
      cl.id, cl.assigned_account_id as account, cl.next_attempt_at as held,
      sum(least(octet_length(coalesce(c.step_template, nullif(l.email_template, ''), co.email_template)), 4000004))
        over (order by cl.next_attempt_at, cl.id rows between unbounded preceding and 1 preceding) as before
    from claimed cl
    left join public.leads l on l.id = cl.lead_id
    left join public.companies co on co.id = l.company_id
  ), given_back as (
    update public.campaign_leads x
    set claim_token = null, claimed_until = null, next_attempt_at = null
    from sized
    where x.id = sized.id and sized.before > 100000000
  )
  update public.accounts a
  set next_send_at = free.since
  from (select s.account, min(s.held) as since from sized s where s.before > 100000000 group by s.account) free
  where a.id = free.account and a.next_send_at > free.since;
end
$$;

create or replace function public.fail_unmailable(batch uuid, faults jsonb, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of a batch's leads, those whose row is missing or unreadable: they fail, they never hide. faults: {lead: reason}
declare
  failed uuid[];
begin
  with changed as (
    update public.campaign_leads cl
    set status = 'failed', error = fault.why, claim_token = null, claimed_until = null
    from pg_catalog.jsonb_each_text(faults) fault (lead, why)
    where cl.id = fault.lead::uuid and cl.claim_token = batch
    returning cl.id
  )
  select array_agg(changed.id) into failed from changed;
  perform public.note_failures(failed, t);
end
$$;

-- What came back: which mail of ours a received mail is about, its record, and what follows for the person.

create or replace function public.pick_inbound(account uuid, mails jsonb) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A few mails in a large log: always by index.
set enable_seqscan = off
as $$
  -- Of these mails [{id, thread, sender}] those in a thread of ours, or from an address that the account mailed.
  -- `known`: those that are recorded already, and our own.
  select pg_catalog.jsonb_build_object('id', given.id, 'known', recorded.is_known)
  from pg_catalog.jsonb_to_recordset(pick_inbound.mails) given (id text, thread text, sender text)
  cross join lateral (
    select exists (
      select from public.inbound i where i.account_id = pick_inbound.account and i.gmail_id = given.id)
    or exists (
      select from public.send_attempts s
      join public.campaign_leads cl on cl.id = s.campaign_lead_id
      where s.thread_id = given.thread and s.account_id = pick_inbound.account and cl.message_id = given.id) as is_known
  ) recorded
  where recorded.is_known
    or exists (
      select from public.send_attempts s
      where s.thread_id = given.thread and s.account_id = pick_inbound.account)
    or given.sender <> '' and exists (
      select from public.send_attempts s
      where lower(s.address) = public.mailbox_key(given.sender) and public.may_have_left(s.outcome)
        and s.account_id = pick_inbound.account);
$$;

create or replace function public.find_mails(
  account uuid,
  token text default null,
  threads text[] default '{}',
  addresses text[] default '{}',
  received timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Mails of this account that a received mail may be about: by the token in it, by its threads, and the last one to
  -- each of its addresses. `softs`: soft bounces of that address in the 30 days before, since it answered last.
  with keys as materialized (
    select distinct public.mailbox_key(a.address) as key from unnest(find_mails.addresses) a (address)
  ), found as (
    (
      select s.id, 1 as rank
      from public.send_attempts s
      where s.search_token = find_mails.token and s.search_token <> '' and s.account_id = find_mails.account
        and public.may_have_left(s.outcome)
      limit 10
    )
    union all
    (
      select s.id, 2
      from public.send_attempts s
      where s.thread_id = any (find_mails.threads) and s.account_id = find_mails.account
        and public.may_have_left(s.outcome)
      order by s.started_at desc
      limit 100
    )
    union all
    select last.id, 3
    from keys
    cross join lateral (
      select s.id
      from public.send_attempts s
      where lower(s.address) = keys.key and public.may_have_left(s.outcome) and s.account_id = find_mails.account
      order by s.started_at desc
      limit 1
    ) last
  )
  select pg_catalog.jsonb_build_object(
    'attempt', s.id, 'by', case found.rank when 1 then 'token' when 2 then 'thread' else 'address' end,
    'message_id', cl.message_id, 'thread', s.thread_id, 'address', lower(s.address),
    -- Where the campaign is gone its account tells the owner.
    'owner', case when c.id is null then a.user_id else c.user_id end,
    'named', lower(s.address) in (select keys.key from keys), 'started_at', s.started_at,
    'softs', public.soft_bounces(s.address, coalesce(find_mails.received, clock_timestamp())))
  from (select f.id, min(f.rank) as rank from found f group by f.id) found
  join public.send_attempts s on s.id = found.id
  left join public.campaign_leads cl on cl.id = s.campaign_lead_id
  left join public.campaigns c on c.id = s.campaign_id
  left join public.accounts a on a.id = s.account_id
  order by found.rank, s.started_at desc;
$$;

create or replace function public.soft_bounces(address text, t timestamptz) returns bigint
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Of an address in the 30 days before `t`, since it answered last.
  with back as materialized (
    select i.kind, m.verdict, i.received_at
    from public.send_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
    where lower(s.address) = lower(soft_bounces.address) and public.may_have_left(s.outcome)
      and i.received_at > soft_bounces.t - interval '30 days' and i.received_at < soft_bounces.t
  )
  select count(*) from back
  where back.verdict = 'soft'
    and back.received_at > coalesce((select max(b.received_at) from back b where b.kind = 'reply'), '-infinity');
$$;

create or replace function public.record_inbound(
  account uuid,
  reader uuid,
  mail jsonb,
  mails jsonb default '[]',
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- One received mail {gmail_id, thread, kind, received_at, back_on}, and what it says of mails of ours
-- [{attempt, verdict, status}].
--   recorded, known: {id}      not_ours: another reader has the mailbox
declare
  saved uuid;
begin
  perform from public.mailboxes m where m.account_id = account and m.reader = reader for key share;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
    return;
  end if;
  saved := public.save_inbound(account, mail, mails, 'mail', coalesce(now, clock_timestamp()));
  delete from public.unread_mails u where u.account_id = account and u.gmail_id = mail ->> 'gmail_id';
  return next pg_catalog.jsonb_build_object('answer', case when saved is null then 'known' else 'recorded' end, 'id', saved);
end
$$;

create or replace function public.save_inbound(account uuid, mail jsonb, mails jsonb, came_by text, t timestamptz) returns uuid
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Null: it is recorded already. Who answered is away no more; who is away is mailed later. Their last mail counts: by
-- its list a mailbox is read from the newest one back.
declare
  saved uuid;
  kind constant text := mail ->> 'kind';
  received constant timestamptz := coalesce((mail ->> 'received_at')::timestamptz, t);
begin
  insert into public.inbound (account_id, gmail_id, thread_id, user_id, kind, via, received_at, recorded_at, back_on, announced_at)
  select
    account, mail ->> 'gmail_id', mail ->> 'thread',
    coalesce(
      (
        select c.user_id
        from pg_catalog.jsonb_to_recordset(mails) given (attempt uuid)
        join public.send_attempts s on s.id = given.attempt
        join public.campaigns c on c.id = s.campaign_id
        where c.user_id is not null
        limit 1),
      (select a.user_id from public.accounts a where a.id = account)),
    kind, came_by, received, t, (mail ->> 'back_on')::date,
    case when kind not in ('reply', 'bounce', 'unsubscribe', 'complaint') then t end
  on conflict (account_id, gmail_id) do nothing
  returning id into saved;
  if saved is null then
    return null;
  end if;
  insert into public.inbound_mails (inbound_id, attempt_id, campaign_id, campaign_lead_id, user_id, verdict, status)
  select saved, s.id, s.campaign_id, s.campaign_lead_id, c.user_id, coalesce(given.verdict, 'none'),
    left(coalesce(given.status, ''), 20)
  from pg_catalog.jsonb_to_recordset(mails) given (attempt uuid, verdict text, status text)
  join public.send_attempts s on s.id = given.attempt
  left join public.campaigns c on c.id = s.campaign_id
  on conflict do nothing;
  if kind = 'reply' then
    delete from public.absences x
    using public.inbound_mails m, public.send_attempts s
    where m.inbound_id = saved and s.id = m.attempt_id and x.key = public.mailbox_key(s.address)
      and x.user_id is not distinct from m.user_id
      and not public.has_written_since(s.address, m.user_id, received);
  elsif kind = 'away' then
    insert into public.absences as x (key, user_id, until)
    select distinct on (public.mailbox_key(s.address), m.user_id)
      public.mailbox_key(s.address), m.user_id, public.away_until((mail ->> 'back_on')::date, received)
    from public.inbound_mails m
    join public.send_attempts s on s.id = m.attempt_id
    where m.inbound_id = saved and strpos(s.address, '@') > 0
      and not public.has_written_since(s.address, m.user_id, received)
    on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000')) do update
    set until = excluded.until;
  end if;
  return saved;
end
$$;

create or replace function public.has_written_since(address text, owner uuid, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Whether a later answer, or a later notice that they are away, is recorded of an address.
  select exists (
    select from public.send_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
    where lower(s.address) = lower(has_written_since.address) and public.may_have_left(s.outcome) and m.user_id is not distinct from has_written_since.owner
      and i.kind in ('reply', 'away') and i.received_at > has_written_since.t);
$$;

create or replace function public.away_until(back_on date, received timestamptz) returns timestamptz
language sql
immutable
security invoker
set search_path = ''
as $$
  -- A working day after the first day back, in UTC, within 90 days; without a date, or after it, in a week.
  select case
    when away_until.back_on >= (away_until.received at time zone 'UTC')::date then least(
      (
        select day.day at time zone 'UTC'
        from generate_series(
          (away_until.back_on + 1)::timestamp, (away_until.back_on + 3)::timestamp, interval '1 day') day (day)
        where extract(isodow from day.day) < 6
        order by day.day
        limit 1),
      away_until.received + interval '90 days')
    else away_until.received + interval '7 days'
  end;
$$;

create or replace function public.inbound_counts(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- Leads of a campaign by what came back from them; a lead may be in several. A delay is no bounce.
  select pg_catalog.jsonb_build_object(
    'replied', count(distinct m.campaign_lead_id) filter (where i.kind = 'reply'),
    'bounced', count(distinct m.campaign_lead_id) filter (where i.kind = 'bounce'),
    'away', count(distinct m.campaign_lead_id) filter (where i.kind = 'away'),
    'unsubscribed', count(distinct m.campaign_lead_id) filter (where i.kind in ('unsubscribe', 'complaint')))
  from public.inbound_mails m
  join public.inbound i on i.id = m.inbound_id
  where m.campaign_id = inbound_counts.campaign;
$$;

create or replace function public.list_replies(
  campaign uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- What came back to a campaign, the oldest first. Several rows of one id: a mail about several leads; a page ends
  -- with whole mails.
  select pg_catalog.jsonb_build_object(
    'id', i.id, 'lead', m.campaign_lead_id, 'email', coalesce(l.email, s.address), 'account', a.email, 'kind', i.kind,
    'at', i.received_at, 'verdict', m.verdict, 'status', m.status, 'back_on', i.back_on, 'via', i.via,
    'thread_id', i.thread_id)
  from (
    select distinct x.inbound_id
    from public.inbound_mails x
    where x.campaign_id = list_replies.campaign and x.inbound_id > list_replies.after
    order by x.inbound_id
    limit list_replies.most
  ) page
  join public.inbound i on i.id = page.inbound_id
  join public.inbound_mails m on m.inbound_id = i.id and m.campaign_id = list_replies.campaign
  left join public.send_attempts s on s.id = m.attempt_id
  left join public.campaign_leads cl on cl.id = m.campaign_lead_id
  left join public.leads l on l.id = cl.lead_id
  left join public.accounts a on a.id = i.account_id
  order by i.id, m.attempt_id;
$$;

create or replace function public.note_answer(
  address text,
  by_name text,
  campaign uuid default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person answered by telephone, or on another way than by mail: to this campaign's mail, or to all.
--   noted: {leads, known} mails that count as answered now, and that did already
declare
  s record;
  noted bigint := 0;
  known bigint := 0;
  t timestamptz := coalesce(now, clock_timestamp());
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'An answer is noted in the name of a person; name them with --by.');
    return;
  end if;
  for s in
    select x.id, x.account_id, x.campaign_lead_id, c.user_id, exists (
      select from public.inbound_mails m
      join public.inbound i on i.id = m.inbound_id and i.kind = 'reply'
      where m.attempt_id = x.id) as answered
    from public.send_attempts x
    left join public.campaigns c on c.id = x.campaign_id
    where lower(x.address) = public.mailbox_key(address) and public.may_have_left(x.outcome)
      and (campaign is null or x.campaign_id = campaign)
    order by x.started_at
    limit 1000
  loop
    if s.answered then
      known := known + 1;
    else
      perform public.save_inbound(s.account_id, '{"kind": "reply"}',
        pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('attempt', s.id)), 'person', t);
      insert into public.audit (act, subject, user_id, by_name, details)
      values ('answered', public.mailbox_key(address), s.user_id, left(btrim(by_name), 200),
        pg_catalog.jsonb_build_object('lead', s.campaign_lead_id));
      noted := noted + 1;
    end if;
  end loop;
  if noted + known = 0 then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      case when campaign is null then 'No campaign mailed %s.' else 'The campaign did not mail %s.' end, address));
    return;
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'noted', 'leads', noted, 'known', known);
end
$$;

create or replace function public.list_unannounced(most integer default 500) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What Prefect was not told yet, a row for each mail of ours that it is about.
  select pg_catalog.jsonb_build_object(
    'id', i.id, 'kind', i.kind, 'at', i.received_at, 'account', i.account_id, 'via', i.via,
    'campaign', m.campaign_id, 'name', left(c.name, 1001), 'lead', m.campaign_lead_id, 'verdict', m.verdict,
    'status', m.status)
  from (
    select x.* from public.inbound x where x.announced_at is null order by x.id limit list_unannounced.most
  ) i
  left join public.inbound_mails m on m.inbound_id = i.id
  left join public.campaigns c on c.id = m.campaign_id
  order by i.id, m.attempt_id;
$$;

create or replace function public.note_announced(received uuid[], now timestamptz default null) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  with told as (
    update public.inbound i
    set announced_at = coalesce(note_announced.now, clock_timestamp())
    where i.id = any (note_announced.received) and i.announced_at is null
    returning 1
  )
  select pg_catalog.jsonb_build_object('answer', 'noted', 'mails', count(*)) from told;
$$;

-- Leads: how they come in, and which of them a campaign selects.

create or replace function public.import_leads(
  rows jsonb,
  list_tag text default null,
  owner uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Adds or updates leads, and the companies that they name; a mailbox is one lead, however it is written.
-- rows: [{email, name, role, company, domain, email_subject, email_template, custom_fields, empty_fields,
-- own_text, clear}]; what a row leaves out or has empty stays as it is, and of two rows for one address the last
-- one counts.
--   empty_fields: custom fields that are known and empty, where the lead has no value for them: {"city": ""}
--   own_text: the texts that are this lead's, not its company's: ["email_subject", "email_template"]
--   clear: which of its columns are emptied where the row has them empty: ["name", "role"]
-- A text that the rows of a company share is the company's; where they differ, each lead keeps its own, and
-- so does one without a company, or with a text of its own already. It wins over the company's.
-- Beside the counts it answers with
--   text_changed: campaigns that are not ended, and how many of their leads are mailed another text now
--   kept_apart: companies whose domain is another company's, too
--   shared_domains: those that say nothing about a company
--   erased: rows of persons who were erased, which are left out
declare
  added bigint;
  updated bigint;
  companies_added bigint;
  erased bigint := 0;
  without_address text;
begin
  -- Two imports at once would both find a company missing.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('outreach.import_leads'));

  create temporary table if not exists outreach_rows (
    no bigint, is_last boolean, email text, name text, role text, company text, given_domain text, domain text,
    email_subject text, email_template text, own_subject boolean, own_template boolean,
    custom_fields jsonb, empty_fields jsonb, clear jsonb, company_id uuid, lead_id uuid, had_subject boolean, had_template boolean,
    respelt text[]
  ) on commit drop;
  truncate pg_temp.outreach_rows;
  insert into pg_temp.outreach_rows (
    no, is_last, email, name, role, company, given_domain, domain, email_subject, email_template,
    own_subject, own_template, custom_fields, empty_fields, clear)
  select
    r.no, row_number() over (partition by lower(mail.address) order by r.no desc) = 1,
    mail.address, nullif(r.j ->> 'name', ''), nullif(r.j ->> 'role', ''),
    nullif(btrim(r.j ->> 'company'), ''), given.domain, used.domain,
    nullif(r.j ->> 'email_subject', ''), nullif(r.j ->> 'email_template', ''),
    coalesce(r.j -> 'own_text' ? 'email_subject', false), coalesce(r.j -> 'own_text' ? 'email_template', false),
    case when pg_catalog.jsonb_typeof(r.j -> 'custom_fields') = 'object' then r.j -> 'custom_fields' else '{}' end,
    case when pg_catalog.jsonb_typeof(r.j -> 'empty_fields') = 'object' then r.j -> 'empty_fields' else '{}' end,
    case when pg_catalog.jsonb_typeof(r.j -> 'clear') = 'array' then r.j -> 'clear' else '[]' end
  from pg_catalog.jsonb_array_elements(
    case when pg_catalog.jsonb_typeof(rows) = 'array' then rows else '[]' end) with ordinality r (j, no)
  -- `offset 0`: asked once a row. Nearly all are in that form already, and a call costs more than a look.
  cross join lateral (select btrim(r.j ->> 'email') as email, r.j ->> 'domain' as domain offset 0) written
  cross join lateral (
    select case
      when written.email ~ '[^!-~]' then public.canonical_address(written.email) else written.email
    end as address
    offset 0) mail
  cross join lateral (
    select case
      when written.domain ~ '^(?!www[.])[a-z0-9-]+([.][a-z0-9-]+)*[.][a-z]{2,}$' then written.domain
      -- `n/a` and the like are no domain.
      else substring(
        btrim(public.bare_domain(written.domain), ',;|<>()"')
        from '^[^[:space:],;|<>()"]+[.][^[:space:],;|<>()".0-9-][^[:space:],;|<>()".]+$')
    end as domain
    offset 0) given
  cross join lateral (
    select case when given.domain <> all (public.shared_domains()) then given.domain end as domain) used;

  select string_agg(r.no::text, ', ' order by r.no) into without_address
  from pg_temp.outreach_rows r where coalesce(r.email, '') = '';
  if without_address is not null then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected',
      'reason', pg_catalog.format('Row %s has no email address; add it or leave the row out.', without_address));
    return;
  end if;

  if exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;') then
    delete from pg_temp.outreach_rows r
    where exists (
      select from public.suppressions s
      where s.key = 'erased:' || public.keyed_hash(public.mailbox_key(r.email)) and s.cause = 'erased');
    get diagnostics erased = row_count;
  end if;
  update pg_temp.outreach_rows r
  set (lead_id, had_subject, had_template) = (
    select l.id, coalesce(l.email_subject, '') <> '', coalesce(l.email_template, '') <> ''
    from public.leads l
    where lower(l.email) = lower(r.email) and l.user_id is not distinct from coalesce(owner, l.user_id)
    order by l.id
    limit 1
  )
  where r.email is not null; -- all of them: Supabase refuses an update without a condition
  if exists (select from pg_temp.outreach_rows r where r.lead_id is null and r.email ~* '[^!-~]|xn--') then
    -- Whom a row of the web app spells in another way.
    update pg_temp.outreach_rows r
    set lead_id = spelt.lead_id, had_subject = spelt.has_subject, had_template = spelt.has_template
    from (
      select distinct on (public.mailbox_key(l.email))
        public.mailbox_key(l.email) as mailbox, l.id as lead_id,
        coalesce(l.email_subject, '') <> '' as has_subject, coalesce(l.email_template, '') <> '' as has_template
      from public.leads l
      where l.email ~ '[^!-~]' and l.user_id is not distinct from coalesce(owner, l.user_id)
      order by public.mailbox_key(l.email), l.id
    ) spelt
    where r.lead_id is null and lower(r.email) = spelt.mailbox;
  end if;
  companies_added := public.assign_companies(owner);
  perform public.assign_texts();
  perform public.find_respelt();

  update public.leads l
  set
    name = coalesce(r.name, case when not r.clear ? 'name' then l.name end),
    role = coalesce(r.role, case when not r.clear ? 'role' then l.role end),
    tag = coalesce(list_tag, l.tag),
    list_tags = case
      when l.tag <> list_tag and not coalesce(l.tag = any (l.list_tags), false) then l.list_tags || l.tag::text
      else l.list_tags
    end,
    company_id = coalesce(r.company_id, case when not r.clear ? 'company' then l.company_id end),
    email_subject = case
      when r.own_subject then r.email_subject
      when r.email_subject is not null or not r.clear ? 'email_subject' then l.email_subject
    end,
    email_template = case
      when r.own_template then r.email_template
      when r.email_template is not null or not r.clear ? 'email_template' then l.email_template
    end,
    custom_fields = r.empty_fields || case
      when pg_catalog.jsonb_typeof(l.custom_fields) = 'object'
        then (l.custom_fields - coalesce(r.respelt, '{}')) || r.custom_fields
      else r.custom_fields
    end
  from (
    select distinct on (own.lead_id) own.*
    from pg_temp.outreach_rows own
    where own.is_last and own.lead_id is not null
    order by own.lead_id
  ) r
  where l.id = r.lead_id;
  get diagnostics updated = row_count;

  insert into public.leads (
    user_id, company_id, email, name, role, tag, custom_fields, email_subject, email_template)
  select
    owner, r.company_id, r.email, r.name, r.role, list_tag, r.empty_fields || r.custom_fields,
    case when r.own_subject then r.email_subject end, case when r.own_template then r.email_template end
  from pg_temp.outreach_rows r
  where r.lead_id is null and r.is_last
  order by lower(r.email);
  get diagnostics added = row_count;

  return next pg_catalog.jsonb_build_object(
    'answer', 'imported', 'added', added, 'updated', updated, 'companies_added', companies_added,
    'erased', erased, 'text_changed', public.texts_changed(),
    'kept_apart', public.companies_kept_apart(),
    'shared_domains', coalesce((
      select pg_catalog.jsonb_agg(distinct r.given_domain)
      from pg_temp.outreach_rows r where r.domain is null and r.given_domain is not null), '[]'));
end
$$;

create or replace function public.field_key(name text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- One key for the spellings of a custom field, as a placeholder takes them: First Name, first-name, firstName.
  select lower(pg_catalog.regexp_replace(field_key.name, '[[:space:][:punct:]]+', '', 'g'));
$$;

create or replace function public.find_respelt() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- A custom field that a row spells in another way than its lead is the same one: of two spellings a placeholder would take
-- either. A row's value takes the place of the lead's, a row's empty cell does not.
declare
  names constant jsonb := (
    with written as (
      select r.lead_id, r.custom_fields || r.empty_fields as fields
      from pg_temp.outreach_rows r
      where r.is_last and r.lead_id is not null
    ), own as (
      select distinct key.name from written w, lateral pg_catalog.jsonb_object_keys(w.fields) key (name)
    ), held as (
      select distinct key.name
      from written w
      join public.leads l on l.id = w.lead_id and pg_catalog.jsonb_typeof(l.custom_fields) = 'object'
      cross join lateral pg_catalog.jsonb_object_keys(l.custom_fields) key (name)
    )
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('own', own.name, 'held', held.name))
    from own
    join held on public.field_key(held.name) = public.field_key(own.name) and held.name <> own.name
    where public.field_key(own.name) <> '');
begin
  if names is null then
    return;
  end if;
  update pg_temp.outreach_rows r
  set
    respelt = array(
      select n.held from pg_catalog.jsonb_to_recordset(names) n (own text, held text)
      where r.custom_fields ? n.own and not r.custom_fields ? n.held),
    empty_fields = r.empty_fields - array(
      select n.own from pg_catalog.jsonb_to_recordset(names) n (own text, held text)
      where l.custom_fields ? n.held)
  from public.leads l
  where l.id = r.lead_id and r.is_last;
end
$$;

create or replace function public.assign_texts() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Of the rows that import_leads holds: which texts are the lead's own, and the companies' new ones. Notes
-- first what the leads of campaigns that are not ended would be mailed: texts_changed compares.
begin
  update pg_temp.outreach_rows r
  set own_subject = own.subject, own_template = own.template
  from (
    select
      x.no,
      x.email_subject is not null and (
        x.own_subject or x.company_id is null or coalesce(x.had_subject, false)
        or min(x.email_subject) over company <> max(x.email_subject) over company) as subject,
      x.email_template is not null and (
        x.own_template or x.company_id is null or coalesce(x.had_template, false)
        or min(x.email_template) over company <> max(x.email_template) over company) as template
    from pg_temp.outreach_rows x
    where x.is_last
    window company as (partition by x.company_id)
  ) own
  where own.no = r.no and (own.subject, own.template) is distinct from (r.own_subject, r.own_template);

  create temporary table if not exists outreach_before (campaign_id uuid, lead_id uuid, text_hash uuid) on commit drop;
  truncate pg_temp.outreach_before;
  with given as (
    select c.id, coalesce(x.email_subject, c.email_subject) as email_subject,
      coalesce(x.email_template, c.email_template) as email_template
    from (
      select
        r.company_id, max(r.email_subject) filter (where not r.own_subject) as email_subject,
        max(r.email_template) filter (where not r.own_template) as email_template
      from pg_temp.outreach_rows r
      where r.is_last and r.company_id is not null
      group by r.company_id
    ) x
    join public.companies c on c.id = x.company_id
    where x.email_subject <> coalesce(c.email_subject, '') or x.email_template <> coalesce(c.email_template, '')
  ),
  changed as (
    update public.companies c
    set email_subject = g.email_subject, email_template = g.email_template
    from given g
    where c.id = g.id
  )
  -- Reads what was there before this statement.
  insert into pg_temp.outreach_before
  select
    cl.campaign_id, l.id,
    public.text_hash(l.email_subject, l.email_template, c.email_subject, c.email_template)::uuid
  from (
    select r.lead_id from pg_temp.outreach_rows r where r.lead_id is not null
    union
    select x.id from given g join public.leads x on x.company_id = g.id
  ) touched
  join public.leads l on l.id = touched.lead_id
  join public.campaign_leads cl on cl.lead_id = l.id and cl.status = 'pending'
  join public.campaigns ca on ca.id = cl.campaign_id and ca.status not in ('completed', 'cancelled')
  left join public.companies c on c.id = l.company_id;
end
$$;

create or replace function public.text_hash(own_subject text, own_template text, subject text, template text)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Of the text that a lead is mailed: its own, else its company's.
  select md5(pg_catalog.jsonb_build_array(
    coalesce(nullif(text_hash.own_subject, ''), text_hash.subject),
    coalesce(nullif(text_hash.own_template, ''), text_hash.template))::text);
$$;

create or replace function public.texts_changed() returns jsonb
language plpgsql
security invoker
set search_path = ''
as $$
-- The campaigns that assign_texts noted, and how many of their leads are mailed another text since.
begin
  return coalesce((
    select pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object('id', ca.id, 'name', ca.name, 'status', ca.status, 'leads', changed.leads)
      order by changed.leads desc, ca.id)
    from (
      select b.campaign_id, count(*) as leads
      from pg_temp.outreach_before b
      join public.leads l on l.id = b.lead_id
      left join public.companies c on c.id = l.company_id
      where public.text_hash(l.email_subject, l.email_template, c.email_subject, c.email_template)::uuid <> b.text_hash
      group by b.campaign_id
    ) changed
    join public.campaigns ca on ca.id = changed.campaign_id), '[]');
end
$$;

create or replace function public.leads_to_mail(lead_tag text, company_names text[], owner uuid)
returns setof public.leads
language sql
stable
security invoker
set search_path = ''
as $$
  -- The leads that a tag, companies (by name, domain or id), or both select. A lead is in each list that
  -- imported it. Who was erased is in none.
  select l.*
  from public.leads l
  where (leads_to_mail.lead_tag is not null or leads_to_mail.company_names is not null)
    and (
      leads_to_mail.lead_tag is null or l.tag = leads_to_mail.lead_tag
      or l.list_tags @> array[leads_to_mail.lead_tag])
    and (leads_to_mail.company_names is null or l.company_id in (
      select c.id from public.companies c join unnest(leads_to_mail.company_names) given (company)
        on lower(given.company) in (lower(c.name), lower(c.domain), c.id::text)))
    and l.user_id is not distinct from coalesce(leads_to_mail.owner, l.user_id)
    and public.is_erased(l.email) is not true;
$$;

create or replace function public.list_leads(
  with_tag text default null,
  with_status text default null,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- A page looks up some hundred leads: always by index.
set enable_seqscan = off
as $$
  -- Those of a tag, by the rule of create_campaign, or all; those that have the status in a campaign, or all.
  -- With what became of each in its campaigns.
  select pg_catalog.jsonb_build_object(
    'id', l.id,
    'email', l.email,
    'name', l.name,
    'role', l.role,
    'company', co.name,
    'tags', array(
      select distinct tag.name from unnest(l.list_tags || l.tag::text) tag (name)
      where tag.name is not null order by tag.name),
    'campaigns', pg_catalog.jsonb_build_object(
      'pending', its.pending, 'sent', its.sent, 'failed', its.failed, 'cancelled', its.cancelled),
    'sent_at', its.sent_at)
  from (
    (select x.*
    from public.leads x
    where list_leads.with_tag is null and x.id > list_leads.after
      and (list_leads.with_status is null or exists (
        select from public.campaign_leads cl where cl.lead_id = x.id and cl.status::text = list_leads.with_status))
    order by x.id
    limit list_leads.most)
    union all
    (select x.*
    from public.leads_to_mail(list_leads.with_tag, null, null) x
    where x.id > list_leads.after
      and (list_leads.with_status is null or exists (
        select from public.campaign_leads cl where cl.lead_id = x.id and cl.status::text = list_leads.with_status))
    order by x.id
    limit list_leads.most)
  ) l
  left join public.companies co on co.id = l.company_id
  cross join lateral (
    select
      count(*) filter (where cl.status = 'pending') as pending,
      count(*) filter (where cl.status = 'sent') as sent,
      count(*) filter (where cl.status = 'failed') as failed,
      count(*) filter (where cl.status = 'cancelled') as cancelled,
      max(cl.sent_at) as sent_at
    from public.campaign_leads cl
    where cl.lead_id = l.id
  ) its
  order by l.id;
$$;

create or replace function public.unreadable_leads(leads uuid[]) returns table (lead uuid, why text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads, those whose custom fields no sender can read, and why: in a claim or a page, one of
-- them would take all the others along. Each question is asked only where the one before it was
-- answered with no: a number of 10 bytes may be 131,072 digits as text. What has no number is as text at
-- most some six times as long, so that nearly no lead is made a text.
begin
  return query
  select judged.id, judged.why
  from (
    select
      l.id,
      case
        -- Packed, and unpacked: the whole of a document is itself, but not packed.
        when pg_column_size(l.custom_fields) > 262144 then 'are larger than 256 kB'
        when pg_column_size(f.fields #> '{}') > 262144 then 'are larger than 256 kB'
        when pg_catalog.jsonb_path_exists(f.fields, 'strict $.**{100}')
          then 'hold lists in lists, more than 100 deep'
        when not pg_catalog.jsonb_path_exists(f.fields, 'strict $.** ? (@.type() == "number")') then case
          when pg_column_size(f.fields #> '{}') > 262144 / 8 and octet_length(f.fields::text) > 262144
            then 'are larger than 256 kB'
        end
        when pg_catalog.jsonb_path_exists(f.fields, 'strict $.** ? (@.type() == "number" && (
            @ > 1e300 || @ < -1e300 || (@ > -1e-300 && @ < 1e-300 && @ != 0)))')
          then 'hold a number that nothing can count, such as 1e5000'
        when octet_length(f.fields::text) > 262144 then 'are larger than 256 kB'
      end as why
    from public.leads l
    cross join lateral (
      -- `to_jsonb` makes a jsonb anew, for which other types of the column need it; `offset 0`: once a lead.
      select case pg_typeof(l.custom_fields)
        when 'jsonb'::regtype then l.custom_fields::jsonb else pg_catalog.to_jsonb(l.custom_fields)
      end as fields
      offset 0) f
    where l.id = any(unreadable_leads.leads) and pg_catalog.jsonb_typeof(f.fields) = 'object'
  ) judged
  where judged.why is not null;
end
$$;

-- What an account may send, and when: which mails count, its pace, its pauses and its daily limit.

create or replace function public.may_have_left(outcome text) returns boolean
language sql
immutable
parallel safe
security invoker
-- No `set`, not even of search_path: the planner puts the body in the place of the call only then, and only so do
-- the partial indexes of send_attempts serve.
as $$
  -- Whether the mail of an attempt with this outcome left or may have. To the letter the condition of the
  -- indexes send_attempts_one_mail and send_attempts_of_account.
  select outcome is null or outcome = 'sent' or outcome = 'unclear';
$$;

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
    and public.may_have_left(s.outcome)
    and s.started_at > mails_of_account.t - interval '24 hours';
$$;

create or replace function public.by_hour(started timestamptz[], t timestamptz) returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Mails of the last 24 hours by their age in whole hours: 24 numbers, the youngest first.
  select pg_catalog.jsonb_agg(coalesce(counted.mails, 0) order by ages.age)
  from generate_series(0, 23) ages (age)
  left join (
    select floor(extract(epoch from by_hour.t - s.started_at) / 3600)::integer as age, count(*) as mails
    from unnest(by_hour.started) s (started_at)
    group by 1
  ) counted on counted.age = ages.age;
$$;

create or replace function public.mails_by_hour(account uuid, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same mails, as by_hour has them.
  select public.by_hour(
    array(
      select s.started_at
      from public.send_attempts s
      where s.account_id = mails_by_hour.account
        and public.may_have_left(s.outcome)
        and s.started_at > mails_by_hour.t - interval '24 hours'),
    mails_by_hour.t);
$$;

create or replace function public.daily_limit_of(a public.accounts, default_per_day integer, t timestamptz)
returns integer
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Its mails in any 24 hours: its own number or the default one, or fewer while its ramp has not reached that.
  select case
    when a.ramp_from is null then coalesce(a.daily_limit, default_per_day)
    else public.ramped_limit(a, coalesce(a.daily_limit, default_per_day), t)
  end;
$$;

create or replace function public.mails_left(a public.accounts, per_day integer, t timestamptz) returns bigint
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- How many mails the account may still begin, or fewer. Counted once, then counted down by begin_attempt:
  -- of these nothing is taken away but by the mails that we begin.
  select case
    when a.mails_left_of = per_day and a.mails_left > 0 then a.mails_left
    else per_day - public.mails_of_account(a.id, t)
  end;
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
    and public.may_have_left(s.outcome)
    and s.started_at > below_daily_limit_at.t - interval '24 hours'
  order by s.started_at desc
  offset below_daily_limit_at.per_day - 1
  limit 1;
$$;

create or replace function public.pace_of(a public.accounts, default_pace double precision) returns double precision
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Seconds between two of its mails. At most a day: a pace that no calendar can hold must not stop the run.
  select least(coalesce(a.pace_seconds, default_pace), 86400);
$$;

create or replace function public.seconds_paused(paused_until timestamptz, t timestamptz) returns double precision
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- How long an account still rests; null: it does not. A row may say `infinity`, from which older versions of
  -- Postgres take nothing away.
  select case
    when paused_until > t
      then extract(epoch from least(paused_until, t + interval '10 years') - t)::double precision
  end;
$$;

create or replace function public.why_unable(a public.accounts, campaign_user uuid) returns text
language sql
stable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Why the account can send no mail of a campaign of this user until a person mends it; null: it can.
  select case
    when a.status is distinct from 'active'
      then pg_catalog.format('%s cannot send: %s', a.email, coalesce(a.status_reason, 'reconnect the account'))
    when a.user_id <> campaign_user
      then pg_catalog.format('%s cannot send: it belongs to another user than the campaign', a.email)
  end;
$$;

create or replace function public.allowance(
  a public.accounts,
  per_day integer,
  t timestamptz,
  out mails_left bigint,
  out free_at timestamptz,
  out waiting_for text
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- How many mails the account may still begin; or when it may begin one again, and what it waits for until then.
begin
  if a.paused_until > t then
    free_at := a.paused_until;
    waiting_for := case
      when a.rest_reason is null then pg_catalog.format('the quota of %s', a.email)
      else pg_catalog.format('the rest of %s (%s)', a.email, a.rest_reason)
    end;
    return;
  end if;
  mails_left := public.mails_left(a, per_day, t);
  if mails_left <= 0 then
    free_at := public.below_daily_limit_at(a.id, per_day, t);
    waiting_for := pg_catalog.format('the daily limit of %s (%s)', a.email, per_day);
  end if;
end
$$;

-- Only the service role may read what is ours or call what is ours.

create or replace function public.lock_down() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Rights on the functions of the newest release and on our tables. Repeatable: roles may have come since.
declare
  ours text[];
  f text;
  r name;
begin
  select x.functions into ours from public.schema_releases x order by x.version desc limit 1;
  foreach f in array ours loop
    execute format('revoke execute on function %s from public', f);
    for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
      execute format('revoke execute on function %s from %I', f, r);
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
      execute format('grant execute on function %s to service_role', f);
    end if;
  end loop;
  -- A default of the columns id: whoever inserts a row calls it, and it tells nothing.
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('grant execute on function public.time_ordered_id() to %I', r);
  end loop;

  revoke all on public.send_attempts, public.lead_failures, public.schema_releases, public.dispatchers from public;
  revoke all on public.suppressions, public.audit, public.address_hash_key, public.web_addresses from public;
  revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences,
    public.erasures from public;
  revoke all on public.template_versions, public.mail_events, public.daily_counts, public.daily_failures,
    public.digests from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format(
      'revoke all on public.send_attempts, public.lead_failures, public.schema_releases, public.dispatchers from %I', r);
    execute format('revoke all on public.suppressions, public.audit, public.address_hash_key, public.web_addresses from %I', r);
    execute format(
      'revoke all on public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences,
        public.erasures from %I', r);
    execute format(
      'revoke all on public.template_versions, public.mail_events, public.daily_counts, public.daily_failures,
        public.digests from %I', r);
  end loop;
  if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
    -- A new Supabase project grants nobody anything on new tables.
    grant select, insert, update, delete
      on public.companies, public.leads, public.accounts, public.campaigns, public.campaign_accounts,
        public.campaign_leads, public.send_attempts, public.lead_failures, public.dispatchers, public.suppressions,
        public.web_addresses, public.template_versions, public.mail_events, public.daily_counts,
        public.daily_failures, public.digests,
        public.mailboxes, public.inbound, public.inbound_mails, public.unread_mails, public.absences, public.erasures
      to service_role;
    grant select, insert, update (subject) on public.audit to service_role;
    grant select on public.schema_releases, public.address_hash_key to service_role;
  end if;
  perform public.make_report_views();
  if to_regprocedure('auth.uid()') is not null
    and exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    -- A user of the web app may see whom their campaigns do not mail, and what came back. Last, so that it is the same
    -- each time.
    grant select on public.suppressions, public.inbound, public.inbound_mails to authenticated;
    drop policy if exists suppressions_of_owner on public.suppressions;
    create policy suppressions_of_owner on public.suppressions
      for select to authenticated using (user_id = (select auth.uid()));
    drop policy if exists inbound_of_owner on public.inbound;
    create policy inbound_of_owner on public.inbound
      for select to authenticated using (user_id = (select auth.uid()));
    drop policy if exists inbound_mails_of_owner on public.inbound_mails;
    create policy inbound_mails_of_owner on public.inbound_mails
      for select to authenticated using (user_id = (select auth.uid()));
  end if;

  -- After the last change of a function.
  update public.schema_releases x
  set fingerprint = case when x.hash = public.functions_hash(x.functions) then public.functions_fingerprint() end
  where x.version = (select max(y.version) from public.schema_releases y);
end
$$;

-- Reading mailboxes: who reads which one, how far it was read, what failed.
--
-- A reader leases mailboxes, so that each is read by one at a time. The cursor moves only past what is recorded: a
-- reader that dies leaves it, and the next one reads the same again, which `inbound` records once.

create or replace function public.take_mailboxes(
  reader uuid,
  lease_seconds double precision,
  rest_seconds double precision,
  most integer default 100,
  address text default null,
  now timestamptz default null,
  account uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Leases mailboxes that were not read for rest_seconds, of accounts that have sent mails; or that of `address` or
-- `account`, at any time. `since`: what arrived from then on may be unread.
declare
  t timestamptz;
begin
  insert into public.mailboxes (account_id)
  select a.id
  from public.accounts a
  where a.status <> 'removed' and coalesce(a.refresh_token, '') <> ''
    and not exists (select from public.mailboxes m where m.account_id = a.id)
  on conflict do nothing;
  t := coalesce(now, clock_timestamp());
  return query
  with due as materialized (
    select m.account_id
    from public.mailboxes m
    join public.accounts a on a.id = m.account_id
    where a.status <> 'removed' and coalesce(a.refresh_token, '') <> ''
      and (m.lease_until is null or m.lease_until <= t or m.reader = take_mailboxes.reader)
      and case
        when m.reader = take_mailboxes.reader then true -- asked again
        when account is not null then a.id = account
        when address is not null then public.mailbox_key(a.email) = public.mailbox_key(address)
        else (m.next_read_at is null or m.next_read_at <= t)
          and exists (
            select from public.send_attempts s where s.account_id = a.id and public.may_have_left(s.outcome))
      end
    order by m.next_read_at nulls first, m.account_id
    limit most
    for no key update of m skip locked
  ), taken as (
    update public.mailboxes m
    set
      reader = take_mailboxes.reader, reading_since = t, lease_until = t + lease_seconds * interval '1 second',
      next_read_at = t + rest_seconds * interval '1 second'
    from due
    where m.account_id = due.account_id
    returning m.*
  )
  select pg_catalog.jsonb_build_object(
    'account', a.id, 'email', a.email, 'history_id', taken.history_id,
    -- Machines' clocks are apart, and Gmail's too.
    'since', greatest(coalesce(taken.read_at, first.started_at, t) - interval '10 minutes', t - interval '90 days'),
    'footers', coalesce(texts.footers, '[]'))
  from taken
  join public.accounts a on a.id = taken.account_id
  left join lateral (
    select s.started_at
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome)
    order by s.started_at
    limit 1
  ) first on true
  cross join lateral (
    select pg_catalog.jsonb_agg(f.footer) as footers
    from (
      select distinct left(c.footer, 2000) as footer
      from public.campaign_accounts ca
      join public.campaigns c on c.id = ca.campaign_id
      where ca.account_id = a.id and c.footer <> ''
      limit 20
    ) f
  ) texts;
end
$$;

create or replace function public.keep_mailbox(
  account uuid,
  reader uuid,
  lease_seconds double precision,
  history text default null,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Prolongs the lease; with `history` moves the cursor there. No row: another reader has the mailbox.
  update public.mailboxes m
  set
    lease_until = coalesce(keep_mailbox.now, clock_timestamp()) + keep_mailbox.lease_seconds * interval '1 second',
    history_id = coalesce(keep_mailbox.history, m.history_id)
  where m.account_id = keep_mailbox.account and m.reader = keep_mailbox.reader
  returning pg_catalog.jsonb_build_object('answer', 'kept');
$$;

create or replace function public.finish_mailbox(
  account uuid,
  reader uuid,
  history text,
  granted text default null,
  gap_since timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- All that had arrived when the reading began is recorded. gap_since: Gmail had forgotten the changes from then on.
  update public.mailboxes m
  set
    history_id = finish_mailbox.history, read_at = m.reading_since, reader = null, lease_until = null, failures = 0,
    problem = null, can_read = true, scopes = left(finish_mailbox.granted, 1001),
    gap_from = coalesce(finish_mailbox.gap_since, m.gap_from),
    gap_until = case when finish_mailbox.gap_since is null then m.gap_until else m.reading_since end
  where m.account_id = finish_mailbox.account and m.reader = finish_mailbox.reader
  returning pg_catalog.jsonb_build_object('answer', 'finished');
$$;

create or replace function public.fail_mailbox(
  account uuid,
  reader uuid,
  why text,
  readable boolean default null,
  granted text default null,
  wait_seconds double precision default null,
  now timestamptz default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The cursor stays. It is tried again after wait_seconds, or later each time up to a quarter of an hour. `is_new`:
  -- the reading before did not fail for this reason.
  with before as (
    select m.problem from public.mailboxes m where m.account_id = fail_mailbox.account
  )
  update public.mailboxes m
  set
    reader = null, lease_until = null, failures = m.failures + 1, problem = left(fail_mailbox.why, 1001),
    can_read = coalesce(fail_mailbox.readable, m.can_read), scopes = coalesce(left(fail_mailbox.granted, 1001), m.scopes),
    next_read_at = coalesce(fail_mailbox.now, clock_timestamp())
      + coalesce(fail_mailbox.wait_seconds, least(60 * 2 ^ least(m.failures, 4), 900)) * interval '1 second'
  from before
  where m.account_id = fail_mailbox.account and m.reader = fail_mailbox.reader
  returning pg_catalog.jsonb_build_object(
    'answer', 'failed', 'is_new', before.problem is distinct from left(fail_mailbox.why, 1001));
$$;

create or replace function public.note_unread(account uuid, mail text) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- This mail could not be read in one more round, while others could; answers how often.
  insert into public.unread_mails as u (account_id, gmail_id)
  values (note_unread.account, note_unread.mail)
  on conflict (account_id, gmail_id) do update set failures = u.failures + 1
  returning pg_catalog.jsonb_build_object('failures', u.failures);
$$;

create or replace function public.mailbox_of(account uuid, now timestamptz default null) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The reading of an account's mailbox, and what came back to it in the last 30 days.
  select pg_catalog.jsonb_build_object(
    'can_read', m.can_read, 'scopes', m.scopes, 'read_at', m.read_at, 'problem', m.problem,
    'unread_seconds', case
      when first.started_at is not null
        then extract(epoch from a.t - greatest(m.read_at, first.started_at))::double precision
    end,
    'gap_from', m.gap_from, 'gap_until', m.gap_until,
    'bounced', coalesce(c.bounced, 0), 'blocked', coalesce(c.blocked, 0), 'replied', coalesce(c.replied, 0))
  from (select mailbox_of.account as id, coalesce(mailbox_of.now, clock_timestamp()) as t) a
  left join public.mailboxes m on m.account_id = a.id
  left join lateral (
    select s.started_at
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome)
    order by s.started_at
    limit 1
  ) first on true
  cross join lateral (
    select
      count(distinct b.attempt_id) filter (where i.kind = 'bounce' and b.verdict <> 'block') as bounced,
      count(distinct b.attempt_id) filter (where b.verdict = 'block') as blocked,
      count(distinct b.attempt_id) filter (where i.kind = 'reply') as replied
    from public.inbound i
    join public.inbound_mails b on b.inbound_id = i.id
    where i.account_id = a.id and i.received_at > a.t - interval '30 days'
  ) c;
$$;

create or replace function public.list_mailboxes(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  select pg_catalog.jsonb_build_object('id', a.id, 'email', a.email, 'status', a.status, 'connected',
      coalesce(a.refresh_token, '') <> '')
    || public.mailbox_of(a.id, list_mailboxes.now)
  from public.accounts a
  where a.status <> 'removed' and a.id > list_mailboxes.after
  order by a.id
  limit list_mailboxes.most;
$$;

-- Figures for the monitoring of operators.

create or replace function public.operating_figures(now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
-- As for begin_attempt: the planner guesses, and its guess for a table that grew must not cost a minute's reading.
set enable_seqscan = off
as $$
  -- One row for all metrics of the database, asked for again and again: it reads the campaigns that have not ended,
  -- the accounts with their mailboxes, and of leads and attempts only those in hand. A null is a figure that does not exist.
  with looked as materialized (
    select
      clock.t,
      greatest(public.due_at(c.*), case when c.status = 'scheduled' then c.scheduled_at end) as due,
      case
        when c.paused_at is not null then 'paused'
        when c.lease_until > clock.t then 'sending'
        -- Also while a run that was asked for waits for a place in Prefect, such as a pool that is paused.
        when public.is_due(c.*, clock.t)
          or c.dispatched_at is not null and (c.parent_id is null or public.held_by_root(c.*) is null) then 'due'
        else 'waiting'
      end as state
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    join public.campaigns c on c.status in ('scheduled', 'running')
  ),
  campaigns as (
    select
      count(*) filter (where x.state = 'due') as due,
      count(*) filter (where x.state = 'sending') as sending,
      count(*) filter (where x.state = 'waiting') as waiting,
      count(*) filter (where x.state = 'paused') as paused,
      -- Since when one without any time has been due, its row does not tell.
      max(greatest(extract(epoch from x.t - x.due), 0)) filter (where x.state = 'due' and x.due > '-infinity') as lag
    from looked x
  ),
  claimed as (
    -- In the hands of a live run. A claim that lapsed gets a new time.
    select max(greatest(extract(epoch from clock.t - cl.next_attempt_at), 0)) as lag
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    -- In that order only the index of claims has them.
    join (
      select x.* from public.campaign_leads x
      where x.claim_token is not null
      order by x.campaign_id, x.claim_token
      offset 0
    ) cl on cl.status = 'pending' and cl.claimed_until > clock.t and isfinite(cl.next_attempt_at)
    join public.campaigns c
      on c.id = cl.campaign_id and c.status = 'running' and c.paused_at is null and c.lease_until > clock.t
  ),
  attempts as (
    -- Those of a paused campaign stay open until it goes on.
    select count(*) as open, max(greatest(extract(epoch from clock.t - s.started_at), 0)) as oldest
    from (select coalesce(operating_figures.now, clock_timestamp()) as t) clock
    join public.send_attempts s on s.outcome is null and isfinite(s.started_at)
    left join public.campaigns c on c.id = s.campaign_id
    where c.paused_at is null
  ),
  accounts as (
    select
      count(*) filter (where x.able and not x.rests) as active,
      count(*) filter (where x.able and x.rests) as resting,
      count(*) filter (where not x.able) as unusable
    from (
      select
        public.why_unable(a.*, a.user_id) is null and coalesce(a.refresh_token, '') <> '' as able,
        coalesce(a.paused_until > coalesce(operating_figures.now, clock_timestamp()), false) as rests
      from public.accounts a
      where a.status <> 'removed'
    ) x
  ),
  mailboxes as (
    select
      count(*) filter (where x.state = 'read') as read,
      count(*) filter (where x.state = 'failing') as failing,
      count(*) filter (where x.state = 'unreadable') as unreadable,
      -- Of one that lets nobody read there is none.
      max(x.age) filter (where x.state <> 'unreadable') as oldest
    from (
      select
        case when m.can_read is false then 'unreadable' when m.failures > 0 then 'failing' else 'read' end as state,
        case when isfinite(m.read_at)
          then greatest(extract(epoch from coalesce(operating_figures.now, clock_timestamp()) - m.read_at), 0)
        end as age
      from public.mailboxes m
      join public.accounts a on a.id = m.account_id and a.status = 'active'
      where m.read_at is not null or m.failures > 0
    ) x
  )
  select pg_catalog.jsonb_build_object(
    'campaigns', pg_catalog.jsonb_build_object(
      'due', c.due, 'sending', c.sending, 'waiting', c.waiting, 'paused', c.paused),
    'places_taken', (select (x ->> 'taken')::bigint from public.count_places(operating_figures.now) x),
    'campaign_lag_seconds', coalesce(c.lag, 0)::double precision,
    'lead_lag_seconds', coalesce(l.lag, 0)::double precision,
    'open_attempts', s.open,
    'oldest_open_attempt_seconds', coalesce(s.oldest, 0)::double precision,
    'accounts', pg_catalog.jsonb_build_object('active', a.active, 'resting', a.resting, 'unusable', a.unusable),
    'mailboxes', pg_catalog.jsonb_build_object('read', m.read, 'failing', m.failing, 'unreadable', m.unreadable),
    'mailbox_age_seconds', coalesce(m.oldest, 0)::double precision)
  from campaigns c, claimed l, attempts s, accounts a, mailboxes m;
$$;

-- Openings: each fetch of a mail's pixel with its class. The rules are here alone, for every endpoint.

create or replace function public.open_class(
  user_agent text,
  age_seconds double precision,
  fetches_before integer,
  out class text,
  out rule text
)
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Who fetched a pixel, and by which rule; the first that holds. user_agent: empty when the request had none, null
  -- when the endpoint does not tell it. age_seconds: since the mail was sent, null when it is not known to be.
  -- fetches_before: of the same pixel, in the five seconds before.
  select x.class, x.rule
  from (
    values
      -- Scanners open a mail before it is in the inbox; nobody reads that fast.
      (1, age_seconds < 10, 'machine', 'fetched within ten seconds of sending'),
      (2, user_agent is null, 'unclassified', 'the endpoint tells no user agent'),
      (3, user_agent !~ '[^[:space:]]', 'machine', 'no user agent'),
      (4, user_agent ~* ('bot\M|crawl|spider|scan|headless|barracuda|mimecast|proofpoint|python|curl/|wget|java/|okhttp'
        '|edge/12[.]246.mozilla/5[.]0|go-http-client|node-fetch|axios|libwww|httpclient|amazon.cloudfront|ahc/|hubspot.connect|facebookexternalhit'),
        'machine', 'a program that is no mail reader'),
      (5, fetches_before >= 2, 'machine', 'fetched three times within five seconds'),
      -- Both fetch when the mail is shown.
      (6, user_agent ~* 'googleimageproxy|ggpht\.com', 'person', 'the image proxy of Gmail'),
      (7, user_agent ~* 'yahoomailproxy|yahoo!.mail', 'person', 'the image proxy of Yahoo'),
      -- Mail Privacy Protection fetches whether or not the mail is looked at. Apple Mail without it, and some Outlook,
      -- have the second form, too.
      (8, user_agent ~ '^\s*Mozilla/5\.0\s*$', 'proxy', 'the privacy proxy of Apple'),
      (9, user_agent ~ '\(KHTML,.like.Gecko\)\s*$', 'proxy', 'the privacy proxy of Apple, or Apple Mail'),
      (10, user_agent ~* 'mozilla/|opera|thunderbird|outlook|microsoft.office|airmail|spark|mailmate|postbox|emclient|k-9',
        'person', 'a mail reader or a browser'),
      (11, true, 'unclassified', 'an unknown program')
  ) x (no, holds, class, rule)
  where x.holds
  order by x.no
  limit 1;
$$;

create or replace function public.better_class(one text, other text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Of a lead's openings: a person's wins, then what may be one.
  select case
    when 'person' in (one, other) then 'person'
    when 'unclassified' in (one, other) or 'proxy' in (one, other) then 'unclassified'
    when 'machine' in (one, other) then 'machine'
  end;
$$;

create or replace function public.record_opens(fetches jsonb, now timestamptz default null) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Both as for begin_attempt.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- Fetches of pixels: a list of at most 1,000 {id, lead, user_agent, seconds_ago}. `lead` is campaign_leads.id; one
-- that nobody knows is passed over. `id` is the caller's: the same fetch is recorded once. Of a lead the first hundred.
--   recorded: {opened, classes} how many leads were opened for the first time, and the class of each fetch
declare
  most constant integer := 100;
  t constant timestamptz := coalesce(now, clock_timestamp());
  given constant uuid[] := array(
    select distinct f.lead
    from pg_catalog.jsonb_to_recordset(fetches) f (lead uuid)
    where f.lead is not null
    limit 1000);
  one record;
  judged record;
  was text;
  becomes text;
  is_first boolean;
  seen integer;
  lately integer;
  opened integer := 0;
  classes text[] := '{}';
begin
  -- All leads before the first count, as everywhere.
  perform from public.campaign_leads cl where cl.id = any (given) order by cl.id for no key update;
  for one in
    select
      coalesce(f.id, public.time_ordered_id()) as id, cl.id as lead, left(f.user_agent, 300) as user_agent,
      t - greatest(coalesce(f.seconds_ago, 0), 0) * interval '1 second' as at,
      mail.campaign, mail.day, mail.account, mail.template, mail.sent_at
    from pg_catalog.jsonb_to_recordset(fetches) f (id uuid, lead uuid, user_agent text, seconds_ago double precision)
    join public.campaign_leads cl on cl.id = f.lead and cl.id = any (given)
    left join lateral public.mail_of_lead(cl.id) mail on true
    order by mail.campaign, mail.day, mail.account, mail.template, cl.id, f.seconds_ago desc
    limit 1000
  loop
    select count(*), count(*) filter (where e.at > one.at - interval '5 seconds' and e.at <= one.at)
    into seen, lately
    from public.mail_events e
    where e.campaign_lead_id = one.lead;
    continue when seen >= most;
    judged := public.open_class(one.user_agent, extract(epoch from one.at - one.sent_at)::double precision, lately);
    insert into public.mail_events (id, campaign_lead_id, at, class, rule)
    values (one.id, one.lead, one.at, judged.class, judged.rule)
    on conflict do nothing;
    continue when not found;
    classes := classes || judged.class;

    select cl.open_class, cl.opened_at is null and judged.class <> 'machine' into was, is_first
    from public.campaign_leads cl
    where cl.id = one.lead;
    -- What is not known to be sent counts nowhere yet: adopt_opens does when it is.
    becomes := case when one.day is not null then public.better_class(was, judged.class) else was end;
    opened := opened + is_first::integer;
    continue when not is_first and becomes is not distinct from was;
    update public.campaign_leads cl
    set opened_at = case when is_first then one.at else cl.opened_at end, open_class = becomes
    where cl.id = one.lead;
    if becomes is distinct from was then
      perform public.count_opening(one.campaign, one.day, one.account, one.template, was, -1);
      perform public.count_opening(one.campaign, one.day, one.account, one.template, becomes, 1);
    end if;
  end loop;
  return next pg_catalog.jsonb_build_object(
    'answer', 'recorded', 'opened', opened, 'classes', pg_catalog.to_jsonb(classes));
end
$$;

create or replace function public.record_open(
  lead uuid,
  now timestamptz default null,
  user_agent text default null
) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- One fetch of a mail's pixel, for an endpoint of the web app; `lead` is campaign_leads.id. `user_agent`: the header
  -- of the request, empty where it has none.
  --   opened: {class} the lead's first opening that is no machine's      unchanged: {class}
  select pg_catalog.jsonb_build_object(
    'answer', case when x ->> 'opened' = '0' then 'unchanged' else 'opened' end,
    'class', x #>> '{classes,0}')
  from public.record_opens(
    pg_catalog.jsonb_build_array(
      pg_catalog.jsonb_build_object('lead', record_open.lead, 'user_agent', record_open.user_agent)),
    record_open.now) x;
$$;

create or replace function public.adopt_opens(most integer default 1000) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Counts openings that came before their mail was recorded, and those that an endpoint of the web app wrote itself:
-- they are unclassified.      adopted: {leads} 0: none is left
declare
  cl record;
  adopted integer := 0;
begin
  for cl in
    select x.id, mail.*, (
      select case when bool_or(e.class = 'person') then 'person' else 'unclassified' end
      from public.mail_events e
      where e.campaign_lead_id = x.id) as becomes
    from (
      select y.id
      from public.campaign_leads y
      where y.opened_at is not null and y.open_class is null and y.status = 'sent'
      limit most
      for no key update skip locked
    ) x
    cross join lateral public.mail_of_lead(x.id) mail
    order by mail.campaign, mail.day, mail.account, mail.template
  loop
    update public.campaign_leads x set open_class = cl.becomes where x.id = cl.id;
    perform public.count_opening(cl.campaign, cl.day, cl.account, cl.template, cl.becomes, 1);
    adopted := adopted + 1;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'adopted', 'leads', adopted);
end
$$;

create or replace function public.campaign_opened(campaign uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Its leads whose mail was opened, each once, by the best class of its openings.
  select pg_catalog.jsonb_build_object(
    'people', coalesce(sum(n.opened_people), 0),
    'machines', coalesce(sum(n.opened_machines), 0),
    'unclassified', coalesce(sum(n.opened_unclassified), 0) + (
      select count(*)
      from public.campaign_leads cl
      where cl.campaign_id = campaign_opened.campaign and cl.opened_at is not null and cl.open_class is null
        and cl.status = 'sent'))
  from public.daily_counts n
  where n.campaign_id = campaign_opened.campaign;
$$;

-- What became of a mail: recorded, put off, failed, or resolved by a person.

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
  known record;
  lead record;
  s public.send_attempts;
  started_at timestamptz;
  cl public.campaign_leads;
  c public.campaigns;
  t timestamptz;
  mailed_twice boolean := false;
  is_late boolean := false; -- sent, though something else was recorded before
begin
  -- In one: a statement or an expression costs more to prepare than to run.
  select
    x.campaign_id, x.campaign_lead_id, x.account_id, x.outcome,
    became = 'not_sent' or y.crash_count > 0
      or (became = 'sent' and (a.quota_pauses > 0 or a.rate_pauses > 0 or coalesce(x.outcome, 'sent') <> 'sent'))
      as concerns_others
  into known
  from public.send_attempts x
  left join public.campaigns y on y.id = x.campaign_id
  left join public.accounts a on a.id = x.account_id
  where x.id = attempt;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  if known.concerns_others then
    -- A lead that is done is progress, and a mail that left ends the doubling of quota pauses. Not sent is
    -- none: what settles a lead that kills every run must not set the count back each time.
    if became = 'not_sent' then
      -- Against a cancel at this very moment, which leaves leads with an open attempt to us.
      select x.* into c from public.campaigns x where x.id = known.campaign_id for share;
    else
      is_late := became = 'sent' and known.outcome is not null;
      if is_late then -- it may change how the campaign ended
        select x.* into c from public.campaigns x where x.id = known.campaign_id for no key update;
      end if;
      update public.campaigns x set crash_count = 0 where x.id = known.campaign_id and x.crash_count > 0;
    end if;
    if became = 'sent' then
      update public.accounts x set quota_pauses = 0, rate_pauses = 0
      where x.id = known.account_id and (x.quota_pauses > 0 or x.rate_pauses > 0)
        and (x.paused_until is null or x.paused_until <= coalesce(now, clock_timestamp()));
      if known.outcome in ('not_sent', 'refused') then
        -- A late word: one mail more than was counted, so that they are counted anew.
        update public.accounts x set mails_left_of = null, shares_of = null where x.id = known.account_id;
      end if;
    end if;
  end if;
  select x.id, x.open_attempt_id into lead
  from public.campaign_leads x
  where x.id = known.campaign_lead_id
  for no key update;
  t := coalesce(now, clock_timestamp());

  update public.send_attempts x
  set
    outcome = became, detail = why, finished_at = t, retry_after = again_after,
    thread_id = coalesce(thread, x.thread_id)
  where x.id = attempt
    -- By its key: an index of open attempts has few rows, and a plan that reads them all looks cheap.
    and coalesce(x.outcome, '') = ''
  returning x.started_at into started_at;
  if not found then
    select x.* into s from public.send_attempts x where x.id = attempt for update;
    if s.outcome = 'sent' or became <> 'sent' then
      return next pg_catalog.jsonb_build_object('answer', s.outcome);
      return;
    end if;
    if s.outcome in ('not_sent', 'refused') then
      -- A late word about a draft that a newer attempt took over: it is that attempt which was sent.
      select x.id into attempt
      from public.send_attempts x
      where x.campaign_lead_id = s.campaign_lead_id and x.id <> s.id
        and public.may_have_left(x.outcome)
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
          and public.may_have_left(x.outcome));
    end if;
    update public.send_attempts x
    set
      outcome = case when mailed_twice then x.outcome else became end,
      detail = case when mailed_twice then 'sent all the same, beside another lead of this address' else why end,
      finished_at = t, retry_after = again_after, thread_id = coalesce(thread, x.thread_id)
    where x.id = attempt;
    started_at := s.started_at;
  end if;

  if became = 'sent' then
    update public.campaign_leads x
    set
      status = 'sent', sent_at = started_at, message_id = message, thread_id = thread, error = null,
      open_attempt_id = null, claim_token = null, claimed_until = null, next_attempt_at = null
    where x.id = lead.id;
    if is_late and c.status = 'error' and public.is_over(c, t) then
      perform public.end_campaign(c.id, t);
    end if;
  elsif lead.open_attempt_id = attempt and became = 'refused' then
    update public.campaign_leads x
    set status = 'failed', error = why, open_attempt_id = null, next_attempt_at = null
    where x.id = lead.id;
    perform public.note_failures(array[lead.id], t);
  elsif lead.open_attempt_id = attempt and became = 'unclear' then
    update public.campaign_leads x
    set status = 'failed', error = 'may have been sent: ' || coalesce(why, 'no reason recorded'), open_attempt_id = null, next_attempt_at = null
    where x.id = lead.id;
    perform public.note_failures(array[lead.id], t);
  elsif lead.open_attempt_id = attempt then
    select x.* into cl from public.campaign_leads x where x.id = lead.id;
    perform public.put_off(cl, c, again_after, why, t);
  end if;
  return next pg_catalog.jsonb_build_object('answer', became);
end
$$;

create or replace function public.is_over(c public.campaigns, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- Nothing of it is to be mailed, and no live run is about to count its end.
  select ((is_over.c).run_id is not null and (is_over.c).lease_until > is_over.t) is not true and not exists (
    select from public.campaign_leads x where x.campaign_id = (is_over.c).id and x.status = 'pending');
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
    perform public.note_failures(array[cl.id], t);
  else
    update public.campaign_leads x
    set next_attempt_at =
      t + coalesce(again_after, least(60 * 2 ^ least(failures - 1, 10), 3600)) * interval '1 second'
    where x.id = cl.id;
  end if;
end
$$;

create or replace function public.fail_lead(
  lead uuid,
  claim uuid,
  why text,
  now timestamptz default null
) returns setof jsonb
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
  if found then
    perform public.note_failures(array[lead], coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  else
    return next pg_catalog.jsonb_build_object('answer', 'not_ours');
  end if;
end
$$;

create or replace function public.note_failures(leads uuid[], t timestamptz) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of leads that have failed just now: the reason stays here when the lead is tried again.
  insert into public.lead_failures (campaign_lead_id, failed_at, reason)
  select cl.id, note_failures.t, coalesce(cl.error, 'no reason recorded')
  from public.campaign_leads cl
  where cl.id = any (note_failures.leads);
$$;

create or replace function public.keep_failures(leads uuid[]) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of leads that are about to be tried again: what another sender had failed was noted by nobody yet.
  insert into public.lead_failures (campaign_lead_id, reason)
  select cl.id, coalesce(cl.error, 'no reason recorded')
  from public.campaign_leads cl
  left join lateral (
    select f.reason
    from public.lead_failures f
    where f.campaign_lead_id = cl.id
    order by f.failed_at desc nulls last, f.id desc
    limit 1
  ) noted on true
  where cl.id = any (keep_failures.leads) and noted.reason is distinct from coalesce(cl.error, 'no reason recorded');
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
  select attempt, c.id, lead, cl.assigned_account_id, run, public.canonical_address(mail_address), t, '', t, 'not_sent', why, again_after
  where cl.assigned_account_id is not null
  on conflict do nothing;
  perform public.put_off(cl, c, again_after, why, t);
  return next pg_catalog.jsonb_build_object('answer', 'deferred');
end
$$;

create or replace function public.resolve_lead(
  was_sent boolean,
  lead uuid default null,
  campaign uuid default null,
  address text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A person has looked: a lead that "may have been sent" was, or it was not and is mailed again. Then the
-- campaign's end is counted anew. The lead is named by its id, or by its address in a campaign.
--   resolved: {lead, lead_status, campaign, campaign_status}      rejected: {reason, remedy}
declare
  cl public.campaign_leads;
  c public.campaigns;
  s public.send_attempts;
  t timestamptz;
  word constant text := case when was_sent then 'a person found it sent' else 'a person found it not sent' end;
begin
  -- Of several rows with the address, the one in doubt is meant.
  select x.* into cl
  from public.campaign_leads x
  left join public.leads l on l.id = x.lead_id
  where x.id = lead
    or (lead is null and x.campaign_id = campaign and public.mailbox_key(l.email) = public.mailbox_key(address))
  order by
    exists (
      select from public.send_attempts y where y.campaign_lead_id = x.id and y.outcome = 'unclear'
    ) desc,
    x.id
  limit 1;
  if not found then
    return next case
      when lead is null then pg_catalog.jsonb_build_object(
        'answer', 'rejected', 'reason', pg_catalog.format('The campaign has no lead %s.', address),
        'remedy', 'list_leads')
      else pg_catalog.jsonb_build_object(
        'answer', 'rejected',
        'reason', pg_catalog.format('There is no lead %s; give its address with --campaign ID.', lead))
    end;
    return;
  end if;

  select x.* into c from public.campaigns x where x.id = cl.campaign_id for no key update;
  select x.* into cl from public.campaign_leads x where x.id = cl.id for no key update;
  t := coalesce(now, clock_timestamp());
  select x.* into s
  from public.send_attempts x
  where x.campaign_lead_id = cl.id
  order by x.started_at desc, x.id desc
  limit 1
  for update;

  if cl.status = 'failed' and s.outcome = 'unclear' then
    perform public.settle_by_hand(cl, c, s, was_sent, word, t);
  elsif s.detail is null or s.detail not like word || '%' then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'The lead is %s and not in doubt; only one that “may have been sent” can be resolved.', cl.status));
    return;
  end if;
  return query
    select pg_catalog.jsonb_build_object(
      'answer', 'resolved',
      'lead', y.id, 'lead_status', y.status, 'campaign', x.id, 'campaign_status', x.status)
    from public.campaign_leads y
    join public.campaigns x on x.id = y.campaign_id
    where y.id = cl.id;
end
$$;

create or replace function public.settle_by_hand(
  cl public.campaign_leads,
  c public.campaigns,
  s public.send_attempts,
  was_sent boolean,
  word text,
  t timestamptz
) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The caller holds the locks of all three rows.
declare
  owned constant boolean := c.run_id is not null and c.lease_until > t;
begin
  perform public.keep_failures(array[cl.id]);
  if was_sent then
    update public.send_attempts x set outcome = 'sent', finished_at = t, detail = word where x.id = s.id;
    update public.campaign_leads x
    set status = 'sent', sent_at = s.started_at, thread_id = s.thread_id, error = null, next_attempt_at = null
    where x.id = cl.id;
    if c.parent_id is not null and c.status = 'running' then
      -- Only the planning of steps knows whether somebody is left to follow.
      update public.campaigns x set next_follow_at = t where x.id = c.id;
    elsif c.status in ('running', 'completed', 'error') and public.is_over(c, t) then
      perform public.end_campaign(c.id, t);
    end if;
    return;
  end if;

  -- Its draft is forgotten: it is gone, and a claim that took it up again would be in doubt again.
  update public.send_attempts x
  set
    outcome = 'not_sent', finished_at = t, retry_after = 0, draft_id = null,
    detail = word || coalesce(' (draft ' || x.draft_id || ')', '')
  where x.id = s.id;
  if c.status = 'cancelled' then
    update public.campaign_leads x set status = 'cancelled', error = null where x.id = cl.id;
    return;
  end if;
  update public.campaign_leads x
  set status = 'pending', error = null, next_attempt_at = null, claim_token = null, claimed_until = null
  where x.id = cl.id;
  if c.status in ('running', 'completed', 'error') and not owned then
    update public.campaigns x
    set
      status = 'running', error = null, finished_at = null, resume_at = null, run_id = null,
      waiting_for = case when x.paused_at is not null then x.waiting_for end,
      lease_until = null, crash_count = 0, dispatch_misses = 0, dispatched_at = null, idle = false
    where x.id = c.id;
  end if;
end
$$;

-- Whose is what: accounts of another user, and who can read the tokens of accounts.

create or replace function public.fault_of_accounts(c public.campaigns) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- {problem, remedy} where the campaign names accounts that belong to another user than it does; null where it
  -- names none. A row without an owner is everybody's.
  select pg_catalog.jsonb_build_object(
    'problem', pg_catalog.format(
      'The campaign names accounts of another user (%s)', pg_catalog.string_agg(a.email, ', ' order by a.email)),
    'remedy', 'take them out of campaign_accounts')
  from public.campaign_accounts ca
  join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
  where ca.campaign_id = c.id and a.user_id <> c.user_id
  having count(*) > 0;
$$;

create or replace function public.accounts_of_others(c public.campaigns) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same in a sentence, for a campaign that was to be started.
  select pg_catalog.format('%s; %s, then start it again.', fault ->> 'problem', fault ->> 'remedy')
  from public.fault_of_accounts(c) fault
  where fault is not null;
$$;

create or replace function public.exposed_tokens() returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The roles of the web app's users that can read the tokens of accounts: of every row, or of those that a
  -- policy gives them; and the statement that keeps the tokens from them.
  select pg_catalog.jsonb_build_object(
    'role', r.rolname,
    'rows', case when r.rolbypassrls or not t.relrowsecurity then 'all' else 'policy' end,
    'statement', pg_catalog.format(
      'revoke select on public.accounts from %s%I; grant select (%s) on public.accounts to %2$I;',
      case when pg_catalog.has_column_privilege('public', t.oid, 'refresh_token', 'select') then 'public, ' else '' end,
      r.rolname,
      (
        select pg_catalog.string_agg(pg_catalog.quote_ident(x.attname), ', ' order by x.attnum)
        from pg_catalog.pg_attribute x
        where x.attrelid = t.oid and x.attnum > 0 and not x.attisdropped
          and x.attname not in ('refresh_token', 'access_token')
      )))
  from pg_catalog.pg_roles r
  cross join pg_catalog.pg_class t
  where r.rolname in ('anon', 'authenticated')
    and t.oid = 'public.accounts'::regclass
    and (
      pg_catalog.has_column_privilege(r.oid, t.oid, 'refresh_token', 'select')
      or pg_catalog.has_column_privilege(r.oid, t.oid, 'access_token', 'select'))
    and (
      r.rolbypassrls or not t.relrowsecurity or exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = t.oid and p.polpermissive and p.polcmd in ('r', '*')
          and exists (
            select from unnest(p.polroles) given (role)
            where given.role = 0 or pg_catalog.pg_has_role(r.oid, given.role, 'usage'))))
  order by r.rolname;
$$;

-- A new account's daily limit, which grows with the days on which it sent.
--
-- A day is 24 hours from its first mail, as the daily limit counts 24 hours: whatever zone the account is in, its
-- limit never grows twice in one. The log says which days sent; a day that ends while too many mails come back dead
-- does not count.

create or replace function public.ramp_of(
  a public.accounts,
  t timestamptz,
  out days integer,
  out counted_until timestamptz,
  out day_ends timestamptz
)
language plpgsql
stable
security invoker
set search_path = ''
-- Both as for begin_attempt.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_variable
-- How many days count at `t`, and until when the log is counted, from where the row has it on. day_ends: of the day
-- that is not over; null: the next mail begins one.
declare
  began timestamptz;
begin
  days := a.ramp_days;
  counted_until := coalesce(a.ramp_counted_until, '-infinity');
  loop
    select s.started_at into began
    from public.send_attempts s
    where s.account_id = a.id and public.may_have_left(s.outcome) and s.outcome = 'sent'
      and s.started_at >= counted_until and s.started_at <= t
    order by s.started_at
    limit 1;
    exit when not found;
    if began + interval '24 hours' > t then
      day_ends := began + interval '24 hours';
      exit;
    end if;
    counted_until := began + interval '24 hours';
    days := days + (not public.is_ramp_frozen(a.id, counted_until))::integer;
  end loop;
end
$$;

create or replace function public.is_ramp_frozen(account uuid, t timestamptz) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  -- More than 3 % came back dead: the limit stays as it is.
  select public.account_bounce_rate(is_ramp_frozen.account, is_ramp_frozen.t) > 0.03;
$$;

create or replace function public.limit_on_day(a public.accounts, days integer) returns bigint
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- The limit of a ramp after so many days that sent; the daily limit may be lower.
  select a.ramp_from + a.ramp_step::bigint * days;
$$;

create or replace function public.ramped_limit(a public.accounts, full_limit integer, t timestamptz) returns integer
language sql
stable
security invoker
set search_path = ''
as $$
  select least(ramped_limit.full_limit, public.limit_on_day(a, x.days))::integer
  from public.ramp_of(a, ramped_limit.t) x;
$$;

create or replace function public.count_ramp(a public.accounts, t timestamptz) returns public.accounts
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Notes in the account's row, which the caller has locked, what is counted of the log.
declare
  counted record;
begin
  counted := public.ramp_of(a, t);
  if counted.counted_until > coalesce(a.ramp_counted_until, '-infinity') then
    update public.accounts x
    set ramp_days = counted.days, ramp_counted_until = counted.counted_until
    where x.id = a.id
    returning x.* into a;
  end if;
  return a;
end
$$;

create or replace function public.told_ramp(a public.accounts, t timestamptz) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The ramp of an account, for people and estimates; null: it has none.
  select pg_catalog.jsonb_build_object(
    'begin', a.ramp_from, 'step', a.ramp_step, 'days', x.days, 'limit', public.limit_on_day(a, x.days),
    'frozen', public.is_ramp_frozen(a.id, told_ramp.t),
    'day_ends_seconds', extract(epoch from x.day_ends - told_ramp.t)::double precision)
  from public.ramp_of(a, told_ramp.t) x
  where a.ramp_from is not null;
$$;

-- The numbers of the views in one answer, for the command and for web apps: PostgREST shows no schema but public.

create or replace function public.report_numbers(
  campaign uuid default null,
  since date default null,
  until date default null,
  most integer default 100
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of one campaign or of all, of mails sent from `since` to `until` (days in UTC). One statement sees one moment, so
  -- that all its numbers agree. Of each list the `most` that matter; `days` has every day that has a number.
  with facts as materialized (
    select n.*
    from outreach_report.days n
    where (report_numbers.campaign is null or n.campaign_id = report_numbers.campaign)
      and (report_numbers.since is null or n.day >= report_numbers.since)
      and (report_numbers.until is null or n.day <= report_numbers.until)
  ),
  summed as (
    select
      grouping(f.day) as no_day, grouping(f.campaign_id) as no_campaign, grouping(f.account_id) as no_account,
      grouping(f.template) as no_template,
      f.day, f.campaign_id, f.account_id, f.template, max(f.campaign) as campaign, max(f.account) as account,
      coalesce(sum(f.sent), 0)::bigint as sent, coalesce(sum(f.refused), 0)::bigint as refused,
      coalesce(sum(f.put_off), 0)::bigint as put_off, coalesce(sum(f.unclear), 0)::bigint as unclear,
      coalesce(sum(f.opened_people), 0)::bigint as opened_people,
      coalesce(sum(f.opened_unclassified), 0)::bigint as opened_unclassified,
      coalesce(sum(f.opened_machines), 0)::bigint as opened_machines
    from facts f
    group by grouping sets ((), (f.day), (f.campaign_id), (f.account_id), (f.template))
  ),
  told as materialized (
    select
      s.no_day, s.no_campaign, s.no_account, s.no_template, s.day, s.campaign_id, s.account_id, s.template, s.sent,
      pg_catalog.jsonb_build_object(
        'sent', s.sent, 'refused', s.refused, 'put_off', s.put_off, 'unclear', s.unclear,
        'opened', pg_catalog.jsonb_build_object(
          'people', s.opened_people, 'machines', s.opened_machines, 'unclassified', s.opened_unclassified),
        'opened_low', rate.opened_low, 'opened_high', rate.opened_high, 'interval_low', rate.interval_low,
        'interval_high', rate.interval_high, 'too_few', rate.verdict = 'too few') as counts
    from summed s
    cross join lateral outreach_report.opened(s.sent, s.opened_people, s.opened_unclassified) rate
  ),
  last_campaigns as materialized (
    -- Of one campaign its row, also before its first mail; else those with a mail, the last made first.
    select c.*
    from public.campaigns c
    where case
      when report_numbers.campaign is not null then c.id = report_numbers.campaign
      else exists (select from told t where t.no_campaign = 0 and t.campaign_id = c.id)
    end
    order by coalesce(c.started_at, c.created_at) desc nulls last, c.id
    limit report_numbers.most
  )
  select pg_catalog.jsonb_build_object(
    'made_at', clock_timestamp(),
    'since', coalesce(report_numbers.since, (select min(f.day) from facts f)),
    'until', coalesce(report_numbers.until, (select max(f.day) from facts f)),
    'totals', (
      select t.counts from told t
      where t.no_day = 1 and t.no_campaign = 1 and t.no_account = 1 and t.no_template = 1),
    'days', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('day', t.day) || t.counts order by t.day)
      from told t
      where t.no_day = 0), '[]'),
    'campaigns', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'id', c.id, 'name', c.name, 'parent_id', c.parent_id, 'step', c.step, 'status', c.status, 'started_at', c.started_at, 'finished_at', c.finished_at,
          'leads', public.campaign_counts(c.id)) || coalesce(t.counts, '{}')
        order by coalesce(c.started_at, c.created_at) desc nulls last, c.id)
      from last_campaigns c
      left join told t on t.no_campaign = 0 and t.campaign_id = c.id), '[]'),
    'accounts', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('id', x.account_id, 'email', a.email, 'status', coalesce(a.status, 'removed'))
          || x.counts
        order by x.sent desc, x.account_id)
      from (
        select * from told t where t.no_account = 0 order by t.sent desc, t.account_id limit report_numbers.most
      ) x
      left join public.accounts a on a.id = x.account_id), '[]'),
    'templates', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('template', x.template, 'subject', left(v.subject, 1001)) || x.counts
        order by x.sent desc, x.template)
      from (
        select * from told t where t.no_template = 0 order by t.sent desc, t.template limit report_numbers.most
      ) x
      left join public.template_versions v on v.hash = x.template), '[]'),
    'failures', coalesce((
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('reason', x.reason, 'failures', x.failures)
        order by x.failures desc, x.reason)
      from (
        select f.reason, sum(f.failures)::bigint as failures
        from outreach_report.failures f
        where (report_numbers.campaign is null or f.campaign_id = report_numbers.campaign)
          and (report_numbers.since is null or f.day >= report_numbers.since)
          and (report_numbers.until is null or f.day <= report_numbers.until)
        group by f.reason
        order by sum(f.failures) desc, f.reason
        limit report_numbers.most
      ) x), '[]'));
$$;

create or replace function public.report_upcoming(most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that will send, the next ones first; those that send now before them.
  select pg_catalog.jsonb_build_object(
    'id', u.campaign_id, 'name', u.campaign, 'parent_id', c.parent_id, 'step', c.step, 'status', u.status, 'what', u.what, 'starts_at', u.starts_at,
    'waiting_for', left(u.waiting_for, 1001), 'pending', u.pending)
  from outreach_report.upcoming u
  join public.campaigns c on c.id = u.campaign_id
  order by u.what = 'paused', u.what = 'follows' and u.starts_at is null, u.starts_at nulls first, u.campaign, u.campaign_id
  limit report_upcoming.most;
$$;

create or replace function public.report_cohorts(most integer default 104) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- By the week of the first mail, the newest first.
  select pg_catalog.to_jsonb(x)
  from outreach_report.cohorts x
  order by x.week desc
  limit report_cohorts.most;
$$;

create or replace function public.take_digest(of_day date) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Whether the caller is the one who publishes the digest of this day: once for each.
  with taken as (
    insert into public.digests (day) values (of_day) on conflict do nothing returning day
  )
  select pg_catalog.jsonb_build_object('answer', case when exists (select from taken) then 'taken' else 'published' end);
$$;

create or replace function public.leave_digest(of_day date) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- It could not be published: the next round tries again.
  with left_over as (
    delete from public.digests d where d.day = leave_digest.of_day returning d.day
  )
  select pg_catalog.jsonb_build_object('answer', 'left', 'days', (select count(*) from left_over));
$$;

-- Views for people who ask the database: the schema outreach_report. No token, no lead's address, no text of a mail.

create or replace function public.make_report_views() returns void
language plpgsql
security invoker
set search_path = ''
as $$
-- Makes the schema and its views, and grants them to service_role and to the readers of the command db reader. Each
-- migration calls it: who has to drop the schema, to change the type of a column that a view names, gets it back so.
-- The views have their owner's rights: with the caller's, row-level security would show a reader nothing.
-- A column is only ever appended: `create or replace` refuses anything else.
declare
  r name;
begin
  create schema if not exists outreach_report;

  -- How many of the mails were opened. Denominator: mails sent. Low: by people; high: with those that may be people or
  -- machines. The interval holds with 95 % (Wilson), from the low of the one to the high of the other.
  create or replace function outreach_report.opened(
    sent bigint,
    people bigint,
    unclassified bigint,
    out opened_low double precision,
    out opened_high double precision,
    out interval_low double precision,
    out interval_high double precision,
    out verdict text
  )
  language sql
  immutable
  parallel safe
  begin atomic
    select
      round(x.low::numeric, 4)::double precision, round(x.high::numeric, 4)::double precision,
      -- Null where nothing was sent: greatest and least would ignore it.
      case when sent > 0 then round(greatest(
        (x.low + x.z2n / 2 - sqrt(x.z2n * (x.low * (1 - x.low) + x.z2n / 4))) / (1 + x.z2n), 0)::numeric, 4)::double precision end,
      case when sent > 0 then round(least(
        (x.high + x.z2n / 2 + sqrt(x.z2n * (x.high * (1 - x.high) + x.z2n / 4))) / (1 + x.z2n), 1)::numeric, 4)::double precision end,
      case when coalesce(sent, 0) < 50 then 'too few' else 'ok' end
    from (
      select
        case when sent > 0 then least(people::double precision / nullif(sent, 0), 1) end as low,
        case when sent > 0 then least((people + unclassified)::double precision / nullif(sent, 0), 1) end as high,
        1.959964 * 1.959964 / nullif(sent, 0) as z2n
    ) x;
  end;

  create or replace view outreach_report.days with (security_barrier) as
  select
    n.day, n.campaign_id, c.name::text as campaign, n.account_id, a.email::text as account, n.template,
    n.sent, n.refused, n.not_sent as put_off, n.unclear,
    n.opened_people, n.opened_unclassified, n.opened_machines
  from public.daily_counts n
  left join public.campaigns c on c.id = n.campaign_id
  left join public.accounts a on a.id = n.account_id;

  create or replace view outreach_report.campaigns with (security_barrier) as
  select
    c.id as campaign_id, c.name::text as campaign, c.status::text as status, c.user_id,
    c.created_at, c.scheduled_at, c.started_at, c.finished_at, c.paused_at,
    l.leads, l.pending, l.sent, l.failed, l.cancelled,
    o.opened_people, o.opened_unclassified, o.opened_machines, o.unclear,
    rate.*,
    -- Of a follow-up: the first campaign of its chain, and its number there.
    c.parent_id, c.step
  from public.campaigns c
  cross join lateral (
    select
      count(*) as leads,
      count(*) filter (where cl.status = 'pending') as pending,
      count(*) filter (where cl.status = 'sent') as sent,
      count(*) filter (where cl.status = 'failed') as failed,
      count(*) filter (where cl.status = 'cancelled') as cancelled
    from public.campaign_leads cl
    where cl.campaign_id = c.id
  ) l
  cross join lateral (
    select
      coalesce(sum(n.opened_people), 0)::bigint as opened_people,
      coalesce(sum(n.opened_unclassified), 0)::bigint as opened_unclassified,
      coalesce(sum(n.opened_machines), 0)::bigint as opened_machines,
      coalesce(sum(n.unclear), 0)::bigint as unclear
    from public.daily_counts n
    where n.campaign_id = c.id
  ) o
  cross join lateral outreach_report.opened(l.sent, o.opened_people, o.opened_unclassified) rate;

  -- The mails of each chain: its first campaign is step 1.
  create or replace view outreach_report.steps with (security_barrier) as
  select
    root.id as campaign_id, root.name::text as campaign, coalesce(own.step, 1) as step, own.id as step_id,
    own.delay_days, own.delay_seconds, x.status, x.leads, x.pending, x.sent, x.failed, x.cancelled,
    x.opened_people, x.opened_unclassified, x.opened_machines, x.unclear,
    x.opened_low, x.opened_high, x.interval_low, x.interval_high, x.verdict
  from public.campaigns own
  join public.campaigns root on root.id = coalesce(own.parent_id, own.id)
  -- By the id, one after the other, as `offset 0` wants it: the leads of campaigns without a follow-up are not counted.
  cross join lateral (select c.* from outreach_report.campaigns c where c.campaign_id = own.id offset 0) x
  where own.parent_id is not null or exists (select from public.campaigns s where s.parent_id = own.id);

  create or replace view outreach_report.accounts with (security_barrier) as
  select
    n.account_id, a.email::text as account, a.status, n.first_day, n.last_day, n.campaigns,
    n.sent, n.refused, n.put_off, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines,
    rate.*
  from (
    select
      x.account_id, min(x.day) as first_day, max(x.day) as last_day, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.refused)::bigint as refused, sum(x.not_sent)::bigint as put_off,
      sum(x.unclear)::bigint as unclear, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    group by x.account_id
  ) n
  left join public.accounts a on a.id = n.account_id
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  create or replace view outreach_report.templates with (security_barrier) as
  select
    n.template, v.subject, v.first_used_at, n.first_day, n.last_day, n.campaigns,
    n.sent, n.refused, n.put_off, n.unclear, n.opened_people, n.opened_unclassified, n.opened_machines,
    rate.*
  from (
    select
      x.template, min(x.day) as first_day, max(x.day) as last_day, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.refused)::bigint as refused, sum(x.not_sent)::bigint as put_off,
      sum(x.unclear)::bigint as unclear, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    group by x.template
  ) n
  left join public.template_versions v on v.hash = n.template
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  create or replace view outreach_report.failures with (security_barrier) as
  select
    nullif(n.day, '-infinity') as day, n.campaign_id, c.name::text as campaign, n.account_id, a.email::text as account,
    n.reason, n.failures
  from public.daily_failures n
  left join public.campaigns c on c.id = n.campaign_id
  left join public.accounts a on a.id = n.account_id;

  create or replace view outreach_report.upcoming with (security_barrier) as
  select
    c.id as campaign_id, c.name::text as campaign, c.status::text as status,
    -- Null: at once, or when a person resumes it; of a follow-up when somebody was sent the mail before it.
    case
      when root.paused_at is not null or c.paused_at is not null then null
      when follow_up.awaits then follow_up.due
      when c.status = 'scheduled' then coalesce(c.resume_at, c.scheduled_at)
      when c.resume_at > clock_timestamp() then c.resume_at
    end as starts_at,
    case
      when root.paused_at is not null or c.paused_at is not null then 'paused'
      when follow_up.awaits then 'follows'
      when c.status = 'scheduled' then 'starts'
      when c.resume_at > clock_timestamp() then 'goes on'
      else 'sending'
    end as what,
    c.waiting_for, l.pending
  from public.campaigns c
  cross join lateral (
    select count(*) as pending
    from public.campaign_leads cl
    where cl.campaign_id = c.id and cl.status = 'pending'
  ) l
  -- No function of ours: who may read the views may call none. So days have 24 hours here.
  left join public.campaigns root on root.id = c.parent_id
  cross join lateral (
    select
      c.parent_id is not null and c.idle as awaits,
      case when c.parent_id is not null and c.idle then (
        select min(cl.sent_at) + coalesce(c.delay_seconds, c.delay_days * 86400.0) * interval '1 second'
        from public.campaign_leads cl
        where cl.campaign_id = case
            when c.step = 2 then c.parent_id
            else (select x.id from public.campaigns x where x.parent_id = c.parent_id and x.step = c.step - 1)
          end
          and cl.status = 'sent' and cl.followed_at is null
          and cl.sent_at > coalesce(c.follow_since, c.created_at - interval '30 days'))
      end as due
  ) follow_up
  where c.status in ('scheduled', 'running') and root.status is distinct from 'cancelled';

  create or replace view outreach_report.cohorts with (security_barrier) as
  select
    n.week, n.campaigns, n.sent, n.opened_people, n.opened_unclassified, n.opened_machines, rate.*
  from (
    -- A lead is mailed once in a campaign: without follow-ups, the week of its mail is the week of its first mail.
    select
      date_trunc('week', x.day::timestamp)::date as week, count(distinct x.campaign_id) as campaigns,
      sum(x.sent)::bigint as sent, sum(x.opened_people)::bigint as opened_people,
      sum(x.opened_unclassified)::bigint as opened_unclassified, sum(x.opened_machines)::bigint as opened_machines
    from public.daily_counts x
    left join public.campaigns c on c.id = x.campaign_id
    where c.parent_id is null
    group by 1
  ) n
  cross join lateral outreach_report.opened(n.sent, n.opened_people, n.opened_unclassified) rate;

  revoke all on schema outreach_report from public;
  revoke all on all tables in schema outreach_report from public;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on schema outreach_report from %I', r);
    execute format('revoke all on all tables in schema outreach_report from %I', r);
  end loop;
  for r in select rolname from pg_catalog.pg_roles where rolname in ('service_role', 'outreach_reader') loop
    execute format('grant usage on schema outreach_report to %I', r);
    execute format('grant select on all tables in schema outreach_report to %I', r);
    execute format('grant execute on all functions in schema outreach_report to %I', r);
  end loop;
end
$$;

-- Functions below read them.
select public.make_report_views();

-- What people who watch are told of a campaign.

create or replace function public.campaign_account_summary(
  campaign uuid,
  run uuid,
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Of each account: its leads by status, over all runs; and what `run` sent from it, how fast.
  with of_run as (
    select s.account_id as id, count(*) as mails, extract(epoch from max(s.started_at) - min(s.started_at)) as seconds
    from public.send_attempts s
    where s.campaign_id = campaign_account_summary.campaign and s.run_id = campaign_account_summary.run
      and s.outcome = 'sent'
    group by s.account_id
  )
  select pg_catalog.jsonb_build_object(
    'id', page.id,
    'email', a.email,
    'sent', c.sent,
    'failed', c.failed,
    'pending', c.pending,
    'cancelled', c.cancelled,
    'sent_by_run', coalesce(r.mails, 0),
    'per_minute', ((r.mails - 1) * 60 / nullif(r.seconds, 0))::double precision)
  from public.leads_by_account(campaign_account_summary.campaign) c
  -- Leads whose account's row was deleted come last.
  cross join lateral (select coalesce(c.account, 'ffffffff-ffff-ffff-ffff-ffffffffffff') as id) page
  left join of_run r on r.id is not distinct from c.account
  left join public.accounts a on a.id = c.account
  where page.id > campaign_account_summary.after
  order by page.id
  limit campaign_account_summary.most;
$$;

-- Who runs a campaign: a lease that a run takes first, keeps alive, and gives back with the outcome.

create or replace function public.begin_run(
  campaign uuid,
  run uuid,
  lease_seconds double precision,
  now timestamptz default null,
  release text default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
-- Whether anything is pending: where most rows are, the planner would read the table from its start.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Makes `run` the owner of the campaign, or says why not; `failed` when it found the third owner in a row
-- dead, or an account of another user {reason}, and so ended the campaign. A run that waits for the campaign's
-- time owns it too. Repeated by the owner it renews the lease. `refused`: {installed} these functions are not for a caller of `release`.
declare
  c public.campaigns;
  t timestamptz;
  due timestamptz;
  told text;
  owner_died boolean;
  installed constant jsonb := public.installed_release(release);
begin
  if installed ->> 'state' in ('older', 'unsupported') then
    return next pg_catalog.jsonb_build_object('answer', 'refused', 'installed', installed);
    return;
  end if;
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  t := coalesce(now, clock_timestamp());
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.status in ('completed', 'cancelled') or (c.status = 'error' and not exists (
    select from public.campaign_leads cl where cl.campaign_id = campaign and cl.status = 'pending'
  )) then
    return next pg_catalog.jsonb_build_object('answer', 'already_ended', 'status', c.status, 'error', c.error);
    return;
  elsif c.run_id <> run and c.lease_until > t then
    return next pg_catalog.jsonb_build_object('answer', 'already_running', 'status', c.status);
    return;
  elsif (c.paused_at is not null and c.suspended_run is distinct from run)
    or (c.parent_id is not null and public.held_by_root(c) is not null) then
    return next pg_catalog.jsonb_build_object('answer', 'paused', 'status', c.status, 'error', c.error);
    return;
  end if;
  told := public.accounts_of_others(c);
  if told is not null then
    perform public.end_in_error(campaign, told, t);
    return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error', 'reason', told);
    return;
  elsif c.status = 'error' and c.crash_count > 2 and c.flow_run_ids[cardinality(c.flow_run_ids)] = run::text
    and c.finished_at > t - interval '1 minute' then
    -- The answer was lost. Later than that it is a person who starts the same run again.
    return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error');
    return;
  end if;

  if c.suspended_run = run then
    -- A person resumed it in Prefect.
    update public.campaigns x set paused_at = null, suspended_run = null, waiting_for = null where x.id = campaign;
  end if;

  -- An owner whose lease lapsed without a word has died; one that was only waiting held nothing.
  owner_died := coalesce(c.run_id <> run, false) and c.status = 'running' and c.resume_at is null;
  if owner_died then
    perform public.crash_run(campaign, c.run_id, 'the last one vanished without a word', t);
    if c.crash_count >= 2 then
      update public.campaigns x set flow_run_ids = x.flow_run_ids || run::text where x.id = campaign;
      return next pg_catalog.jsonb_build_object('answer', 'failed', 'status', 'error');
      return;
    end if;
  end if;

  due := case
    when c.status = 'scheduled' then greatest(c.scheduled_at, c.resume_at)
    when c.status = 'running' then c.resume_at
  end;
  update public.campaigns x
  set
    run_id = run,
    lease_until = t + lease_seconds * interval '1 second',
    dispatched_at = null,
    dispatch_misses = 0,
    -- A person who starts a campaign again after an error has seen to its cause.
    crash_count = case when c.status = 'error' then 0 else x.crash_count end,
    flow_run_ids = case
      when run::text = any (x.flow_run_ids) then x.flow_run_ids
      else x.flow_run_ids || run::text
    end
  where x.id = campaign;
  if due > t then
    return next pg_catalog.jsonb_build_object(
      'answer', 'wait', 'name', c.name, 'wait_seconds', extract(epoch from due - t)::double precision);
    return;
  end if;

  update public.campaigns x
  set
    status = 'running', started_at = coalesce(x.started_at, t), finished_at = null, error = null,
    resume_at = null, waiting_for = null
  where x.id = campaign;
  if c.run_id is distinct from run then
    perform public.free_claims(campaign);
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'begun', 'name', c.name);
end
$$;

create or replace function public.renew_run(
  campaign uuid,
  run uuid,
  lease_seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Keeps the lease alive; `stopped` when the campaign is no longer this run's to send. A run asks every second or
-- two; the row is written when a quarter of the lease is used up.
begin
  return query
  select pg_catalog.jsonb_build_object('answer', case when x.paused_at is null then 'renewed' else 'paused' end)
  from public.campaigns x
  where x.id = campaign and x.run_id = run and x.status not in ('completed', 'cancelled')
    and x.lease_until > coalesce(now, clock_timestamp()) + 0.75 * lease_seconds * interval '1 second';
  if found then
    return;
  end if;
  return query
  update public.campaigns x
  set lease_until = coalesce(now, clock_timestamp()) + lease_seconds * interval '1 second'
  where x.id = campaign and x.run_id = run and x.status not in ('completed', 'cancelled')
  returning pg_catalog.jsonb_build_object('answer', case when x.paused_at is null then 'renewed' else 'paused' end);
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'stopped');
  end if;
end
$$;

create or replace function public.renew_runs(
  campaigns uuid[],
  runs uuid[],
  lease_seconds double precision,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- renew_run for all runs of a process, an answer each. It waits for no lock, so that one campaign never holds up the
-- others: a row that is locked now is written by the next call, long before its lease ends.
begin
  return query
  with asked as (
    select a.campaign, a.run from unnest(campaigns, runs) a (campaign, run)
  ), due as (
    select x.id from public.campaigns x
    join asked a on a.campaign = x.id and a.run = x.run_id
    where x.status not in ('completed', 'cancelled')
      and x.lease_until <= coalesce(now, clock_timestamp()) + 0.75 * lease_seconds * interval '1 second'
    order by x.id
    for no key update of x skip locked
  ), written as (
    update public.campaigns x
    set lease_until = coalesce(now, clock_timestamp()) + lease_seconds * interval '1 second'
    from due where x.id = due.id
  )
  select pg_catalog.jsonb_build_object(
    'run', a.run,
    'answer', case when x.id is null then 'stopped' when x.paused_at is null then 'renewed' else 'paused' end
  )
  from asked a
  left join public.campaigns x
    on x.id = a.campaign and x.run_id = a.run and x.status not in ('completed', 'cancelled');
end
$$;

create or replace function public.owning_runs(
  runs uuid[],
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Which of these runs own a campaign at this moment.
  select pg_catalog.jsonb_build_object('run', x.run_id)
  from public.campaigns x
  where x.run_id = any (owning_runs.runs) and x.lease_until > coalesce(owning_runs.now, clock_timestamp());
$$;

create or replace function public.free_claims(campaign uuid) returns void
language plpgsql
security invoker
set search_path = ''
-- As for claim_leads: a few claims must not cost a look at all that was sent.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- What the last run claimed and never began is free at once: its token is the fence. So are the times that
-- its accounts held for these leads: the next mail need not wait for what nobody sends. The caller holds
-- the campaign's lock.
declare
  a public.accounts;
  held timestamptz;
  free_at timestamptz;
  lowest constant uuid := '00000000-0000-0000-0000-000000000000';
  highest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  for a in
    select x.* from public.accounts x
    join public.campaign_accounts ca on ca.account_id = x.id and ca.campaign_id = campaign
    order by x.id
    for no key update of x
  loop
    select max(cl.next_attempt_at) into held
    from public.campaign_accounts ca
    join public.campaigns x on x.id = ca.campaign_id and x.run_id is not null
    join public.campaign_leads cl on cl.assigned_account_id = a.id and cl.claim_token is not null
      and (cl.campaign_id, cl.claim_token) >= (x.id, lowest) and (cl.campaign_id, cl.claim_token) <= (x.id, highest)
    where ca.account_id = a.id and ca.campaign_id <> campaign;
    -- The first of its times that no other campaign has one after.
    select min(cl.next_attempt_at) into free_at
    from public.campaign_leads cl
    where cl.assigned_account_id = a.id and cl.claim_token is not null
      and (cl.campaign_id, cl.claim_token) >= (campaign, lowest)
      and (cl.campaign_id, cl.claim_token) <= (campaign, highest)
      and cl.next_attempt_at > coalesce(held, '-infinity');
    update public.accounts x set next_send_at = free_at where x.id = a.id and x.next_send_at > free_at;
  end loop;

  update public.campaign_leads cl
  set claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = campaign and cl.claim_token is not null;
end
$$;

create or replace function public.release_run(campaign uuid, run uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Hands the campaign back, with what was claimed of it: the next run goes on at once. The run owns it, or was
-- made for its dispatch and was told to stop before it began: somebody would have begun it.
begin
  update public.campaigns x
  set run_id = null, lease_until = null, dispatched_at = null, dispatch_misses = 0
  where x.id = campaign and (x.run_id = run or (
    x.run_id is null and x.dispatched_at is not null and x.flow_run_ids[cardinality(x.flow_run_ids)] = run::text));
  if found then
    perform public.free_claims(campaign);
    return next pg_catalog.jsonb_build_object('answer', 'released');
  end if;
end
$$;

create or replace function public.decline_run(campaign uuid, run uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- The worker of this run is of a release that may not call ours: a matter between the two, held against
  -- neither the campaign nor its dispatch. Another worker goes on at once.
  update public.campaigns x
  set
    run_id = case when x.run_id = decline_run.run then null else x.run_id end,
    lease_until = case when x.run_id = decline_run.run then null else x.lease_until end,
    dispatched_at = null,
    dispatch_misses = 0
  where x.id = decline_run.campaign
    and (x.run_id = decline_run.run
      or (x.run_id is null and x.flow_run_ids[cardinality(x.flow_run_ids)] = decline_run.run::text))
  returning pg_catalog.jsonb_build_object('answer', 'declined');
$$;

create or replace function public.check_campaign(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- All that can stop the campaign before its first mail.
  select pg_catalog.jsonb_build_object(
    'name', c.name,
    'attachment', c.attachment,
    'list_unsubscribe', c.list_unsubscribe,
    'footer', left(c.footer, 1000001),
    'accounts', (select count(*) from public.campaign_accounts ca
      join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
      where ca.campaign_id = c.id),
    'pace_seconds', (select pg_catalog.jsonb_agg(a.pace_seconds) from public.campaign_accounts ca
      join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
      where ca.campaign_id = c.id),
    'leads', public.campaign_counts(c.id),
    'opens', public.next_opening(c.*, clock_timestamp()) is not null,
    'misassigned', (
      select count(*) from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.status = 'pending' and not exists (
        select from public.campaign_accounts ca
        join public.accounts a on a.id = ca.account_id and a.status <> 'removed'
        where ca.campaign_id = c.id and ca.account_id = cl.assigned_account_id)))
  from public.campaigns c
  where c.id = check_campaign.campaign;
$$;

create or replace function public.finish_run(
  campaign uuid,
  run uuid,
  resume_after double precision default null,
  reason text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Ends the run, and the campaign when nothing of it is left; otherwise it stays running until
-- `resume_after` seconds from now. Decided from all its rows, under its lock.
declare
  c public.campaigns;
  t timestamptz;
  counts jsonb;
  ended_before boolean;
begin
  select x.* into c from public.campaigns x where x.id = campaign for update;
  t := coalesce(now, clock_timestamp());
  if c.run_id = run and c.status = 'cancelled' then
    perform public.cancel_campaign(campaign, t);
  end if;
  counts := public.campaign_counts(campaign);
  -- Nobody owns it since this run ended: it asks again because the answer was lost.
  ended_before := c.run_id is null and run::text = any (c.flow_run_ids)
    and (c.status <> 'running' or c.paused_at is not null or c.resume_at is not null or c.idle);
  if c.id is null or c.status = 'cancelled' or c.run_id <> run or (c.run_id is null and ended_before is not true) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'superseded', 'status', coalesce(c.status::text, 'cancelled'), 'leads', counts);
    return;
  end if;

  if ended_before then
    null;
  elsif (counts ->> 'pending')::bigint > 0 and c.paused_at is not null then
    perform public.release_run(campaign, run);
  elsif (counts ->> 'pending')::bigint > 0 then
    update public.campaigns x
    set
      run_id = null, lease_until = null,
      resume_at = t + greatest(coalesce(resume_after, 60), 60) * interval '1 second',
      waiting_for = coalesce(reason, 'the leads that can only go later')
    where x.id = campaign;
  elsif c.parent_id is not null then
    -- More of its leads may come: plan_steps ends it.
    update public.campaigns x
    set
      run_id = null, lease_until = null, resume_at = null, idle = true, next_follow_at = t,
      waiting_for = 'follow-ups that are due later'
    where x.id = campaign;
  else
    perform public.end_campaign(campaign, t);
  end if;
  return query
    select pg_catalog.jsonb_build_object(
      'answer', case
        when x.status <> 'running' then 'ended'
        when x.paused_at is not null then 'paused'
        else 'deferred'
      end,
      'status', x.status, 'error', x.error, 'leads', counts,
      'resume_seconds', extract(epoch from x.resume_at - t)::double precision,
      'waiting_for', x.waiting_for,
      'suspended', coalesce(x.suspended_run = run, false))
    from public.campaigns x where x.id = campaign;
end
$$;

create or replace function public.end_in_error(campaign uuid, why text, t timestamptz) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Every end in error. Pending leads stay for the next start, once a person has seen to the cause.
  update public.campaigns x
  set
    status = 'error', error = end_in_error.why, finished_at = end_in_error.t,
    run_id = null, lease_until = null, resume_at = null, waiting_for = null, dispatched_at = null
  where x.id = end_in_error.campaign;
$$;

create or replace function public.end_campaign(campaign uuid, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The end, from the rows; the caller holds the campaign's lock and has seen that nothing is pending.
declare
  counts jsonb := public.campaign_counts(campaign);
begin
  if (counts ->> 'sent')::bigint > 0 or (counts ->> 'failed')::bigint = 0 then
    update public.campaigns x
    set
      status = 'completed', error = null, finished_at = t,
      run_id = null, lease_until = null, resume_at = null, waiting_for = null
    where x.id = campaign;
  elsif exists (
    select from public.send_attempts s
    join public.campaign_leads cl on cl.id = s.campaign_lead_id and cl.status = 'failed'
    where s.campaign_id = campaign and s.outcome = 'unclear'
  ) then
    perform public.end_in_error(campaign, 'No delivery could be confirmed', t);
  else
    perform public.end_in_error(campaign, 'All email sends failed', t);
  end if;
end
$$;

create or replace function public.fail_run(
  campaign uuid,
  run uuid,
  reason text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The run failed for a reason that a person has to mend.
begin
  perform from public.campaigns x
  where x.id = campaign and x.run_id = run and x.status in ('draft', 'scheduled', 'running', 'error')
  for no key update;
  if found then
    perform public.end_in_error(campaign, reason, coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  end if;
end
$$;

create or replace function public.crash_run(
  campaign uuid,
  run uuid,
  cause text,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The run died or met what may pass: the next one goes on, unless it is the third without progress.
-- One that was only waiting for the campaign's time does not count, and an end stays an end.
declare
  c public.campaigns;
begin
  select x.* into c from public.campaigns x where x.id = campaign for no key update;
  if c.run_id is distinct from run then
    return;
  elsif c.status <> 'running' or c.resume_at is not null then
    perform public.release_run(campaign, run);
    return next pg_catalog.jsonb_build_object('answer', 'released');
  elsif c.crash_count >= 2 then
    update public.campaigns x set crash_count = c.crash_count + 1 where x.id = campaign;
    perform public.end_in_error(
      campaign, 'Three runs in a row died without progress: ' || cause, coalesce(now, clock_timestamp()));
    return next pg_catalog.jsonb_build_object('answer', 'failed');
  else
    update public.campaigns x
    set
      run_id = null, lease_until = null, crash_count = c.crash_count + 1,
      crashed_at = coalesce(now, clock_timestamp())
    where x.id = campaign;
    return next pg_catalog.jsonb_build_object('answer', 'released');
  end if;
end
$$;

create or replace function public.cancel_run(campaign uuid, run uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- The run was cancelled in Prefect: that cancels the campaign, if this run owns it, or was the last to: it may
-- have given it back in that very moment, or not have begun.
begin
  perform from public.campaigns x
  where x.id = campaign and (x.run_id = run or (
    x.run_id is null and x.status in ('scheduled', 'running')
    and x.flow_run_ids[cardinality(x.flow_run_ids)] = run::text))
  for no key update;
  if found then
    return query select public.cancel_campaign(campaign);
  end if;
end
$$;

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

-- What exactly was sent: versions of templates, and all that ever happened to a person.

create or replace function public.note_template(content jsonb) returns void
language sql
security invoker
set search_path = ''
as $$
  -- The text of a version that its worker has not noted yet: {template, own, text: {subject, body, footer}}.
  insert into public.template_versions (hash, own_text, subject, body, footer)
  values (
    content ->> 'template', coalesce((content ->> 'own')::boolean, false),
    coalesce(content #>> '{text,subject}', ''), coalesce(content #>> '{text,body}', ''), content #>> '{text,footer}')
  on conflict (hash) do nothing;
$$;

create or replace function public.content_of_draft(token text) returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What an earlier attempt noted of the draft that this one sends.
  select pg_catalog.jsonb_build_object(
    'template', s.template, 'own', s.own_text, 'subject', s.subject, 'filled', s.placeholders,
    'fingerprint', s.fingerprint)
  from public.send_attempts s
  where s.search_token = content_of_draft.token and s.search_token <> '' and s.template is not null
  limit 1;
$$;

create or replace function public.template_text(template text) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The text of a version, by its hash or the beginning of it (eight characters at least).
  select pg_catalog.jsonb_build_object(
    'hash', v.hash, 'first_used_at', v.first_used_at, 'own_text', v.own_text,
    'subject', v.subject, 'body', v.body, 'footer', v.footer)
  from public.template_versions v
  where length(template_text.template) >= 8
    and v.hash >= template_text.template and v.hash < template_text.template || 'g'
  order by v.hash
  limit 1;
$$;

create or replace function public.leads_of_address(address text) returns setof uuid
language sql
stable
security invoker
set search_path = ''
as $$
  -- leads.id of a mailbox, however the rows spell it.
  select x.lead
  from public.leads_of_keys(array[public.mailbox_key(leads_of_address.address)]) x (lead)
  join public.leads l on l.id = x.lead
  where public.mailbox_key(l.email) = public.mailbox_key(leads_of_address.address);
$$;

create or replace function public.lead_in_campaigns(address text, most integer default 1000) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The campaigns that have this person among their leads, and how they stand there; the last ones.
  select pg_catalog.jsonb_build_object(
    'id', cl.id, 'campaign_id', cl.campaign_id, 'campaign', c.name, 'status', cl.status, 'account', a.email,
    'sent_at', cl.sent_at, 'opened_at', cl.opened_at,
    'opened_by', coalesce(cl.open_class, case when cl.opened_at is not null then 'unclassified' end),
    'error', left(cl.error, 1001))
  from public.leads_of_address(lead_in_campaigns.address) x (lead)
  join public.campaign_leads cl on cl.lead_id = x.lead
  left join public.campaigns c on c.id = cl.campaign_id
  left join public.accounts a on a.id = cl.assigned_account_id
  order by coalesce(cl.sent_at, c.created_at) desc nulls last, cl.id
  limit lead_in_campaigns.most;
$$;

create or replace function public.lead_events(address text, most integer default 1000) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- All that ever happened to a person, over all campaigns; the last events, the newest first. Each kind is one
  -- branch: a new one has the columns at, kind, campaign_id, account_id and what is special to it.
  with its_leads as materialized (
    select cl.id, cl.campaign_id
    from public.leads_of_address(lead_events.address) x (lead)
    join public.campaign_leads cl on cl.lead_id = x.lead
  ),
  its_attempts as materialized (
    select s.*
    from its_leads x
    join public.send_attempts s on s.campaign_lead_id = x.id
    union
    -- The log outlives the rows of leads.
    select s.*
    from public.send_attempts s
    where lower(s.address) = public.mailbox_key(lead_events.address) and public.may_have_left(s.outcome)
  ),
  happened as (
    select s.started_at as at, 'mail' as kind, s.campaign_id, s.account_id, pg_catalog.jsonb_build_object(
      'outcome', coalesce(s.outcome, 'open'), 'detail', left(s.detail, 1001), 'subject', s.subject,
      'template', s.template, 'placeholders', s.placeholders) as more
    from its_attempts s
    union all
    select f.failed_at, 'failed', x.campaign_id, null, pg_catalog.jsonb_build_object('detail', left(f.reason, 1001))
    from its_leads x
    join public.lead_failures f on f.campaign_lead_id = x.id
    union all
    select e.at, 'open', x.campaign_id, null, pg_catalog.jsonb_build_object('outcome', e.class, 'detail', e.rule)
    from (select y.id, y.campaign_id from its_leads y
      union select y.campaign_lead_id, y.campaign_id from its_attempts y) x
    join public.mail_events e on e.campaign_lead_id = x.id
    union all
    -- Without an event of ours: an endpoint of the web app wrote the time.
    select cl.opened_at, 'open', x.campaign_id, null, pg_catalog.jsonb_build_object(
      'outcome', 'unclassified', 'detail', 'the web app wrote the time')
    from its_leads x
    join public.campaign_leads cl on cl.id = x.id
    where cl.opened_at is not null
      and not exists (select from public.mail_events e where e.campaign_lead_id = x.id and e.class <> 'machine')
    union all
    select y.at, y.act, null, null, pg_catalog.jsonb_build_object(
      'outcome', y.details ->> 'cause', 'detail', left(y.details ->> 'reason', 1001), 'by', y.by_name)
    from public.audit y
    where y.subject = any (public.suppression_keys(public.mailbox_key(lead_events.address)))
    union all
    select i.received_at, i.kind, m.campaign_id, i.account_id, pg_catalog.jsonb_build_object(
      'outcome', m.verdict, 'detail', nullif(concat_ws(', ', nullif(m.status, ''), 'back on ' || i.back_on), ''))
    from its_attempts s
    join public.inbound_mails m on m.attempt_id = s.id
    join public.inbound i on i.id = m.inbound_id
  )
  select pg_catalog.jsonb_build_object(
    'at', h.at, 'kind', h.kind, 'campaign_id', h.campaign_id, 'campaign', c.name, 'account', a.email) || h.more
  from happened h
  left join public.campaigns c on c.id = h.campaign_id
  left join public.accounts a on a.id = h.account_id
  order by h.at desc nulls last, h.kind
  limit lead_events.most;
$$;

create or replace function public.lead_suppressions(address text, most integer default 100) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- The suppressions of the address and of its domains, also those whose end is past.
  select pg_catalog.jsonb_build_object(
    'key', s.key, 'owner', s.user_id, 'cause', s.cause, 'reason', left(s.reason, 1001), 'source', s.source,
    'since', s.created_at, 'until', s.until, 'holds', s.until is null or s.until > clock_timestamp())
  from (
    select public.suppression_keys(public.mailbox_key(lead_suppressions.address)) as keys,
      'erased:' || public.keyed_hash(public.mailbox_key(lead_suppressions.address)) as erased
    offset 0
  ) asked
  join public.suppressions s on s.key = any (asked.keys || asked.erased)
  order by s.created_at, s.id
  limit lead_suppressions.most;
$$;

create or replace function public.forget_content(key text, leads uuid[]) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Of a person who is erased: the subjects as sent, and the texts that were theirs alone.
  with its_attempts as (
    select s.id, s.template, s.own_text
    from public.send_attempts s
    where lower(s.address) = forget_content.key and public.may_have_left(s.outcome)
    union
    select s.id, s.template, s.own_text
    from public.campaign_leads cl
    join public.send_attempts s on s.campaign_lead_id = cl.id
    where cl.lead_id = any (forget_content.leads)
  ), forgotten as (
    delete from public.template_versions v using its_attempts x where v.hash = x.template and x.own_text
  )
  update public.send_attempts s set subject = null, placeholders = null, fingerprint = null
  from its_attempts x
  where s.id = x.id and (s.subject is not null or s.placeholders is not null or s.fingerprint is not null);
$$;

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

-- Follow-ups. A step is a campaign whose `parent_id` is the first of its chain; its leads are planned shortly before
-- they are due, from those that the step before was sent to. `campaign_leads.previous_id` is unique: once a step.
--
-- Locks: the first campaign, its steps by number, accounts, leads.

create or replace function public.guard_step() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Rows of a web app make steps, too.
begin
  if exists (select from public.campaigns x where x.id = new.parent_id and x.parent_id is not null) then
    raise exception 'A follow-up names the first campaign of its chain as its parent, not another follow-up.'
      using errcode = 'check_violation';
  end if;
  -- Not where the owner alone changes: all of a chain may, one row after the other.
  if (tg_op = 'INSERT' or new.parent_id is distinct from old.parent_id)
    and exists (select from public.campaigns x where x.id = new.parent_id and x.user_id <> new.user_id) then
    raise exception 'A follow-up belongs to the owner of the campaign that it follows.'
      using errcode = 'check_violation';
  end if;
  if exists (select from public.campaigns x where x.parent_id = new.id) then
    raise exception 'A campaign that has follow-ups cannot become one.' using errcode = 'check_violation';
  end if;
  if tg_op = 'INSERT' then
    new.idle := true;
  elsif (new.delay_days, new.delay_seconds, new.follow_since)
    is distinct from (old.delay_days, old.delay_seconds, old.follow_since) then
    new.next_follow_at := null;
  end if;
  return new;
end
$$;

create or replace trigger campaigns_guard_step
  before insert or update of parent_id, delay_days, delay_seconds, follow_since on public.campaigns
  for each row when (new.parent_id is not null) execute function public.guard_step();

create or replace function public.step_before(s public.campaigns) returns uuid
language sql
stable
security invoker
set search_path = ''
as $$
  -- The campaign that this step follows; null: it is gone.
  select case
    when s.step = 2 then s.parent_id
    else (select x.id from public.campaigns x where x.parent_id = s.parent_id and x.step = s.step - 1)
  end;
$$;

create or replace function public.held_by_root(s public.campaigns) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- What the chain's first campaign does to a step: cancelled or paused; null: nothing. Read, not copied: a web app
  -- changes the row that it knows.
  select case when r.status = 'cancelled' then 'cancelled' when r.paused_at is not null then 'paused' end
  from public.campaigns r
  where r.id = s.parent_id;
$$;

create or replace function public.most_late(s public.campaigns) returns double precision
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Seconds; a row of a web app may hold more than any time can take.
  select least(s.max_late_seconds, 1e9);
$$;

create or replace function public.follow_due(s public.campaigns, sent_at timestamptz) returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- When the step is due for a lead that the step before was sent to at that time.
declare
  zone constant text := coalesce(s.time_zone, 'UTC');
begin
  if s.delay_seconds is not null then
    return sent_at + s.delay_seconds * interval '1 second';
  end if;
  return ((sent_at at time zone zone) + s.delay_days * interval '1 day') at time zone zone;
exception
  when invalid_parameter_value then
    return sent_at + s.delay_days * interval '24 hours'; -- no such time zone, so no change of its clocks
end
$$;

create or replace function public.add_step(
  root uuid,
  step_id uuid,
  after_days integer default null,
  after_seconds double precision default null,
  step_name text default null,
  subject text default null,
  template text default null,
  attachment_name text default '',
  late_seconds double precision default 604800,
  since timestamptz default null,
  company_stops boolean default false,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Adds the next step to a chain. Repeated with the same id it answers the same.
--   created: {id, step, due} how many leads are due at once     not_found     rejected: {reason}
declare
  c public.campaigns;
  s public.campaigns;
  t timestamptz;
begin
  select x.* into c from public.campaigns x where x.id = root for no key update;
  t := coalesce(now, clock_timestamp());
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif c.parent_id is not null then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason', pg_catalog.format(
      'This is step %s of another campaign; give that one: %s.', c.step, c.parent_id));
    return;
  elsif c.status = 'cancelled' then
    return next pg_catalog.jsonb_build_object('answer', 'rejected', 'reason',
      'The campaign is cancelled; nobody of it is mailed any more.');
    return;
  end if;
  select x.* into s from public.campaigns x where x.id = step_id;
  if not found then
    perform public.leave_foreign_steps(root);
    insert into public.campaigns
    select (pg_catalog.jsonb_populate_record(c, pg_catalog.jsonb_build_object(
      'id', step_id, 'parent_id', root,
      'step', coalesce((select max(x.step) from public.campaigns x where x.parent_id = root), 1) + 1,
      'name', coalesce(step_name, c.name), 'created_at', t,
      'status', case when c.status = 'draft' then 'draft' else 'scheduled' end,
      'delay_days', after_days, 'delay_seconds', after_seconds, 'max_late_seconds', late_seconds,
      'follow_since', since, 'stop_on_company_reply', company_stops, 'step_subject', subject,
      'step_template', template, 'attachment', attachment_name, 'next_follow_at', null, 'idle', true,
      'subject_variables', coalesce(subject ~ '\{', c.subject_variables),
      'scheduled_at', null, 'error', null, 'flow_run_ids', '{}'::text[], 'started_at', null, 'finished_at', null,
      'resume_at', null, 'waiting_for', null, 'run_id', null, 'lease_until', null, 'crash_count', 0,
      'crashed_at', null, 'dispatch_no', 0, 'dispatched_at', null, 'dispatched_run', null, 'dispatch_misses', 0,
      'paused_at', null, 'suspended_run', null, 'guarded_from', null, 'guarded_dead', 0))).*
    returning * into s;
    insert into public.campaign_accounts (campaign_id, account_id)
    select step_id, ca.account_id from public.campaign_accounts ca where ca.campaign_id = root;
  end if;
  return next pg_catalog.jsonb_build_object(
    'answer', 'created', 'id', s.id, 'step', s.step, 'due', (
      select count(*)
      from public.campaign_leads cl
      where cl.campaign_id = public.step_before(s) and cl.status = 'sent' and cl.followed_at is null
        and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')
        and public.follow_due(s, cl.sent_at) <= t));
end
$$;

create or replace function public.leave_foreign_steps(root uuid) returns void
language sql
security invoker
set search_path = ''
as $$
  -- Row-level security hides another user's campaign from guard_step: such a row can name it, and would take a step's
  -- number. A step that has followed somebody was the owner's own.
  update public.campaigns x
  set
    parent_id = null, step = null, next_follow_at = null, idle = false, status = 'cancelled',
    error = 'A follow-up belongs to the owner of the campaign that it follows.'
  from public.campaigns r
  where r.id = leave_foreign_steps.root and x.parent_id = r.id and x.user_id <> r.user_id
    and not exists (
      select from public.campaign_leads cl where cl.campaign_id = x.id and cl.previous_id is not null);
$$;

create or replace function public.remove_step(step_id uuid) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Takes a step away that mailed nobody and that no other step follows. Its leads can be followed anew.
declare
  s public.campaigns;
begin
  select x.* into s from public.campaigns x where x.id = step_id;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'not_found');
    return;
  elsif s.parent_id is null then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'This is no follow-up; `campaigns cancel` ends a campaign.');
    return;
  end if;
  perform from public.campaigns x where x.id = s.parent_id for no key update;
  perform from public.campaigns x where x.id = s.id for update;
  if exists (select from public.campaigns x where x.parent_id = s.parent_id and x.step > s.step) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'Another follow-up comes after this one; remove that one first.');
    return;
  elsif exists (
    select from public.send_attempts a
    join public.campaign_leads cl on cl.id = a.campaign_lead_id
    where cl.campaign_id = s.id
  ) then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'It has mailed somebody already; `campaigns cancel` ends it.');
    return;
  end if;
  update public.campaign_leads p
  set followed_at = null
  from public.campaign_leads cl
  where cl.campaign_id = s.id and p.id = cl.previous_id;
  delete from public.campaigns x where x.id = s.id;
  return next pg_catalog.jsonb_build_object('answer', 'removed');
end
$$;

create or replace function public.followed_mails(lead uuid, s public.campaigns) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The mails of the chain that this lead, campaign_leads.id, has got, the last one first. `in_thread`: the mail of
  -- this step belongs into the thread of that one.
  select pg_catalog.jsonb_build_object(
    'in_thread', s.step_subject is null,
    'mails', coalesce(pg_catalog.jsonb_agg(
      pg_catalog.jsonb_build_object('message_id', cl.message_id, 'thread_id', cl.thread_id)
      order by cl.sent_at desc) filter (where cl.status = 'sent'), '[]'))
  from public.campaign_leads cl
  where cl.id = any (public.chain_of(followed_mails.lead)) and cl.id <> followed_mails.lead;
$$;

-- --- why a lead is not followed -------------------------------------------------------------------

create or replace function public.chain_of(lead uuid) returns uuid[]
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- campaign_leads.id of this lead in each step before, and itself.
  with recursive chain (id, previous_id, steps) as (
    select cl.id, cl.previous_id, 1 from public.campaign_leads cl where cl.id = chain_of.lead
    union all
    select cl.id, cl.previous_id, chain.steps + 1
    from chain
    join public.campaign_leads cl on cl.id = chain.previous_id
    where chain.steps < 60
  )
  select pg_catalog.array_agg(chain.id) from chain;
$$;

create or replace function public.why_not_followed(
  s public.campaigns,
  previous uuid,
  t timestamptz
) returns text
language plpgsql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Why a lead of the step before, campaign_leads.id, gets no mail of this step; null: it does. Who is away waits.
declare
  p public.campaign_leads;
  l public.leads;
  was_to text;
  back record;
  due timestamptz;
begin
  select x.* into p from public.campaign_leads x where x.id = previous;
  if not found then
    return 'the mail that it follows was deleted';
  end if;
  select x.* into l from public.leads x where x.id = p.lead_id;
  if not found then
    return 'the lead was deleted';
  end if;
  select x.address into was_to
  from public.send_attempts x
  where x.campaign_lead_id = p.id and x.outcome = 'sent'
  order by x.started_at desc
  limit 1;
  if was_to is null then
    return 'another sender mailed it, and to which address is not known';
  elsif lower(was_to) <> public.mailbox_key(l.email) then
    return 'its address was changed';
  end if;
  select i.kind, i.received_at into back
  from public.inbound_mails m
  join public.inbound i on i.id = m.inbound_id
  where m.campaign_lead_id = any (public.chain_of(p.id))
    and (i.kind in ('reply', 'unreadable', 'unsubscribe', 'complaint') or (i.kind = 'bounce' and m.verdict in ('dead', 'none')))
  order by i.received_at
  limit 1;
  if found then
    return case back.kind
        when 'reply' then 'answered on '
        when 'bounce' then 'bounced on '
        when 'unreadable' then 'a mail in its thread could not be read on '
        else 'opted out on '
      end || pg_catalog.to_char(back.received_at at time zone 'UTC', 'YYYY-MM-DD');
  end if;
  if s.stop_on_company_reply and l.company_id is not null and exists (
    select from public.leads colleague
    join public.campaign_leads cl on cl.lead_id = colleague.id
    join public.campaigns c on c.id = cl.campaign_id and s.parent_id in (c.id, c.parent_id)
    join public.inbound_mails m on m.campaign_lead_id = cl.id
    join public.inbound i on i.id = m.inbound_id and i.kind = 'reply'
    where colleague.company_id = l.company_id
  ) then
    return 'somebody of its company answered';
  end if;
  due := greatest(
    public.follow_due(s, p.sent_at), s.created_at,
    (
      select max(x.until)
      from public.absences x
      where x.key = public.mailbox_key(l.email) and (x.user_id <> s.user_id) is not true));
  if t > due + public.most_late(s) * interval '1 second' then
    return pg_catalog.format('it was due on %s, too long ago',
      pg_catalog.to_char(due at time zone 'UTC', 'YYYY-MM-DD'));
  end if;
  return null;
end
$$;

-- --- planning -------------------------------------------------------------------------------------

create or replace function public.plan_steps(
  most integer default 1000,
  ahead_seconds double precision default 900,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Plans leads of steps that are due within ahead_seconds, at most so many; ends and re-opens steps.
--   planned: {leads, stopped, steps} nothing is left when all are 0
declare
  t timestamptz := coalesce(now, clock_timestamp());
  r public.campaigns;
  s public.campaigns;
  found_step record;
  done record;
  planned bigint := 0;
  stopped bigint := 0;
  steps bigint := 0;
begin
  for found_step in
    select x.id, x.parent_id
    from public.campaigns x
    where x.parent_id is not null and (x.next_follow_at is null or x.next_follow_at <= t)
    order by x.next_follow_at nulls first, x.id
    limit 200
  loop
    exit when planned + stopped >= most;
    -- Whoever holds the chain's first campaign acts on it at this moment: the next round does.
    select x.* into r from public.campaigns x where x.id = found_step.parent_id for no key update skip locked;
    continue when not found;
    select x.* into s from public.campaigns x where x.id = found_step.id for no key update skip locked;
    continue when not found;
    begin
      select * into done from public.plan_step(r, s, most - (planned + stopped)::integer, ahead_seconds, t);
      planned := planned + done.planned;
      stopped := stopped + done.stopped;
      steps := steps + 1;
    exception
      when data_exception then
        -- A value that no web app should write, such as a time beyond all calendars, holds up this step alone.
        update public.campaigns x
        set next_follow_at = t + interval '1 hour', waiting_for = left('a value that can be read: ' || sqlerrm, 1000)
        where x.id = s.id;
    end;
  end loop;
  return next pg_catalog.jsonb_build_object('answer', 'planned', 'leads', planned, 'stopped', stopped, 'steps', steps);
end
$$;

create or replace function public.plan_step(
  r public.campaigns,
  s public.campaigns,
  most integer,
  ahead_seconds double precision,
  t timestamptz,
  out planned bigint,
  out stopped bigint
)
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- One step; the caller holds the locks of both campaigns.
declare
  previous constant uuid := public.step_before(s);
  since constant timestamptz := coalesce(s.follow_since, s.created_at - interval '30 days');
  -- Days are as long as their clock changes make them.
  latest constant timestamptz := t + ahead_seconds * interval '1 second'
    - coalesce(s.delay_seconds * interval '1 second', s.delay_days * interval '24 hours' - interval '3 hours');
  -- Surely not overdue before.
  plain_seconds constant double precision :=
    coalesce(s.delay_seconds, s.delay_days * 86400.0 - 10800) + public.most_late(s);
  -- In error with nobody left: only what comes now can make it go on. With leads left, a person resumes it.
  may_reopen constant boolean := s.status = 'completed' or s.status = 'error' and not exists (
    select from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending');
  first_due timestamptz;
  oldest timestamptz;
  able uuid[];
begin
  planned := 0;
  stopped := 0;
  if s.user_id <> r.user_id then
    -- Another user's row, or the owner changes at this moment, one row after the other.
    update public.campaigns x set next_follow_at = t + interval '1 minute' where x.id = s.id;
    return;
  elsif s.status = 'cancelled' or r.status = 'cancelled' or previous is null then
    perform public.cancel_step(s.id);
    return;
  elsif r.paused_at is not null or s.paused_at is not null or r.status = 'draft' then
    update public.campaigns x
    set
      next_follow_at = t + interval '1 minute',
      status = case when s.status = 'draft' and r.status <> 'draft' then 'scheduled' else x.status end
    where x.id = s.id;
    return;
  end if;

  insert into public.campaign_accounts (campaign_id, account_id)
  select s.id, ca.account_id from public.campaign_accounts ca
  where ca.campaign_id = r.id
    and not exists (select from public.campaign_accounts x where x.campaign_id = s.id)
  on conflict do nothing;
  -- Who is due from another account waits for it where they are, until it is too late.
  able := array(
    select a.id
    from public.campaign_accounts ca
    join public.accounts a on a.id = ca.account_id and public.why_unable(a, s.user_id) is null
    where ca.campaign_id = s.id);

  with due as materialized (
    select cl.id, cl.sent_at, cl.lead_id
    from public.campaign_leads cl
    where cl.campaign_id = previous and cl.status = 'sent' and cl.followed_at is null
      and cl.sent_at > since and cl.sent_at <= latest
      and (cl.assigned_account_id = any (able) or cl.sent_at < t - plain_seconds * interval '1 second')
    order by cl.sent_at
    limit most
    for no key update skip locked
  ), judged as materialized (
    select d.id, public.follow_due(s, d.sent_at) as at, case
        -- Nearly all are plain: nothing came back from them, and they are as they were. A look costs less than the call.
        when not s.stop_on_company_reply and lower(l.email) = mailed.address
          and t <= d.sent_at + plain_seconds * interval '1 second'
          and not exists (
            select from public.campaign_leads x
            join public.inbound_mails m on m.campaign_lead_id = x.id
            where x.lead_id = d.lead_id)
          then null
        else public.why_not_followed(s, d.id, t)
      end as why
    from due d
    left join public.leads l on l.id = d.lead_id
    left join lateral (
      select lower(x.address) as address
      from public.send_attempts x
      where x.campaign_lead_id = d.id and x.outcome = 'sent'
      order by x.started_at desc
      limit 1
    ) mailed on true
    where public.follow_due(s, d.sent_at) <= t + ahead_seconds * interval '1 second'
  ), followed as (
    update public.campaign_leads cl set followed_at = t from judged where cl.id = judged.id
  ), inserted as (
    insert into public.campaign_leads
    select made.*
    from judged
    join public.campaign_leads p on p.id = judged.id
    -- A web app's own columns come along.
    cross join lateral pg_catalog.jsonb_populate_record(p, pg_catalog.jsonb_build_object(
      'id', public.time_ordered_id(), 'campaign_id', s.id, 'previous_id', p.id, 'followed_at', null,
      'status', case when judged.why is null then 'pending' else 'cancelled' end, 'error', judged.why,
      'next_attempt_at', case when judged.why is null then judged.at end,
      'sent_at', null, 'thread_id', null, 'message_id', null, 'opened_at', null, 'open_class', null,
      'claim_token', null, 'claimed_until', null, 'open_attempt_id', null)) made
    on conflict (previous_id) where previous_id is not null do nothing
    returning status::text as status, next_attempt_at
  )
  select count(*) filter (where i.status = 'pending'), count(*) filter (where i.status <> 'pending'),
    min(i.next_attempt_at)
  into planned, stopped, first_due
  from inserted i;
  if planned + stopped < most then
    perform public.leave_late(s, able, t);
  end if;

  select cl.sent_at into oldest
  from public.campaign_leads cl
  where cl.campaign_id = previous and cl.status = 'sent' and cl.followed_at is null and cl.sent_at > since
  order by cl.sent_at
  limit 1;
  update public.campaigns x
  set
    next_follow_at = case
      when planned + stopped >= most then t
      -- What is not sent yet is due no sooner than this. What is settled late is found within hours.
      -- Who is due already waits for an account.
      else least(
        greatest(
          public.follow_due(s, coalesce(oldest, t)) - ahead_seconds * interval '1 second',
          case when planned + stopped = 0 and oldest is not null then t + interval '1 minute' end),
        t + interval '6 hours')
    end,
    idle = x.idle and planned = 0,
    status = case
      when planned > 0 and may_reopen then 'running'
      when s.status = 'draft' then 'scheduled'
      else x.status
    end,
    error = case when not (planned > 0 and may_reopen) then x.error end,
    waiting_for = case when left(x.waiting_for, 24) <> 'a value that can be read' then x.waiting_for end,
    finished_at = case when planned > 0 then null else x.finished_at end,
    scheduled_at = case when s.status in ('draft', 'scheduled') then least(x.scheduled_at, first_due) else x.scheduled_at end,
    resume_at = case
      when planned > 0 and x.run_id is null and (s.status = 'running' or may_reopen) then least(x.resume_at, first_due)
      else x.resume_at
    end
  where x.id = s.id
  returning x.* into s;
  if planned = 0 and oldest is null then
    perform public.end_step(r, s, t);
  end if;
end
$$;

create or replace function public.leave_late(s public.campaigns, able uuid[], t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Planned leads whose account cannot send any more: those for which it is too late, or that left otherwise.
begin
  with judged as materialized (
    select cl.id, public.why_not_followed(s, cl.previous_id, t) as why
    from public.campaign_leads cl
    where cl.campaign_id = s.id and cl.status = 'pending' and cl.open_attempt_id is null and cl.claim_token is null
      and (cl.assigned_account_id = any (able)) is not true
    order by cl.id
    limit 1000
    for no key update skip locked
  )
  update public.campaign_leads cl
  set status = 'cancelled', error = judged.why, next_attempt_at = null
  from judged
  where cl.id = judged.id and judged.why is not null;
end
$$;

create or replace function public.end_step(r public.campaigns, s public.campaigns, t timestamptz) returns void
language plpgsql
security invoker
set search_path = ''
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- The step is over once nothing can come any more: nobody is left to follow, now or later.
begin
  if s.status not in ('scheduled', 'running') or s.lease_until > t
    or exists (select from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending')
    or exists (select from public.send_attempts a where a.campaign_id = s.id and a.outcome is null)
    or exists (
      select from public.campaigns x
      where x.id = public.step_before(s)
        and (x.status in ('draft', 'scheduled', 'running') or (x.status = 'error' and exists (
          select from public.campaign_leads cl where cl.campaign_id = x.id and cl.status = 'pending'))))
  then
    return;
  end if;
  perform public.end_campaign(s.id, t);
end
$$;

create or replace function public.cancel_step(step_id uuid) returns void
language sql
security invoker
set search_path = ''
as $$
  update public.campaigns x
  set status = 'cancelled', next_follow_at = 'infinity', idle = false
  where x.id = cancel_step.step_id;
  update public.campaign_leads cl
  set status = 'cancelled', claim_token = null, claimed_until = null, next_attempt_at = null
  where cl.campaign_id = cancel_step.step_id and cl.status = 'pending' and cl.open_attempt_id is null;
$$;

create or replace function public.cancel_steps(root uuid) returns bigint
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Cancels the steps of a chain that have not ended, by number; returns how many. The caller holds the root's lock.
declare
  step_id uuid;
  cancelled bigint := 0;
begin
  for step_id in
    select x.id from public.campaigns x
    where x.parent_id = root and x.status not in ('completed', 'cancelled')
    order by x.step
    for no key update
  loop
    perform public.cancel_step(step_id);
    cancelled := cancelled + 1;
  end loop;
  return cancelled;
end
$$;

create or replace function public.leads_of_steps(root uuid) returns bigint
language sql
stable
security invoker
set search_path = ''
as $$
  -- Persons whom the steps of a chain that have not ended may still mail.
  select count(distinct x.lead_id)
  from public.campaigns s
  cross join lateral (
    select cl.lead_id from public.campaign_leads cl where cl.campaign_id = s.id and cl.status = 'pending'
    union all
    select y.lead_id from public.leads_to_come(s.id) y
  ) x
  where s.parent_id = leads_of_steps.root and s.status not in ('completed', 'cancelled');
$$;

create or replace function public.has_steps_to_come(root uuid) returns boolean
language sql
stable
security invoker
set search_path = ''
as $$
  select exists (
    select from public.campaigns x
    where x.parent_id = has_steps_to_come.root and x.status not in ('completed', 'cancelled'));
$$;

create or replace function public.leave_lead(lead uuid, claim uuid, why text) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- A look at its thread found that the lead is not to be mailed: no failure. Only by who holds the claim.
begin
  update public.campaign_leads x
  set status = 'cancelled', error = why, claim_token = null, claimed_until = null, next_attempt_at = null
  where x.id = lead and x.status = 'pending' and x.claim_token = claim;
  return next pg_catalog.jsonb_build_object('answer', case when found then 'left' else 'not_ours' end);
end
$$;

create or replace function public.left_for(error text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- Why a lead was left out, without its date.
  select coalesce(
    public.cause_told(error),
    substring(error from '^(answered|bounced|opted\sout|a\smail\sin\sits\sthread\scould\snot\sbe\sread)\son\s[0-9]{4}-'),
    case when error like 'it was due on %, too long ago' then 'was due too long ago' end,
    left(error, 1001));
$$;

create or replace function public.steps_of(root uuid) returns jsonb
language sql
stable
security invoker
set search_path = ''
set enable_seqscan = off
as $$
  -- The follow-ups of a chain by number: how each stands. `waiting`: who was sent the step before and is not planned
  -- yet; `left`: who would have been mailed and was not, by reason; `saved`: those of them who had said something.
  select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'id', s.id, 'step', s.step, 'name', left(s.name, 1001), 'status', s.status,
      'leads', public.campaign_counts(s.id),
      'replied', (public.inbound_counts(s.id) ->> 'replied')::integer,
      'waiting', ahead.leads,
      'left', left_out.reasons,
      'saved', left_out.saved,
      'next_at', least(ahead.due, (
        select min(cl.next_attempt_at) from public.campaign_leads cl
        where cl.campaign_id = s.id and cl.status = 'pending')))
    order by s.step), '[]')
  from public.campaigns s
  cross join lateral (
    select count(*) as leads, public.follow_due(s.*, min(cl.sent_at)) as due
    from public.campaign_leads cl
    where cl.campaign_id = public.step_before(s.*) and cl.status = 'sent' and cl.followed_at is null
      and s.status not in ('completed', 'cancelled')
      and cl.sent_at > coalesce(s.follow_since, s.created_at - interval '30 days')
  ) ahead
  cross join lateral (
    select
      coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('reason', x.reason, 'leads', x.leads)
        order by x.leads desc, x.reason), '[]') as reasons,
      coalesce(sum(x.leads) filter (where x.reason in (
        'answered', 'bounced', 'opted out', 'complained of a mail', 'the address was found dead')), 0) as saved
    from (
      select public.left_for(cl.error) as reason, count(*) as leads
      from public.campaign_leads cl
      where cl.campaign_id = s.id and cl.status = 'cancelled' and cl.error is not null
      group by 1
      order by 2 desc, 1
      limit 100
    ) x
  ) left_out
  where s.parent_id = steps_of.root;
$$;

-- Leads whose address is suppressed: they are cancelled, with the reason, and are no failure.

create or replace function public.cancel_suppressed(leads uuid[], t timestamptz) returns uuid[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Of these leads of campaigns, which the caller has locked, cancels those that nobody may mail; returns them.
declare
  has_erased boolean;
  suspect uuid[];
  cancelled uuid[];
begin
  if not exists (select from public.suppressions) then
    return '{}';
  end if;
  -- Nearly all are not: suppression_of is asked of the others alone.
  has_erased := exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;');
  select array_agg(cl.id) into suspect
  from public.campaign_leads cl
  join public.leads l on l.id = cl.lead_id
  where cl.id = any (leads) and cl.status = 'pending' and cl.open_attempt_id is null
    and (has_erased or exists (
      select from public.suppressions s
      where s.key = any (public.suppression_keys(
        -- As in import_leads: a call costs more than a look.
        case when l.email ~ '[^!-~]' then public.mailbox_key(l.email) else lower(l.email) end))));
  if suspect is null then
    return '{}';
  end if;
  with judged as materialized (
    select cl.id, x.held
    from public.campaign_leads cl
    join public.campaigns c on c.id = cl.campaign_id
    join public.leads l on l.id = cl.lead_id
    cross join lateral (
      -- `offset 0`: asked once a lead.
      select public.suppression_of(public.suppression_keys(public.mailbox_key(l.email)), c.user_id, t) as held
      offset 0) x
    where cl.id = any (suspect) and (x.held).id is not null
  ), changed as (
    update public.campaign_leads cl
    set
      status = 'cancelled', error = public.told_suppression(judged.held), claim_token = null, claimed_until = null,
      next_attempt_at = null
    from judged
    where cl.id = judged.id
    returning cl.id
  )
  select array_agg(changed.id) into cancelled from changed;
  return coalesce(cancelled, '{}');
end
$$;

create or replace function public.leads_of_keys(keys text[]) returns setof uuid
language sql
stable
security invoker
set search_path = ''
-- A few leads of a large table: always by index.
set enable_seqscan = off
as $$
  -- The leads that these addresses and domains may suppress, however their rows spell them; a few others, too.
  select l.id
  from unnest(leads_of_keys.keys) given (key)
  join public.leads l on lower(l.email) = given.key
  where strpos(given.key, '@') > 0
  union
  -- Backwards an address begins with its domain, `@` comes before `A` and `.` before `/`.
  select l.id
  from unnest(leads_of_keys.keys) given (key)
  cross join lateral (
    values (reverse(given.key) || '@', reverse(given.key) || 'A'), (reverse(given.key) || '.', reverse(given.key) || '/')
  ) backwards (first, last)
  join public.leads l
    on reverse(lower(l.email)) operator(pg_catalog.~>=~) backwards.first
    and reverse(lower(l.email)) operator(pg_catalog.~<~) backwards.last
  where strpos(given.key, '@') = 0 and strpos(given.key, '.') > 0
  union
  select l.id
  from public.leads l
  where l.email ~ '[^!-~]' and public.suppression_keys(public.mailbox_key(l.email)) && leads_of_keys.keys;
$$;

create or replace function public.sweep_suppressed(
  most integer default 1000,
  most_leads integer default 5000,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Cancels the pending leads of addresses and domains that were suppressed since the last sweep. It waits for no
-- lock: a lead that somebody holds at this moment is being claimed or begun, which looks for itself.
--   swept: {suppressions, leads} nothing is left when both are 0
declare
  t constant timestamptz := coalesce(now, clock_timestamp());
  swept uuid[];
  keys text[];
  found_leads uuid[];
  cancelled bigint;
begin
  select array_agg(x.id), array_agg(x.key) into swept, keys
  from (
    select s.id, s.key
    from public.suppressions s
    where s.swept_at is null
    order by s.id
    limit most
    for update skip locked
  ) x;
  if swept is null then
    return next pg_catalog.jsonb_build_object('answer', 'swept', 'suppressions', 0, 'leads', 0);
    return;
  end if;
  select array_agg(x.id) into found_leads
  from (
    select cl.id
    from public.leads_of_keys(keys) named (lead)
    join public.campaign_leads cl on cl.lead_id = named.lead and cl.status = 'pending' and cl.open_attempt_id is null
    join public.campaigns c on c.id = cl.campaign_id and c.status not in ('completed', 'cancelled')
    where (public.suppression_of(
      public.suppression_keys(public.mailbox_key((select l.email from public.leads l where l.id = named.lead))),
      c.user_id, t)).id is not null
    order by cl.id
    limit most_leads
    for update of cl skip locked
  ) x;
  cancelled := cardinality(public.cancel_suppressed(coalesce(found_leads, '{}'), t));
  if cancelled < most_leads then
    update public.suppressions s set swept_at = t where s.id = any (swept);
  end if;
  return next pg_catalog.jsonb_build_object(
    'answer', 'swept', 'suppressions', cardinality(swept), 'leads', cancelled);
end
$$;

create or replace function public.cancelled_reasons(campaign uuid) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Why leads of it were not mailed on purpose, without dates; leads that were cancelled with the campaign have none.
  select pg_catalog.jsonb_build_object('reason', told.cause, 'leads', count(*))
  from public.campaign_leads cl
  cross join lateral (select public.left_for(cl.error) as cause) told
  where cl.campaign_id = cancelled_reasons.campaign and cl.status = 'cancelled' and cl.error is not null
  group by told.cause
  order by count(*) desc, told.cause
  limit 100;
$$;

-- How suppressions are written: by whomever, under the locks of their keys, each act in the audit.

create or replace function public.date_suppressions(suppressions uuid[], keys text[]) returns void
language plpgsql
security invoker
set search_path = ''
-- A thousand rows of a large table: always by index.
set enable_seqscan = off
as $$
#variable_conflict use_variable
-- Of rows that hold from now on, or for more than before: refuses those in another form than the log has, waits for
-- the mails that are being begun, then dates the rows.
declare
  number bigint;
  other text;
begin
  if cardinality(suppressions) > 1000 then
    raise exception
      'At most 1,000 suppressions may be written by one statement: each takes a lock until its transaction ends.'
      using errcode = 'program_limit_exceeded';
  end if;
  select given.key into other
  from unnest(keys) given (key)
  where given.key <> public.suppression_key(given.key)
  limit 1;
  if found then
    raise exception 'The suppression % is not in the form of the log: write %.', other, public.suppression_key(other)
      using errcode = 'check_violation';
  end if;
  for number in
    select distinct public.suppression_lock(given.key) from unnest(keys) given (key) order by 1
  loop
    perform pg_catalog.pg_advisory_xact_lock(number);
  end loop;
  update public.suppressions s
  set created_at = clock_timestamp(), swept_at = null
  where s.id = any (suppressions);
end
$$;

create or replace function public.told_act(s public.suppressions) returns jsonb
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- What the audit keeps of a row.
  select pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
    'cause', s.cause, 'reason', s.reason, 'source', s.source, 'until', s.until));
$$;

create or replace function public.suppressions_inserted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  perform public.date_suppressions(array(select n.id from new_rows n), array(select n.key from new_rows n));
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'suppressed', n.key, n.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(n)
  from new_rows n;
  return null;
end
$$;

create or replace function public.suppressions_updated() returns trigger
language plpgsql
security invoker
set search_path = ''
-- Of the rows of a statement nothing is known: it would compare each with each.
set enable_nestloop = off
as $$
-- A row that holds for more than before holds since now: for another key, for others, or for longer.
declare
  widened uuid[];
  keys text[];
begin
  select array_agg(n.id), array_agg(n.key) into widened, keys
  from new_rows n
  left join old_rows o on o.id = n.id
  where o.id is null or n.key <> o.key
    or (n.user_id is distinct from o.user_id and o.user_id is not null)
    or n.until > o.until or (n.until is null and o.until is not null);
  if widened is not null then
    perform public.date_suppressions(widened, keys);
  end if;
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'changed', n.key, n.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(n)
  from new_rows n
  left join old_rows o on o.id = n.id
  where (n.key, n.user_id, n.cause, n.reason, n.source, n.until)
    is distinct from (o.key, o.user_id, o.cause, o.reason, o.source, o.until);
  return null;
end
$$;

create or replace function public.suppressions_deleted() returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  insert into public.audit (act, subject, user_id, by_name, details)
  select 'lifted', o.key, o.user_id, nullif(current_setting('outreach.by_name', true), ''), public.told_act(o)
  from old_rows o;
  return null;
end
$$;

-- Rows of a web app count as ours do, so it is the table that keeps the rule.
create or replace trigger suppressions_inserted after insert on public.suppressions
  referencing new table as new_rows
  for each statement execute function public.suppressions_inserted();
create or replace trigger suppressions_updated after update on public.suppressions
  referencing old table as old_rows new table as new_rows
  for each statement execute function public.suppressions_updated();
create or replace trigger suppressions_deleted after delete on public.suppressions
  referencing old table as old_rows
  for each statement execute function public.suppressions_deleted();

-- What recipients and persons do with suppressions: opt out, add, lift, look.

create or replace function public.unsubscribe(token text, origin text default 'link') returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The recipient of the mail with this token wants no more of its campaign's owner. Needs neither the lead nor the
-- campaign to exist any more; repeated it changes nothing.
--   done, already: {campaign}    unknown: no mail has this token    canary: a trial of the web app's address
declare
  s public.send_attempts;
  owner uuid;
begin
  if coalesce(token, '') = '' or length(token) > 200 then
    return next pg_catalog.jsonb_build_object('answer', 'unknown');
    return;
  end if;
  select x.* into s
  from public.send_attempts x
  where x.search_token = token and x.search_token <> ''
  order by x.started_at desc
  limit 1;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', case
      when exists (select from public.web_addresses w where w.canary = token) then 'canary'
      else 'unknown'
    end);
    return;
  end if;
  -- Where the campaign is gone its account tells the owner; without one it holds for everybody.
  select x.user_id into owner from public.campaigns x where x.id = s.campaign_id;
  if not found then
    select x.user_id into owner from public.accounts x where x.id = s.account_id;
  end if;
  insert into public.suppressions as x (key, user_id, cause, source)
  values (
    case when strpos(s.address, '@') > 0 then public.mailbox_key(s.address) else 'erased:' || split_part(s.address, ':', 1) end,
    owner, 'opt_out', left(origin, 100))
  on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
  set until = null, source = excluded.source
  where x.until is not null;
  if not found then
    return next pg_catalog.jsonb_build_object('answer', 'already', 'campaign', s.campaign_id);
    return;
  end if;
  if origin <> 'mail' then -- the reader of the mailbox records the mail
    perform public.save_inbound(s.account_id, '{"kind": "unsubscribe"}',
      pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('attempt', s.id)), 'link', clock_timestamp());
  end if;
  return next pg_catalog.jsonb_build_object('answer', 'done', 'campaign', s.campaign_id);
end
$$;

create or replace function public.suppress(
  entries jsonb,
  origin text,
  by_name text default null,
  owner uuid default null,
  forced boolean default false
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Suppresses up to 1,000 keys. entries: [{key, cause, reason, until}], all but the key optional. What holds already
-- keeps its date; what had ended, or was to end sooner, holds from now on. A domain in which people of many
-- companies have addresses, or many companies their own, is left out unless `forced`.
--   suppressed: {added, known, left_out: [key]}
declare
  has_erased constant boolean :=
    exists (select from public.suppressions s where s.key >= 'erased:' and s.key < 'erased;');
  asked bigint;
  added bigint;
  left_out text[] := '{}';
begin
  if not forced then
    select coalesce(array_agg(distinct asked_for.key), '{}') into left_out
    from (
      select public.suppression_key(e.key) as key
      from pg_catalog.jsonb_to_recordset(entries) e (key text)
      where strpos(e.key, '@') = 0
    ) asked_for
    join unnest(public.shared_domains()) shared (domain)
      on shared.domain = asked_for.key or right(shared.domain, length(asked_for.key) + 1) = '.' || asked_for.key;
  end if;
  perform pg_catalog.set_config('outreach.by_name', coalesce(left(by_name, 200), ''), true);
  with named as (
    select public.suppression_key(e.key) as key, coalesce(e.cause, 'listed') as cause,
      nullif(left(e.reason, 1000), '') as reason, e.until
    from pg_catalog.jsonb_to_recordset(entries) e (key text, cause text, reason text, until timestamptz)
  ), given as (
    -- Who was erased stays unnamed.
    select distinct on (coalesce(erased.key, n.key), n.cause)
      coalesce(erased.key, n.key) as key, n.cause, n.reason, n.until
    from named n
    left join public.suppressions erased
      on has_erased and erased.key = 'erased:' || public.keyed_hash(n.key) and erased.cause = 'erased'
    where n.key <> all (left_out)
    order by coalesce(erased.key, n.key), n.cause, n.until desc nulls first
  ), written as (
    insert into public.suppressions as x (key, user_id, cause, reason, source, until)
    select g.key, owner, g.cause, g.reason, left(origin, 100), g.until
    from given g
    order by g.key collate "C", g.cause -- in one order, so that two imports of the same list wait in turns
    on conflict (key, coalesce(user_id, '00000000-0000-0000-0000-000000000000'), cause) do update
    set until = excluded.until, reason = coalesce(excluded.reason, x.reason), source = excluded.source
    where x.until < excluded.until or (x.until is not null and excluded.until is null)
    returning 1
  )
  select (select count(*) from given), (select count(*) from written) into asked, added;
  perform pg_catalog.set_config('outreach.by_name', '', true);
  return next pg_catalog.jsonb_build_object('answer', 'suppressed', 'added', added, 'known', asked - added,
    'left_out', left_out);
end
$$;

create or replace function public.lift_suppressions(
  keys text[],
  by_name text,
  owner uuid default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
set statement_timeout = '60s'
as $$
#variable_conflict use_variable
-- Takes these addresses and domains out, whatever the cause, in the name of a person; of an owner, or of everybody.
-- Leads that were cancelled for it stay cancelled until a person retries them.
--   lifted: {lifted, still: [{key, why}]} what another suppression holds all the same
declare
  lifted bigint;
begin
  if btrim(coalesce(by_name, '')) = '' then
    return next pg_catalog.jsonb_build_object(
      'answer', 'rejected', 'reason', 'A suppression is lifted in the name of a person; name them with --by.');
    return;
  end if;
  keys := array(select public.suppression_key(given.key) from unnest(keys) given (key));
  perform pg_catalog.set_config('outreach.by_name', left(btrim(by_name), 200), true);
  delete from public.suppressions s
  where s.key = any (keys || array(
      select 'erased:' || public.keyed_hash(given.key) from unnest(keys) given (key) where strpos(given.key, '@') > 0))
    and (owner is null or s.user_id = owner);
  get diagnostics lifted = row_count;
  perform pg_catalog.set_config('outreach.by_name', '', true);
  return next pg_catalog.jsonb_build_object('answer', 'lifted', 'lifted', lifted, 'still', coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('key', held.key, 'why', held.why) order by held.key)
    from (
      select
        given.key,
        public.told_suppression(public.suppression_of(
          public.suppression_keys(case when strpos(given.key, '@') > 0 then given.key else '@' || given.key end),
          owner, clock_timestamp())) as why
      from unnest(keys) given (key)
    ) held
    where held.why is not null), '[]'));
end
$$;

create or replace function public.list_suppressions(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500,
  owner uuid default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Those of an owner, or all; what has ended, too.
  select pg_catalog.jsonb_build_object(
    'id', s.id, 'key', s.key, 'owner', s.user_id, 'cause', s.cause, 'reason', s.reason, 'source', s.source,
    'since', s.created_at, 'until', s.until, 'holds', s.until is null or s.until > clock_timestamp())
  from public.suppressions s
  where s.id > list_suppressions.after
    and (list_suppressions.owner is null or s.user_id = list_suppressions.owner)
  order by s.id
  limit list_suppressions.most;
$$;

create or replace function public.list_acts(
  key text,
  most integer default 1000
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What was done to the suppressions of an address or a domain, the oldest first; of very many acts the last.
  select pg_catalog.jsonb_build_object('at', last.at, 'act', last.act, 'by', last.by_name, 'owner', last.user_id)
    || last.details
  from (
    select a.*
    from public.audit a
    cross join lateral (select public.suppression_key(list_acts.key) as key offset 0) asked
    where a.subject in (asked.key, 'erased:' || public.keyed_hash(asked.key))
    order by a.at desc, a.id desc
    limit list_acts.most
  ) last
  order by last.at, last.id;
$$;

-- Whom no campaign mails: the keys by which an address is suppressed, and the rule that keeps a suppression and the
-- beginning of a mail apart.
--
-- A mail is begun under shared advisory locks on its keys, and reads the suppressions after it has them. Whoever
-- suppresses takes them exclusively, and dates the suppression then. So no mail is begun later than a suppression
-- that holds. Who begins a mail holds its lead and its account, so it never waits for these locks: it is told to ask
-- again. A transaction that suppresses locks no lead, account or campaign: a sweep cancels the leads later.

create or replace function public.keyed_hash(given text) returns text
language sql
stable
strict
security invoker
set search_path = ''
as $$
  -- HMAC-SHA-256, in hexadecimal digits: what stands for the address of an erased person.
  select encode(sha256(k.outer_block || sha256(k.inner_block || convert_to(keyed_hash.given, 'UTF8'))), 'hex')
  from public.address_hash_key k;
$$;

create or replace function public.suppression_keys(mailbox text) returns text[]
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What suppresses an address, given as mailbox_key has it: itself, its domain, and each parent of that with a dot.
-- `erased:` and its keyed hash come on top.
declare
  keys text[] := array[mailbox];
  domain text := substring(mailbox from '[^@]*$');
begin
  while strpos(domain, '.') > 0 loop
    keys := keys || domain;
    domain := substr(domain, strpos(domain, '.') + 1);
  end loop;
  return keys;
end
$$;

create or replace function public.suppression_key(given text) returns text
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left.
as $$
  -- An address or a domain in the form in which it is a key.
  select case
    when strpos(given, '@') > 0 then public.mailbox_key(given)
    else substr(public.mailbox_key('x@' || given), 3)
  end;
$$;

create or replace function public.suppression_lock(key text) returns bigint
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- The number of the advisory lock of a key. Keyed hashes have one for all of them: whoever begins a mail need not
  -- know the address's hash for it, and an erasure is rare.
  select pg_catalog.hashtextextended(case when key like 'erased:%' then 'erased' else key end, 2318);
$$;

create or replace function public.hold_off_suppressions(mailbox text) returns text[]
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The keys of an address, as suppression_keys has them; a call of it would take longer. Until the end of this
-- transaction nobody suppresses one of them. Null: somebody is at it.
declare
  keys text[] := array[mailbox];
  domain text := substring(mailbox from '[^@]*$');
  held boolean := pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended('erased', 2318))
    and pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended(mailbox, 2318));
begin
  while held and strpos(domain, '.') > 0 loop
    held := pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended(domain, 2318));
    keys := keys || domain;
    domain := substr(domain, strpos(domain, '.') + 1);
  end loop;
  return case when held then keys end;
end
$$;

create or replace function public.suppression_of(
  keys text[],
  owner uuid,
  t timestamptz,
  out suppression public.suppressions
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- What keeps an address, the first of these keys, from the campaigns of this owner; null for nothing. A campaign
-- without an owner keeps to everybody's.
begin
  select s.* into suppression
  from public.suppressions s
  where s.key = any (keys || ('erased:' || public.keyed_hash(keys[1])))
    and (s.until is null or s.until > t)
    and (s.user_id <> owner) is not true
  order by
    pg_catalog.array_position(array['opt_out', 'complaint', 'erased', 'dead', 'hold', 'listed'], s.cause), s.created_at
  limit 1;
end
$$;

create or replace function public.told_suppression(s public.suppressions) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- The same in words, as a cancelled lead has it.
  select case s.cause
      when 'opt_out' then 'opted out on '
      when 'complaint' then 'complained of a mail on '
      when 'erased' then 'was erased on '
      when 'dead' then 'the address was found dead on '
      when 'hold' then 'held for a person to look at since '
      else 'suppressed on '
    end
    || pg_catalog.to_char(s.created_at at time zone 'UTC', 'YYYY-MM-DD')
    || case when strpos(s.key, '.') > 0 and strpos(s.key, '@') = 0 then ', as all of ' || s.key else '' end
    || case
      when s.until is not null then ', until ' || pg_catalog.to_char(s.until at time zone 'UTC', 'YYYY-MM-DD')
      else ''
    end
    || case when s.cause = 'listed' and s.reason <> '' then ': ' || s.reason else '' end
  where s.id is not null;
$$;

create or replace function public.cause_told(reason text) returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  -- The cause in what told_suppression said, without its date; null for what it did not say.
  select substring(cause_told.reason from
    '^(opted\sout|complained\sof\sa\smail|was\serased|the\saddress\swas\sfound\sdead|'
    'held\sfor\sa\sperson\sto\slook\sat|suppressed)\s(?:on|since)\s[0-9]{4}-');
$$;

-- A campaign whose run was suspended in Prefect is paused until that run is resumed there.

create or replace function public.suspend_run(campaign uuid, run uuid, now timestamptz default null)
returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- Pauses the campaign for its run, unless another has it. A live run still owns it, and gives it back as it
-- ends; from a dead one it is taken, which counts as no death. A person's own pause stays that person's.
declare
  t timestamptz := coalesce(now, clock_timestamp());
begin
  update public.campaigns x
  set
    suspended_run = case when x.paused_at is null then run else x.suspended_run end,
    waiting_for = case when x.paused_at is null then 'its run to be resumed in Prefect' else x.waiting_for end,
    paused_at = coalesce(x.paused_at, t),
    dispatched_at = null,
    dispatch_misses = 0,
    run_id = case when x.lease_until > t then x.run_id end,
    lease_until = case when x.lease_until > t then x.lease_until end
  where x.id = campaign and x.status in ('scheduled', 'running')
    and (x.run_id = run or x.lease_until is null or x.lease_until <= t);
  if found then
    return next pg_catalog.jsonb_build_object('answer', 'suspended');
  end if;
end
$$;

create or replace function public.list_suspended(
  after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- Campaigns that a suspended run holds; or held, until a person resumed or ended them here.
  select pg_catalog.jsonb_build_object(
    'id', c.id, 'flow_run', c.suspended_run,
    'held', c.paused_at is not null and c.status in ('scheduled', 'running'))
  from public.campaigns c
  where c.suspended_run is not null and c.id > list_suspended.after
  order by c.id
  limit list_suspended.most;
$$;

create or replace function public.forget_suspension(campaign uuid, run uuid) returns setof jsonb
language sql
security invoker
set search_path = ''
as $$
  -- Its run cannot be resumed any more. What is paused stays paused, until a person resumes it here.
  update public.campaigns x
  set
    suspended_run = null,
    waiting_for = case when x.paused_at is null then x.waiting_for else 'a person to resume it' end
  where x.id = forget_suspension.campaign and x.suspended_run = forget_suspension.run
  returning pg_catalog.jsonb_build_object('answer', 'forgotten');
$$;

-- What people look at while a campaign is sent.

create or replace function public.campaign_progress(
  campaign uuid,
  default_pace double precision,
  default_per_day integer,
  recent_seconds double precision default 300,
  now timestamptz default null
) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- How far it is, an account each, and every fact about why nothing may be moving. Asked for again and
  -- again: its leads are counted in one pass, its mails of the last minutes by their accounts. Leads of an
  -- account that left the campaign, or is gone, are counted too.
  with looked as materialized (
    -- As a whole it is called by a name that no column has: then the name would be that column.
    select
      its_row.id, its_row.name, its_row.status, its_row.error, its_row.paused_at, its_row.waiting_for,
      its_row.run_id, its_row.lease_until, its_row.scheduled_at, its_row.resume_at, its_row.dispatched_at,
      its_row.dispatch_misses, its_row.suspended_run, its_row.parent_id,
      its_row.idle and its_row.parent_id is not null as awaits,
      public.held_by_root(its_row) as held,
      case when its_row.parent_id is not null then (
        select public.follow_due(its_row, min(cl.sent_at))
        from public.campaign_leads cl
        where cl.campaign_id = public.step_before(its_row) and cl.status = 'sent' and cl.followed_at is null
          and cl.sent_at > coalesce(its_row.follow_since, its_row.created_at - interval '30 days'))
      end as follows_at,
      its_row.time_zone, its_row.send_days, its_row.send_from, its_row.send_until, its_row.skip_dates,
      public.has_window(its_row) as windowed,
      public.next_opening(its_row, clock.t) as opening,
      clock.t
    from public.campaigns its_row
    cross join lateral (select coalesce(campaign_progress.now, clock_timestamp()) as t) clock
    where its_row.id = campaign_progress.campaign
  ),
  counted as materialized (
    select x.* from public.leads_by_account(campaign_progress.campaign) x
  ),
  senders as materialized (
    select
      either.account_id, looked.t, public.daily_limit_of(its_row, campaign_progress.default_per_day, looked.t) as per_day,
      public.told_ramp(its_row, looked.t) as ramp
    from looked, (
      select ca.account_id from public.campaign_accounts ca where ca.campaign_id = campaign_progress.campaign
      union
      select counted.account from counted
    ) either
    left join public.accounts its_row on its_row.id = either.account_id
  ),
  accounts as (
    select pg_catalog.jsonb_build_object(
      'email', a.email,
      'leads', pg_catalog.jsonb_build_object(
        'pending', coalesce(n.pending, 0), 'sent', coalesce(n.sent, 0),
        'failed', coalesce(n.failed, 0), 'cancelled', coalesce(n.cancelled, 0)),
      'status', coalesce(a.status, 'removed'),
      'status_reason', a.status_reason,
      'connected', coalesce(a.refresh_token, '') <> '',
      'assigned', exists (
        select from public.campaign_accounts ca
        where ca.campaign_id = campaign_progress.campaign and ca.account_id = s.account_id),
      'paused_seconds', public.seconds_paused(a.paused_until, s.t),
      'rest_reason', case when a.paused_until > s.t then a.rest_reason end,
      'pace_seconds', coalesce(a.pace_seconds, campaign_progress.default_pace),
      'sent_today', public.mails_of_account(s.account_id, s.t),
      'sent_by_hour', public.mails_by_hour(s.account_id, s.t),
      'daily_limit', s.per_day,
      'full_limit', coalesce(a.daily_limit, campaign_progress.default_per_day),
      'ramp', s.ramp,
      'limit_seconds',
      extract(epoch from public.below_daily_limit_at(s.account_id, s.per_day, s.t) - s.t)::double precision,
      'recent', pg_catalog.jsonb_build_object(
        'mails', late.mails, 'first_seconds', late.first_seconds, 'last_seconds', late.last_seconds)
    ) as told, a.email
    from senders s
    left join public.accounts a on a.id = s.account_id
    left join counted n on n.account is not distinct from s.account_id
    cross join lateral (
      select
        count(*) as mails,
        extract(epoch from s.t - min(x.started_at))::double precision as first_seconds,
        extract(epoch from s.t - max(x.started_at))::double precision as last_seconds
      from public.send_attempts x
      where x.account_id = s.account_id
        and public.may_have_left(x.outcome)
        and x.started_at > s.t - campaign_progress.recent_seconds * interval '1 second'
        and x.campaign_id = campaign_progress.campaign
    ) late
  )
  select pg_catalog.jsonb_build_object(
    'id', c.id,
    'name', c.name,
    'status', c.status,
    'error', c.error,
    'paused', c.paused_at is not null,
    'suspended', c.suspended_run is not null and c.paused_at is not null,
    'places_taken', (select (x ->> 'taken')::bigint from public.count_places(c.t) x),
    'waiting_for', c.waiting_for,
    -- As the first migration paused it.
    'cut_over', c.paused_at is not null and c.waiting_for is not distinct from
      'The previous sender may have mailed some of the pending leads: check them, then resume.',
    -- Why the guard paused it.
    'paused_for', case
      when c.paused_at is not null
        then nullif(pg_catalog.split_part(c.waiting_for, 'a person to resume it: ', 2), '')
    end,
    'parent_id', c.parent_id,
    -- Of a follow-up without a planned lead.
    'awaits', c.awaits,
    'held', c.held,
    'follows_seconds', extract(epoch from c.follows_at - c.t)::double precision,
    'owned', c.run_id is not null and coalesce(c.lease_until > c.t, false),
    'silent_seconds', case
      when c.run_id is not null and c.lease_until <= c.t then extract(epoch from c.t - c.lease_until)::double precision
    end,
    'scheduled_seconds', extract(epoch from c.scheduled_at - c.t)::double precision,
    'resume_seconds', extract(epoch from c.resume_at - c.t)::double precision,
    'windowed', c.windowed,
    'time_zone', c.time_zone,
    'send_days', c.send_days,
    'send_from', c.send_from,
    -- Midnight, which JSON's readers know no clock time for.
    'send_until', nullif(c.send_until, '24:00'),
    'skip_dates', c.skip_dates,
    'opens_seconds', extract(epoch from c.opening - c.t)::double precision,
    'dispatched_seconds', extract(epoch from c.t - c.dispatched_at)::double precision,
    'dispatch_misses', c.dispatch_misses,
    -- Of the claimed and of the deferred ones: each kind has its index.
    'next_seconds', extract(epoch from least(
      (select min(cl.next_attempt_at)
      from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.claim_token is not null and cl.status = 'pending'),
      (select min(cl.next_attempt_at)
      from public.campaign_leads cl
      where cl.campaign_id = c.id and cl.claim_token is null and cl.next_attempt_at is not null
        and cl.status = 'pending' and cl.open_attempt_id is null)) - c.t)::double precision,
    'in_doubt', (select count(*) from public.send_attempts x where x.campaign_id = c.id and x.outcome is null),
    'accounts', coalesce(
      (select pg_catalog.jsonb_agg(accounts.told order by accounts.email) from accounts), '[]'::jsonb),
    'capped_domains', public.capped_domains(c.id, c.t))
  from looked c;
$$;

-- Whether the web app's address answers, which recipients' programs ask.

create or replace function public.take_canary(
  web_address text,
  fresh_canary text,
  rest_seconds double precision default 0,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
-- The token with which this address is tried; `fresh_canary` becomes it at the first trial. With
-- `rest_seconds` it is none, so no trial, while the last one went well so recently, and where no campaign that
-- has not ended has the header.
declare
  t timestamptz;
begin
  insert into public.web_addresses (address, canary) values (web_address, fresh_canary)
  on conflict (address) do nothing;
  t := coalesce(now, clock_timestamp());
  return query
  select pg_catalog.jsonb_build_object('canary', w.canary)
  from public.web_addresses w
  where w.address = web_address and (
    rest_seconds <= 0
    or (w.answers is not true or w.tried_at is null or w.tried_at < t - rest_seconds * interval '1 second')
      and exists (
        select from public.campaigns c
        where c.list_unsubscribe and c.status in ('draft', 'scheduled', 'running')));
end
$$;

create or replace function public.note_canary(
  web_address text,
  well boolean,
  why text default null,
  now timestamptz default null
) returns setof jsonb
language plpgsql
security invoker
set search_path = ''
as $$
#variable_conflict use_variable
begin
  update public.web_addresses w
  set tried_at = coalesce(now, clock_timestamp()), answers = well, problem = why
  where w.address = web_address;
  return next pg_catalog.jsonb_build_object('answer', 'noted');
end
$$;

create or replace function public.read_canary(web_address text, now timestamptz default null) returns setof jsonb
language sql
stable
security invoker
set search_path = ''
as $$
  -- What the last trial of this address found, and how long ago.
  select pg_catalog.jsonb_build_object(
    'canary', w.canary,
    'answers', w.answers,
    'problem', left(w.problem, 1001),
    'age_seconds', extract(epoch from coalesce(read_canary.now, clock_timestamp()) - w.tried_at)::double precision)
  from public.web_addresses w
  where w.address = read_canary.web_address and w.tried_at is not null;
$$;

-- The sending window of a campaign: wall-clock hours on some weekdays but for some dates, in its time zone.

create or replace function public.next_opening(c public.campaigns, t timestamptz) returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
-- `t` itself while the window is open or there is none; else when it opens next; null when it never
-- does. What is not given does not limit: every day, from midnight, until midnight, UTC. Each day's
-- hours become moments by themselves, so that a change of the clocks moves both ends with it.
declare
  zone constant text := coalesce(c.time_zone, 'UTC');
  today date;
  day date;
  opens timestamptz;
  closes timestamptz;
begin
  if not public.has_window(c) then
    return t;
  end if;
  today := t at time zone zone;
  -- A date to skip puts it off by a week at most.
  for ahead in 0 .. 7 * (1 + coalesce(cardinality(c.skip_dates), 0)) loop
    day := today + ahead;
    continue when extract(isodow from day)::integer <> all (c.send_days) or day = any (c.skip_dates);
    opens := (day + coalesce(c.send_from, '00:00')) at time zone zone;
    closes := (day + coalesce(c.send_until, '24:00')) at time zone zone;
    if closes > t and closes > opens then
      return greatest(opens, t);
    end if;
  end loop;
  return null;
exception
  when invalid_parameter_value then
    return null; -- no such time zone
end
$$;

create or replace function public.has_window(c public.campaigns) returns boolean
language sql
immutable
parallel safe
security invoker
-- No `set`, as for may_have_left: it costs no call.
as $$
  -- Whether anything limits when the campaign may send.
  select c.send_days is not null or c.send_from is not null or c.send_until is not null or c.skip_dates is not null;
$$;

create or replace function public.told_window(c public.campaigns, opening timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- What a campaign outside its window waits for, for people.
  select case
    when told_window.opening is null then 'its sending window, which never opens'
    else pg_catalog.format(
      'its sending window, which opens %s %s',
      pg_catalog.to_char(
        told_window.opening at time zone coalesce(c.time_zone, 'UTC'),
        -- Over days off it may be weeks.
        'Dy ' || case when c.skip_dates is null then '' else 'YYYY-MM-DD ' end || 'HH24:MI'),
      coalesce(c.time_zone, 'UTC'))
  end;
$$;

create or replace function public.fault_of_window(c public.campaigns, t timestamptz) returns text
language sql
stable
security invoker
set search_path = ''
as $$
  -- Why a campaign cannot have this window, for people; null: it can. A machine's own names are no place's:
  -- another machine, or this one tomorrow, means another time by them.
  select case
    when c.time_zone is not null and (
      c.time_zone in ('localtime', 'posixrules', 'Factory') or c.time_zone ~ '^(posix|right)/'
      or not exists (select from pg_catalog.pg_timezone_names z where z.name = c.time_zone)
    ) then pg_catalog.format('%L is no time zone; write one like Europe/Berlin or America/New_York.', c.time_zone)
    when public.next_opening(c, fault_of_window.t) is null
      then 'The campaign''s sending window never opens; its hours have to end after they begin.'
    when cardinality(c.skip_dates) > 1000 then 'A campaign has at most 1,000 days off.'
  end;
$$;

-- End of functions.

reset check_function_bodies;
select public.lock_down();
notify pgrst, 'reload schema';
