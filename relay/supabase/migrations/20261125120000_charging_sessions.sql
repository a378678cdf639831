-- What cars said of charging, the sessions told from it, the energy counted, and what a user says of home and price.

-- One row for each moment at which a charge state was true. Kept as long as late news may amend what follows from them;
-- then they are folded into vehicle_energy.base and deleted. The car itself may be written later in the transaction.
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

-- Sessions. The id is the same however a session is amended. ended_at is when it charged last: it is over once the car
-- says so, or has said nothing for long.
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
    -- As the user told it, when the car does not.
    user_odometer_km double precision check (user_odometer_km > 0),
    cost_per_kwh double precision,
    currency text,
    -- The last change, and the last one that came after the session was over.
    changed_at timestamptz not null default now(),
    amended_at timestamptz,
    created_at timestamptz not null default now()
);
create index charging_sessions_vehicle on evconduit.charging_sessions (vehicle_id, started_at desc, id);

-- The counters of a car. counted is the truth as known now, which late news may lower; lifetime and home are what users
-- see, which never fall: the difference is owed and absorbed by what is charged next. home is null until a home is known.
create table evconduit.vehicle_energy (
    vehicle_id uuid primary key references evconduit.vehicles on delete cascade deferrable initially deferred,
    -- What the next sample needs, and the same as of the samples that were deleted.
    tail jsonb not null,
    base jsonb,
    counted_kwh double precision not null default 0,
    counted_home_kwh double precision not null default 0,
    lifetime_kwh double precision not null default 0,
    home_kwh double precision
) with (fillfactor = 70);

-- Where a user's cars are at home. One place; sessions keep what was decided of them when it changes.
create table evconduit.home_places (
    user_id uuid primary key references evconduit.users on delete cascade,
    latitude double precision not null check (latitude between -90 and 90),
    longitude double precision not null check (longitude between -180 and 180),
    radius_m integer not null check (radius_m between 50 and 10000),
    updated_at timestamptz not null default now()
);

-- What electricity costs, from when. Rows are only added: a session has the rate of its start for ever.
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
