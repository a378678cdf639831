-- Corrections of charging sessions by their owner: deleted sessions, and sessions whose energy the owner states.

-- A correction belongs to a vehicle and a range of time, not to a session, because late samples and recomputing replace
-- sessions. It applies to every session that overlaps it. Corrections of a vehicle don't overlap, unless two vehicles
-- were merged.
create table evconduit.session_corrections (
    id bigint generated always as identity primary key,
    vehicle_id uuid not null references evconduit.vehicles on delete cascade deferrable initially deferred,
    started_at timestamptz not null,
    ended_at timestamptz not null check (ended_at >= started_at),
    -- The energy charged in this time as the owner states it. Null: as derived.
    energy_kwh double precision check (energy_kwh >= 0),
    deleted boolean not null,
    created_at timestamptz not null default now(),
    check (deleted or energy_kwh is not null)
);
create index session_corrections_vehicle on evconduit.session_corrections (vehicle_id, started_at);

-- energy_kwh is the energy that counts: the owner's, null for a deleted session. Then derived_energy_kwh is what was
-- derived; it is null for a session that isn't corrected. A deleted session is kept so that it can be restored.
alter table evconduit.charging_sessions
    add column corrected_by_owner boolean not null default false,
    add column deleted_by_owner boolean not null default false,
    add column derived_energy_kwh double precision check (derived_energy_kwh >= 0);

do $$
begin
    alter table evconduit.session_corrections enable row level security;
    alter table evconduit.session_corrections force row level security;
    create policy relay on evconduit.session_corrections for all to evconduit_relay using (true) with check (true);
    grant select, insert, update, delete on evconduit.session_corrections to evconduit_relay;
end $$;
