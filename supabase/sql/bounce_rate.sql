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
