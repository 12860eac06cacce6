-- Which run, suspended in Prefect, holds a campaign: null for one that a person paused here.

alter table public.campaigns add column if not exists suspended_run uuid;
