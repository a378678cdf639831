-- Energy by hour, its cost at the price of each quarter hour, and discharged energy as a counter and session of its own.

alter table evconduit.charging_sessions
    add column kind text not null default 'charge' check (kind in ('charge', 'discharge')),
    -- Some of the energy was taken from the level instead of power, or nobody reported that the vehicle charged.
    add column estimated boolean not null default false,
    -- The sum over quarter hours of energy times price; cost_per_kwh is the mean. cost_unknown says why cost is null.
    add column cost double precision,
    add column cost_unknown text check (cost_unknown in ('energy', 'price', 'currency')),
    -- The energy measured in each quarter hour, by which energy_kwh is distributed: {first, kwh[]}. Null: evenly.
    add column slices jsonb,
    -- What the session adds to charging_hours: [{hour, kwh, cost, currency}].
    add column hours jsonb not null default '[]';

-- Energy and cost by hour in UTC, kept indefinitely. The sums are those of charging_sessions: a session that changes
-- rewrites its hours, and hours that lose their energy stay as zeros. cost is null if the price of some of the hour's
-- energy is unknown, or in another currency.
create table evconduit.charging_hours (
    vehicle_id uuid not null references evconduit.vehicles on delete cascade deferrable initially deferred,
    hour timestamptz not null,
    kwh double precision not null,
    home_kwh double precision not null,
    discharged_kwh double precision not null,
    cost double precision,
    currency text,
    primary key (vehicle_id, hour)
);

-- The shown counters lag behind what late events may still lower; at settle_at they catch up without another event.
alter table evconduit.vehicle_energy
    add column counted_discharged_kwh double precision not null default 0,
    add column discharged_kwh double precision not null default 0,
    add column settle_at timestamptz;
create index vehicle_energy_settle_at on evconduit.vehicle_energy (settle_at) where settle_at is not null;

-- Sessions so far: their energy is spread evenly, at the rate that was in force when they began.
update evconduit.charging_sessions s
set cost = s.energy_kwh * s.cost_per_kwh,
    cost_unknown = case when s.energy_kwh is null then 'energy' when s.cost_per_kwh is null then 'price' end,
    hours = coalesce((
        select jsonb_agg(jsonb_build_object(
            'hour', part.hour, 'kwh', s.energy_kwh * part.share, 'cost', s.energy_kwh * part.share * s.cost_per_kwh,
            'currency', s.currency) order by part.hour)
        from (
            select hour, case when s.ended_at = s.started_at then 1 else
                extract(epoch from least(s.ended_at, hour + interval '1 hour') - greatest(s.started_at, hour))
                / extract(epoch from s.ended_at - s.started_at) end::double precision as share
            from generate_series(date_trunc('hour', s.started_at at time zone 'UTC') at time zone 'UTC', s.ended_at,
                                 interval '1 hour') as hour
        ) part
        where s.energy_kwh > 0 and part.share > 0
    ), '[]');
insert into evconduit.charging_hours (vehicle_id, hour, kwh, home_kwh, discharged_kwh, cost, currency)
select s.vehicle_id, h.hour, sum(h.kwh), coalesce(sum(h.kwh) filter (where s.at_home), 0), 0,
       case when bool_and(h.cost is not null) and count(distinct h.currency) = 1 then sum(h.cost) end,
       case when count(distinct h.currency) = 1 then min(h.currency) end
from evconduit.charging_sessions s
cross join lateral jsonb_to_recordset(s.hours)
    as h (hour timestamptz, kwh double precision, cost double precision, currency text)
group by s.vehicle_id, h.hour;

alter table evconduit.charging_hours enable row level security;
alter table evconduit.charging_hours force row level security;
create policy relay on evconduit.charging_hours for all to evconduit_relay using (true) with check (true);
grant select, insert, update, delete on evconduit.charging_hours to evconduit_relay;
