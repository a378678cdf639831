"""Read and write the charging history. Callers that write hold the lock on the user's feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, class_row, dict_row
from psycopg.types.json import Jsonb

from relay.kit.database import Connection, fetch_all, fetch_one
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.home_and_rates import ElectricityRate, HomeAndRates, HomeLocation
from relay.vehicles.charging.ledger import ChargingSession, EnergyCounters, LedgerAmendment
from relay.vehicles.charging.owner_corrections import OwnerCorrection
from relay.vehicles.charging.rows import (
    parse_base,
    parse_counters,
    parse_sample_row,
    parse_session_row,
    serialize_base,
    serialize_ledger,
    serialize_sample,
    serialize_session,
)
from relay.vehicles.plausibility.raw_samples import RawSample

# ruff: disable[S608] - joined from our own literals only, which the type LiteralString enforces

_SESSION_COLUMNS: LiteralString = """
vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, soc_start, soc_end, peak_kw, at_home, latitude,
longitude, odometer_km, cost_per_kwh, currency, corrected_by_owner, deleted_by_owner, derived_energy_kwh
"""
_NEW_VALUES: LiteralString = """
excluded.vehicle_id, excluded.started_at, excluded.ended_at, excluded.open, excluded.energy_kwh, excluded.energy_source,
excluded.soc_start, excluded.soc_end, excluded.peak_kw, excluded.at_home, excluded.latitude, excluded.longitude,
excluded.odometer_km, excluded.cost_per_kwh, excluded.currency, excluded.corrected_by_owner, excluded.deleted_by_owner,
excluded.derived_energy_kwh
"""
_OLD_VALUES: LiteralString = """
s.vehicle_id, s.started_at, s.ended_at, s.open, s.energy_kwh, s.energy_source, s.soc_start, s.soc_end, s.peak_kw,
s.at_home, s.latitude, s.longitude, s.odometer_km, s.cost_per_kwh, s.currency, s.corrected_by_owner, s.deleted_by_owner,
s.derived_energy_kwh
"""
# A sample and everything that follows from it, in one round trip. Unchanged sessions are not touched.
SAVE_SAMPLE: LiteralString = f"""
with saved_sample as (
    insert into charging_samples (vehicle_id, at, raw, version, latitude, longitude, odometer_km, place_version)
    values (%(vehicle_id)s, %(at)s, %(raw)s, %(version)s, %(latitude)s, %(longitude)s, %(odometer_km)s,
            %(place_version)s)
    on conflict (vehicle_id, at) do update
    set (raw, version, latitude, longitude, odometer_km, place_version)
        = (excluded.raw, excluded.version, excluded.latitude, excluded.longitude, excluded.odometer_km,
           excluded.place_version)
), removed_sessions as (
    delete from charging_sessions where id = any (%(removed)s)
), saved_sessions as (
    insert into charging_sessions as s (id, {_SESSION_COLUMNS})
    select id, {_SESSION_COLUMNS} from jsonb_to_recordset(%(sessions)s) as session (
        id uuid, vehicle_id uuid, started_at timestamptz, ended_at timestamptz, open boolean,
        energy_kwh double precision, energy_source text, soc_start double precision, soc_end double precision,
        peak_kw double precision, at_home boolean, latitude double precision, longitude double precision,
        odometer_km double precision, cost_per_kwh double precision, currency text, corrected_by_owner boolean,
        deleted_by_owner boolean, derived_energy_kwh double precision)
    on conflict (id) do update
    set ({_SESSION_COLUMNS}, changed_at, amended_at)
        = ({_NEW_VALUES}, now(), case when s.open then s.amended_at else now() end)
    where ({_OLD_VALUES}) is distinct from ({_NEW_VALUES})
)
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
values (%(vehicle_id)s, %(tail)s, %(counted_kwh)s, %(counted_home_kwh)s, %(lifetime_kwh)s,
        coalesce(%(home_kwh)s, (select 0 from home_places where user_id = %(user_id)s)))
