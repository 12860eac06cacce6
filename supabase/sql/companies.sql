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
