-- Whether a campaign's subjects are filled for each lead, as its templates are. Rows of the web app have
-- subjects that are sent as they stand.

alter table public.campaigns add column if not exists subject_variables boolean not null default false;
