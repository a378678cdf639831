-- Corrections of implausible states, smart charging, interventions, and the command that sets the maximum current.

-- vehicle_cache remains Enode's own object. corrected holds the groups that are shown instead (usually none), and
-- correction_memory what the rules need from earlier states. refreshed_at: the last refresh requested from Enode.
alter table evconduit.vehicles
    add column corrected jsonb not null default '{}',
    add column correction_memory jsonb not null default '{}',
    add column smart_charging jsonb,
    add column refreshed_at timestamptz,
    add column intervention_ids jsonb not null generated always as
        (jsonb_path_query_array(vehicle_cache, 'lax $.capabilities.*.interventionIds[*]')) stored;
create index vehicles_interventions on evconduit.vehicles (user_id)
    where intervention_ids <> '[]' and gone_at is null;

-- The language for interventions, one that Enode supports.
alter table evconduit.users add column language text not null default 'en-US';

-- Cache of Enode's interventions. payload is null for an id that Enode doesn't know.
create table evconduit.interventions (
    id text not null,
    language text not null,
    payload jsonb,
    fetched_at timestamptz not null default now(),
    primary key (id, language)
);

alter table evconduit.commands
    drop constraint commands_kind_check,
    add constraint commands_kind_check check (kind in ('START', 'STOP', 'MAX_CURRENT')),
    -- The current that MAX_CURRENT sets, in amperes.
    add column amps double precision,
    add constraint commands_amps_check check ((kind = 'MAX_CURRENT') = (amps is not null) and (amps is null or amps > 0));

alter table evconduit.interventions enable row level security;
alter table evconduit.interventions force row level security;
create policy relay on evconduit.interventions for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.interventions to evconduit_relay;
