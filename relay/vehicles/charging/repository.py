"""Read and write the charging history. Callers that write hold the lock on the user's feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb

from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.timestamps import EARLIEST_TIME
from relay.vehicles.charging.counters import EnergyCounters
from relay.vehicles.charging.derivation import DerivationState
from relay.vehicles.charging.home import HomeLocation
from relay.vehicles.charging.ledger import LedgerAmendment
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
from relay.vehicles.charging.save_statements import SAVE_SAMPLE, SAVE_SAMPLE_AND_SESSIONS
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.plausibility.raw_samples import RawSample

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
LIST_HOURS: LiteralString = """
select hour, kwh, home_kwh, discharged_kwh, cost, currency from charging_hours
where vehicle_id = %s and hour >= %s and hour < %s order by hour
"""
# A session that ended when this one begins isn't the same.
HAS_RECORDED_SINCE: LiteralString = """
select exists (select from charging_sessions where vehicle_id = %(vehicle_id)s and ended_at > %(since)s)
    or exists (select from session_corrections where vehicle_id = %(vehicle_id)s and ended_at > %(since)s)
"""
FIND_HOME: LiteralString = "select latitude, longitude, radius_m from home_places where user_id = %s"
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
),
hours as (delete from charging_hours where vehicle_id = %(duplicate)s returning *),
moved_hours as (
    insert into charging_hours as h (vehicle_id, hour, kwh, home_kwh, discharged_kwh, cost, currency)
    select %(kept)s, hour, kwh, home_kwh, discharged_kwh, cost, currency from hours
    on conflict (vehicle_id, hour) do update
    set (kwh, home_kwh, discharged_kwh, cost, currency, revision)
        = (h.kwh + excluded.kwh, h.home_kwh + excluded.home_kwh, h.discharged_kwh + excluded.discharged_kwh,
           case when coalesce(h.currency = excluded.currency, true) then h.cost + excluded.cost end,
           case when coalesce(h.currency = excluded.currency, true) then coalesce(h.currency, excluded.currency) end,
           excluded.revision)
)
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh,
                                 counted_discharged_kwh, discharged_kwh)
select %(kept)s, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh, counted_discharged_kwh, discharged_kwh
from duplicate
on conflict (vehicle_id) do update
set (counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh, counted_discharged_kwh, discharged_kwh)
    = (e.counted_kwh + excluded.counted_kwh, e.counted_home_kwh + excluded.counted_home_kwh,
       greatest(e.lifetime_kwh, e.counted_kwh + excluded.counted_kwh),
       case when coalesce(e.home_kwh, excluded.home_kwh) is not null
            then greatest(e.home_kwh, e.counted_home_kwh + excluded.counted_home_kwh) end,
       e.counted_discharged_kwh + excluded.counted_discharged_kwh,
       greatest(e.discharged_kwh, e.counted_discharged_kwh + excluded.counted_discharged_kwh))
"""
DELETE_ARCHIVED_SAMPLES: LiteralString = """
with deleted as (delete from charging_samples where vehicle_id = %s and at <= %s)
update vehicle_energy set base = %s where vehicle_id = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyHour:
    """What a vehicle charged, charged at home, and discharged in an hour of UTC.

    `cost` is that of the charged energy; None if some of its price is unknown. `currency` is an ISO 4217 code.
    """

    hour: datetime
    kwh: float
    home_kwh: float
    discharged_kwh: float
    cost: float | None
    currency: str | None


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


async def has_recorded_since(connection: Connection, vehicle_id: UUID, since: datetime) -> bool:
    """Whether a session or a correction by the owner lasts longer than `since`."""
    return bool(await fetch_one(connection, HAS_RECORDED_SINCE, {"vehicle_id": vehicle_id, "since": since}, scalar_row))


async def find_home(connection: Connection, user_id: UUID) -> HomeLocation | None:
    """The user's home."""
    return await fetch_one(connection, FIND_HOME, [user_id], class_row(HomeLocation))


async def list_hours(connection: Connection, vehicle_id: UUID, since: datetime, until: datetime) -> list[EnergyHour]:
    """The vehicle's hours that begin from `since` on and before `until`, in order; hours without energy are absent."""
    return await fetch_all(connection, LIST_HOURS, [vehicle_id, since, until], class_row(EnergyHour))


async def save_sample(
    connection: Connection, user_id: UUID, vehicle_id: UUID, sample: RawSample, amendment: LedgerAmendment
) -> None:
    """Write a sample and everything that follows from it, in one round trip."""
    await connection.execute(
        SAVE_SAMPLE_AND_SESSIONS if amendment.sessions or amendment.removed_ids else SAVE_SAMPLE,
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
