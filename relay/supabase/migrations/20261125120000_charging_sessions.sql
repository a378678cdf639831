-- Charging: samples of vehicles, the sessions and energy derived from them, and the user's home location and rates.

-- One row per time at which a charge state was measured. Samples are kept as long as late events may amend sessions;
-- then they are folded into vehicle_energy.base and deleted. The vehicle's row may be written later in the transaction.
create table evconduit.charging_samples (
    vehicle_id uuid not null references evconduit.vehicles on delete cascade deferrable initially deferred,
    at timestamptz not null,
    charging boolean,
    plugged_in boolean,
    soc double precision,
    power_kw double precision,
    capacity_kwh double precision,
    version text not null,
    latitude double precision,
    longitude double precision,
    odometer_km double precision,
    place_version text not null,
    primary key (vehicle_id, at)
);
create index charging_samples_at on evconduit.charging_samples (at);

-- Charging sessions. Amending a session keeps its id. ended_at is the time of the last charging: a session is closed
-- once the vehicle reports its end, or has reported nothing for long.
create table evconduit.charging_sessions (
    id uuid primary key,
    vehicle_id uuid not null references evconduit.vehicles on delete cascade deferrable initially deferred,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    open boolean not null,
    energy_kwh double precision check (energy_kwh >= 0),
    energy_source text not null check (energy_source in ('power', 'soc', 'mixed', 'none')),
    soc_start double precision,
    soc_end double precision,
    peak_kw double precision,
    at_home boolean,
    latitude double precision,
    longitude double precision,
    odometer_km double precision,
    -- Entered by the user if the vehicle doesn't report it.
    user_odometer_km double precision check (user_odometer_km > 0),
    cost_per_kwh double precision,
    currency text,
    -- The last change, and the last change after the session was closed.
    changed_at timestamptz not null default now(),
    amended_at timestamptz,
    created_at timestamptz not null default now()
);
create index charging_sessions_vehicle on evconduit.charging_sessions (vehicle_id, started_at desc, id);

-- Energy counters of a vehicle. counted_* are the best values known, which late events may lower. lifetime_kwh and
-- home_kwh are shown to users and never decrease: a difference is offset by the next charging. home_kwh is null without
-- a home location.
create table evconduit.vehicle_energy (
    vehicle_id uuid primary key references evconduit.vehicles on delete cascade deferrable initially deferred,
    -- State for deriving from the next sample, and the same state as of the deleted samples.
    tail jsonb not null,
    base jsonb,
    counted_kwh double precision not null default 0,
    counted_home_kwh double precision not null default 0,
    lifetime_kwh double precision not null default 0,
    home_kwh double precision
) with (fillfactor = 70);

-- A user's home location. Existing sessions keep their at_home when it changes.
create table evconduit.home_places (
    user_id uuid primary key references evconduit.users on delete cascade,
    latitude double precision not null check (latitude between -90 and 90),
    longitude double precision not null check (longitude between -180 and 180),
    radius_m integer not null check (radius_m between 50 and 10000),
    updated_at timestamptz not null default now()
);

-- Electricity rates by start time. Rows are only added: a session keeps the rate at its start.
create table evconduit.electricity_rates (
    user_id uuid not null references evconduit.users on delete cascade,
    valid_from timestamptz not null default now(),
    cost_per_kwh double precision not null check (cost_per_kwh >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    primary key (user_id, valid_from)
);

do $$
declare
    it text;
begin
    foreach it in array array['charging_samples', 'charging_sessions', 'vehicle_energy', 'home_places', 'electricity_rates']
    loop
        execute format('alter table evconduit.%I enable row level security', it);
        execute format('alter table evconduit.%I force row level security', it);
        execute format('create policy relay on evconduit.%I for all to evconduit_relay using (true) with check (true)', it);
        execute format('grant select, insert, update, delete on evconduit.%I to evconduit_relay', it);
    end loop;
end $$;
