-- A follow-up's row took the class of the opening of the mail before it: of a mail that was not even sent, or that
-- nobody opened. Its own fetches of the pixel say what became of it; the counts are made anew.
update public.campaign_leads cl
set open_class = own.class
from (
  select l.id, e.class
  from public.campaign_leads l
  cross join lateral (
    select case
      when bool_or(x.class = 'person') then 'person'
      when bool_or(x.class in ('unclassified', 'proxy')) then 'unclassified'
      when bool_or(x.class = 'machine') then 'machine'
    end as class
    from public.mail_events x
    where x.campaign_lead_id = l.id and l.status = 'sent') e
  where l.previous_id is not null and l.open_class is not null
) own
where cl.id = own.id and cl.open_class is distinct from own.class;

do $$
begin
  if pg_catalog.to_regprocedure('public.recount_mails()') is not null then
    perform public.recount_mails();
  end if;
end
$$;
