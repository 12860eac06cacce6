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