on conflict (vehicle_id) do update
set (tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
    = (excluded.tail, excluded.counted_kwh, excluded.counted_home_kwh, excluded.lifetime_kwh, excluded.home_kwh)
"""

# ruff: enable[S608]

FIND_ENERGY: LiteralString = "select * from vehicle_energy where vehicle_id = %s"
FIND_SAMPLE: LiteralString = "select * from charging_samples where vehicle_id = %s and at = %s"
LIST_SAMPLES: LiteralString = "select * from charging_samples where vehicle_id = %s and at > %s order by at"
LIST_SESSIONS: LiteralString = (
    "select * from charging_sessions where vehicle_id = %s and started_at >= %s order by started_at, id"
)
LIST_CORRECTIONS: LiteralString = """
select started_at, ended_at, energy_kwh, deleted from session_corrections
where vehicle_id = %s and ended_at >= %s order by started_at, id
"""
FIND_HOME: LiteralString = "select latitude, longitude, radius_m from home_places where user_id = %s"
LIST_RATES: LiteralString = (
    "select valid_from, cost_per_kwh, currency from electricity_rates where user_id = %s order by valid_from"
)
MERGE_HISTORIES: LiteralString = """
with duplicate as (delete from vehicle_energy where vehicle_id = %(duplicate)s returning *),
samples as (delete from charging_samples where vehicle_id = %(duplicate)s returning *),
moved_samples as (
    insert into charging_samples
    select %(kept)s::uuid, at, charging, plugged_in, soc, power_kw, capacity_kwh, version, latitude, longitude,
           odometer_km, place_version, raw
    from samples on conflict do nothing
),
moved_sessions as (
    update charging_sessions set vehicle_id = %(kept)s, changed_at = now() where vehicle_id = %(duplicate)s
),
moved_corrections as (
    update session_corrections set vehicle_id = %(kept)s where vehicle_id = %(duplicate)s
)
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
select %(kept)s, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh from duplicate
on conflict (vehicle_id) do update
set (counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
    = (e.counted_kwh + excluded.counted_kwh, e.counted_home_kwh + excluded.counted_home_kwh,
       greatest(e.lifetime_kwh, e.counted_kwh + excluded.counted_kwh),
       case when coalesce(e.home_kwh, excluded.home_kwh) is not null
            then greatest(e.home_kwh, e.counted_home_kwh + excluded.counted_home_kwh) end)
"""
DELETE_ARCHIVED_SAMPLES: LiteralString = """
with deleted as (delete from charging_samples where vehicle_id = %s and at <= %s)
update vehicle_energy set base = %s where vehicle_id = %s
"""
EARLIEST_TIME = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingHistory:
    """Everything that can still be amended: samples after `base`, the sessions that follow, the current counters.

    `corrections` are those of the vehicle's owner that can apply to these sessions.
    """

    base: DerivationState
    samples: dict[datetime, RawSample]
    sessions: list[ChargingSession]
    counters: EnergyCounters
    corrections: list[OwnerCorrection]


async def find_sample(connection: Connection, vehicle_id: UUID, at: datetime) -> RawSample | None:
    """The stored sample of this moment."""
    row = await fetch_one(connection, FIND_SAMPLE, [vehicle_id, at], dict_row)
    return None if row is None else parse_sample_row(row)


async def get_history(connection: Connection, vehicle_id: UUID) -> ChargingHistory:
    """The part of a vehicle's history that a late or corrected report can change."""
    energy = await fetch_one(connection, FIND_ENERGY, [vehicle_id], dict_row)
    base = parse_base(energy and energy["base"])
    since = base.last.at if base.last else EARLIEST_TIME
    first_start = base.period.started_at if base.period else since
    samples = [parse_sample_row(row) for row in await _fetch_rows(connection, LIST_SAMPLES, vehicle_id, since)]
    sessions = await _fetch_rows(connection, LIST_SESSIONS, vehicle_id, first_start)
    return ChargingHistory(
        base=base,
        samples={sample.at: sample for sample in samples},
        sessions=[parse_session_row(row) for row in sessions],
        counters=parse_counters(energy) if energy else EnergyCounters(),
        corrections=await list_corrections(connection, vehicle_id, first_start),
    )


async def list_corrections(connection: Connection, vehicle_id: UUID, since: datetime) -> list[OwnerCorrection]:
    """The corrections by the vehicle's owner that end at `since` or later, in order."""
    return await fetch_all(connection, LIST_CORRECTIONS, [vehicle_id, since], class_row(OwnerCorrection))


async def get_home_and_rates(connection: Connection, user_id: UUID) -> HomeAndRates:
    """The user's home and all electricity rates."""
    return HomeAndRates(
        home=await fetch_one(connection, FIND_HOME, [user_id], class_row(HomeLocation)),
        rates=await fetch_all(connection, LIST_RATES, [user_id], class_row(ElectricityRate)),
    )


async def save_sample(
    connection: Connection, user_id: UUID, vehicle_id: UUID, sample: RawSample, amendment: LedgerAmendment
) -> None:
    """Write a sample and everything that follows from it."""
    await connection.execute(
        SAVE_SAMPLE,
        {
            "user_id": user_id,
            "vehicle_id": vehicle_id,
            **serialize_sample(sample),
            "removed": list(amendment.removed_ids),
            "sessions": Jsonb([serialize_session(vehicle_id, session) for session in amendment.sessions]),
            **serialize_ledger(amendment.ledger),
        },
    )


async def merge_histories(connection: Connection, duplicate_id: UUID, kept_id: UUID) -> None:
    """Move everything of one vehicle to another, whose sessions must then be derived again."""
    await connection.execute(MERGE_HISTORIES, {"duplicate": duplicate_id, "kept": kept_id})


async def delete_archived_samples(connection: Connection, vehicle_id: UUID, base: DerivationState) -> None:
    """Delete the samples up to the last one in `base`, and store `base` in their place."""
    assert base.last is not None  # noqa: S101 - derived from those samples
    await connection.execute(DELETE_ARCHIVED_SAMPLES, [vehicle_id, base.last.at, serialize_base(base), vehicle_id])


async def _fetch_rows(connection: Connection, statement: LiteralString, *parameters: object) -> list[DictRow]:
    return await fetch_all(connection, statement, parameters, dict_row)
