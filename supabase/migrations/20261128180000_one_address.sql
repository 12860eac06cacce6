-- The log has a mail's address in the one form that stands in its To: what earlier releases wrote as the lead's
-- row had it is put into that form, so that the index refuses a second mail to the same mailbox. Repeatable.

-- Addresses that may be spelt in more than one way; nearly none are.
create index if not exists leads_beyond_ascii on public.leads (id) where email ~ '[^ -~]';

-- As public.punycode and public.canonical_address of the release that comes with this, which is not there yet.
create or replace function pg_temp.punycode(label text) returns text
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

create or replace function pg_temp.canonical_address(address text) returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
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
      case when label ~ '[^\x01-\x7f]' and length(label) <= 63 then pg_temp.punycode(label) else label end,
      '.' order by nth) into domain
    from unnest(pg_catalog.string_to_array(domain, '.')) with ordinality labels (label, nth);
  end if;
  return trimmed || lower(domain);
end
$$;

do $$
declare
  mail record;
begin
  for mail in
    select s.id, pg_temp.canonical_address(s.address) as address
    from public.send_attempts s
    where s.address ~ '[^!-~]' and s.address <> pg_temp.canonical_address(s.address)
    order by s.started_at, s.id
  loop
    begin
      update public.send_attempts s set address = mail.address where s.id = mail.id;
    exception when unique_violation then
      -- The mailbox got two mails of this campaign: the other one's row keeps it from a third.
      null;
    end;
  end loop;
end
$$;

drop function pg_temp.canonical_address(text);
drop function pg_temp.punycode(text);
