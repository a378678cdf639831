"""The statements that write a sample and everything that follows from it, each in one round trip.

Energy is priced here and not in Python, so that the newest sample needs no statement to read prices.
"""

from typing import LiteralString

# ruff: disable[S608] - joined from our own literals only, which the type LiteralString enforces

_SAVED_SAMPLE: LiteralString = """
saved_sample as (
    insert into charging_samples (vehicle_id, at, raw, version, latitude, longitude, odometer_km, place_version)
    values (%(vehicle_id)s, %(at)s, %(raw)s, %(version)s, %(latitude)s, %(longitude)s, %(odometer_km)s,
            %(place_version)s)
    on conflict (vehicle_id, at) do update
    set (raw, version, latitude, longitude, odometer_km, place_version)
        = (excluded.raw, excluded.version, excluded.latitude, excluded.longitude, excluded.odometer_km,
           excluded.place_version)
)
"""
# If what is counted isn't all shown yet, relay/usecases/charging/settle_counters.py shows it unless a sample does.
_SAVE_ENERGY: LiteralString = """
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh,
                                 counted_discharged_kwh, discharged_kwh, settle_at)
values (%(vehicle_id)s, %(tail)s, %(counted_kwh)s, %(counted_home_kwh)s, %(lifetime_kwh)s,
        coalesce(%(home_kwh)s, (select 0 from home_places where user_id = %(user_id)s)),
        %(counted_discharged_kwh)s, %(discharged_kwh)s,
        case when not %(is_settled)s then now() + interval '10 minutes' end)
on conflict (vehicle_id) do update
set (tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh, counted_discharged_kwh, discharged_kwh, settle_at)
    = (excluded.tail, excluded.counted_kwh, excluded.counted_home_kwh, excluded.lifetime_kwh, excluded.home_kwh,
       excluded.counted_discharged_kwh, excluded.discharged_kwh, excluded.settle_at)
"""
_SESSION_COLUMNS: LiteralString = """
vehicle_id, kind, started_at, ended_at, open, energy_kwh, energy_source, estimated, soc_start, soc_end, peak_kw,
at_home, latitude, longitude, odometer_km, cost, cost_unknown, cost_per_kwh, currency, hours, slices,
corrected_by_owner, deleted_by_owner, derived_energy_kwh
"""
_NEW_VALUES: LiteralString = """
excluded.vehicle_id, excluded.kind, excluded.started_at, excluded.ended_at, excluded.open, excluded.energy_kwh,
excluded.energy_source, excluded.estimated, excluded.soc_start, excluded.soc_end, excluded.peak_kw, excluded.at_home,
excluded.latitude, excluded.longitude, excluded.odometer_km, excluded.cost, excluded.cost_unknown,
excluded.cost_per_kwh, excluded.currency, excluded.hours, excluded.slices, excluded.corrected_by_owner,
excluded.deleted_by_owner, excluded.derived_energy_kwh
"""
_OLD_VALUES: LiteralString = """
s.vehicle_id, s.kind, s.started_at, s.ended_at, s.open, s.energy_kwh, s.energy_source, s.estimated, s.soc_start,
s.soc_end, s.peak_kw, s.at_home, s.latitude, s.longitude, s.odometer_km, s.cost, s.cost_unknown, s.cost_per_kwh,
s.currency, s.hours, s.slices, s.corrected_by_owner, s.deleted_by_owner, s.derived_energy_kwh
"""
# Parts of quarter hours, each with its price: the mean over the time of the part, if the price is known all the time. A
# session without energy has a part of a moment, for the price at its start.
_PRICED_PARTS: LiteralString = """
session as materialized (
    select * from jsonb_to_recordset(%(sessions)s) as session (
        id uuid, vehicle_id uuid, kind text, started_at timestamptz, ended_at timestamptz, open boolean,
        energy_kwh double precision, energy_source text, estimated boolean, soc_start double precision,
        soc_end double precision, peak_kw double precision, at_home boolean, latitude double precision,
        longitude double precision, odometer_km double precision, corrected_by_owner boolean,
        deleted_by_owner boolean, derived_energy_kwh double precision, slices jsonb, parts jsonb)
), part as materialized (
    select session.id, part.start_at, part.end_at, part.kwh
    from session cross join lateral jsonb_to_recordset(session.parts)
        as part (start_at timestamptz, end_at timestamptz, kwh double precision)
    union all
    select id, started_at, started_at + interval '1 millisecond', 0 from session where jsonb_array_length(parts) = 0
), rate as materialized (
    select valid_from, lead(valid_from, 1, 'infinity') over (order by valid_from) as valid_to, cost_per_kwh, currency
    from electricity_rates
    where user_id = %(user_id)s and valid_from < (select max(end_at) from part) and valid_from >= coalesce(
        (select max(valid_from) from electricity_rates
         where user_id = %(user_id)s and valid_from <= (select min(start_at) from part)), '-infinity')
), price as (
    select part.*, date_trunc('hour', part.start_at, 'UTC') as hour, count(distinct rate.currency) as currencies,
           min(rate.currency) as currency,
           case when sum(overlap.seconds) > extract(epoch from part.end_at - part.start_at) - 1e-6
                then sum(overlap.seconds * rate.cost_per_kwh) / sum(overlap.seconds) end as per_kwh
    from part
    left join rate
        on rate.valid_from < part.end_at and rate.valid_to > part.start_at and rate.cost_per_kwh is not null
    cross join lateral (select extract(epoch from
        least(part.end_at, rate.valid_to) - greatest(part.start_at, rate.valid_from))::double precision as seconds
    ) overlap
    group by part.id, part.start_at, part.end_at, part.kwh
)
"""
# `price` grouped by session, and by session and hour. Discharged energy has no cost.
_COSTS: LiteralString = """
cost as (
    select price.id, sum(kwh * per_kwh) as cost, min(currency) as currency,
           coalesce(sum(kwh * per_kwh) / nullif(sum(kwh), 0), avg(per_kwh)) as per_kwh,
           case when bool_or(per_kwh is null) then 'price'
                when count(distinct currency) > 1 or max(currencies) > 1 then 'currency' end as unknown
    from price join session on session.id = price.id where session.kind = 'charge' group by price.id
), session_hour as materialized (
    select price.id, hour, sum(kwh) as kwh,
           case when session.kind = 'charge' and bool_and(per_kwh is not null) and max(currencies) = 1
                     and count(distinct currency) = 1 then sum(kwh * per_kwh) end as cost,
           case when session.kind = 'charge' and max(currencies) = 1 and count(distinct currency) = 1
                then min(currency) end as currency
    from price join session on session.id = price.id where kwh > 0 group by price.id, hour, session.kind
), priced_session as (
    select session.*, case when cost.unknown is null and session.energy_kwh is not null then cost.cost end as cost,
           case when session.kind = 'charge'
                then case when session.energy_kwh is null then 'energy' else cost.unknown end end as cost_unknown,
           case when cost.unknown is null then cost.per_kwh end as cost_per_kwh,
           case when cost.unknown is null then cost.currency end as currency,
           coalesce((select jsonb_agg(to_jsonb(session_hour) - 'id' order by hour) from session_hour
                     where session_hour.id = session.id), '[]') as hours
    from session left join cost on cost.id = session.id
)
"""
_SAVED_SESSIONS: LiteralString = f"""
removed_sessions as (
    delete from charging_sessions where id = any (%(removed)s)
), saved_sessions as (
    insert into charging_sessions as s (id, {_SESSION_COLUMNS})
    select id, {_SESSION_COLUMNS} from priced_session
    on conflict (id) do update
    set ({_SESSION_COLUMNS}, changed_at, amended_at)
        = ({_NEW_VALUES}, now(), case when s.open then s.amended_at else now() end)
    where ({_OLD_VALUES}) is distinct from ({_NEW_VALUES})
)
"""
# All hours that the changed and removed sessions have or had, summed up again from all sessions. Subqueries still see
# charging_sessions as it was before this statement.
_SAVED_HOURS: LiteralString = """
changed as (
    select id from session union select unnest(%(removed)s::uuid[])
), affected as materialized (
    select hour from session_hour
    union
    select (old.hour ->> 'hour')::timestamptz from charging_sessions s join changed on changed.id = s.id
    cross join lateral jsonb_array_elements(s.hours) as old (hour)
), addend as (
    select hour, kind, coalesce(at_home, false) as at_home, session_hour.kwh, cost, currency
    from session_hour join session on session.id = session_hour.id
    union all
    select h.hour, s.kind, coalesce(s.at_home, false), h.kwh, h.cost, h.currency
    from charging_sessions s
    cross join lateral jsonb_to_recordset(s.hours)
        as h (hour timestamptz, kwh double precision, cost double precision, currency text)
    where s.vehicle_id = %(vehicle_id)s and s.id not in (select id from changed)
      and s.started_at < (select max(hour) from affected) + interval '1 hour'
      and s.started_at > (select min(hour) from affected) - interval '8 days'
      and h.hour in (select hour from affected)
), saved_hours as (
    insert into charging_hours as h (vehicle_id, hour, kwh, home_kwh, discharged_kwh, cost, currency)
    select %(vehicle_id)s, affected.hour, coalesce(sum(kwh) filter (where kind = 'charge'), 0),
           coalesce(sum(kwh) filter (where kind = 'charge' and at_home), 0),
           coalesce(sum(kwh) filter (where kind = 'discharge'), 0),
           case when count(*) filter (where kind = 'charge') = 0 then 0
                when bool_and(cost is not null) filter (where kind = 'charge') and count(distinct currency) = 1
                then sum(cost) end,
           case when count(distinct currency) = 1 then min(currency) end
    from affected left join addend on addend.hour = affected.hour
    group by affected.hour
    on conflict (vehicle_id, hour) do update
    set (kwh, home_kwh, discharged_kwh, cost, currency, revision)
        = (excluded.kwh, excluded.home_kwh, excluded.discharged_kwh, excluded.cost, excluded.currency,
           excluded.revision)
    where (h.kwh, h.home_kwh, h.discharged_kwh, h.cost, h.currency) is distinct from
          (excluded.kwh, excluded.home_kwh, excluded.discharged_kwh, excluded.cost, excluded.currency)
)
"""
SAVE_SAMPLE: LiteralString = f"with {_SAVED_SAMPLE} {_SAVE_ENERGY}"
# Unchanged sessions and hours are not touched.
SAVE_SAMPLE_AND_SESSIONS: LiteralString = (
    f"with {_SAVED_SAMPLE}, {_PRICED_PARTS}, {_COSTS}, {_SAVED_SESSIONS}, {_SAVED_HOURS} {_SAVE_ENERGY}"
)
# What an owner corrected in recorded sessions, whose other columns stay.
SAVE_CORRECTED_SESSIONS: LiteralString = f"""
with {_PRICED_PARTS}, {_COSTS}, corrected_sessions as (
    update charging_sessions s
    set (energy_kwh, derived_energy_kwh, corrected_by_owner, deleted_by_owner, cost, cost_unknown, cost_per_kwh,
         currency, hours, changed_at, amended_at)
        = (n.energy_kwh, n.derived_energy_kwh, n.corrected_by_owner, n.deleted_by_owner, n.cost, n.cost_unknown,
           n.cost_per_kwh, n.currency, n.hours, now(), now())
    from priced_session n where n.id = s.id
), {_SAVED_HOURS} select
"""

# ruff: enable[S608]
