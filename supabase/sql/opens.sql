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
