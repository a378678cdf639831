"""Samples, sessions and counters in the database. Whoever writes holds the lock on the user's feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from relay.kit.database import Connection, fetch_all
from relay.vehicles.charging.derivation import ChargingPeriod, DerivationState
from relay.vehicles.charging.ledger import (
    ChargingLedger,
    ChargingSession,
    ElectricityRate,
    EnergyCounters,
    HomeAndRates,
    HomeLocation,
    LedgerAmendment,
)
from relay.vehicles.charging.samples import ChargeReading, ChargingSample, VehiclePlace
from relay.vehicles.models import Json

STATE_ADAPTER: TypeAdapter[DerivationState] = TypeAdapter(DerivationState)
SESSION_ADAPTER: TypeAdapter[ChargingSession | None] = TypeAdapter(ChargingSession | None)

# ruff: disable[S608] - joined from literals of ours only (LiteralString holds us to it)

_SESSION_COLUMNS: LiteralString = """
vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, soc_start, soc_end, peak_kw, at_home, latitude,
longitude, odometer_km, cost_per_kwh, currency
"""
_NEW_VALUES: LiteralString = """
excluded.vehicle_id, excluded.started_at, excluded.ended_at, excluded.open, excluded.energy_kwh, excluded.energy_source,
excluded.soc_start, excluded.soc_end, excluded.peak_kw, excluded.at_home, excluded.latitude, excluded.longitude,
excluded.odometer_km, excluded.cost_per_kwh, excluded.currency
"""
_OLD_VALUES: LiteralString = """
s.vehicle_id, s.started_at, s.ended_at, s.open, s.energy_kwh, s.energy_source, s.soc_start, s.soc_end, s.peak_kw,
s.at_home, s.latitude, s.longitude, s.odometer_km, s.cost_per_kwh, s.currency
"""
# Everything that follows from a sample: one round trip. A session that is told as it was is not touched.
SAVE_SAMPLE: LiteralString = f"""
with kept as (
    insert into charging_samples (vehicle_id, at, charging, plugged_in, soc, power_kw, capacity_kwh, version, latitude,
                                  longitude, odometer_km, place_version)
    values (%(vehicle_id)s, %(at)s, %(charging)s, %(plugged_in)s, %(soc)s, %(power_kw)s, %(capacity_kwh)s, %(version)s,
            %(latitude)s, %(longitude)s, %(odometer_km)s, %(place_version)s)
    on conflict (vehicle_id, at) do update
    set (charging, plugged_in, soc, power_kw, capacity_kwh, version, latitude, longitude, odometer_km, place_version)
        = (excluded.charging, excluded.plugged_in, excluded.soc, excluded.power_kw, excluded.capacity_kwh,
           excluded.version, excluded.latitude, excluded.longitude, excluded.odometer_km, excluded.place_version)
), removed as (
    delete from charging_sessions where id = any (%(removed)s)
), told as (
    insert into charging_sessions as s (id, {_SESSION_COLUMNS})
    select id, {_SESSION_COLUMNS} from jsonb_to_recordset(%(sessions)s) as it (
        id uuid, vehicle_id uuid, started_at timestamptz, ended_at timestamptz, open boolean,
        energy_kwh double precision, energy_source text, soc_start double precision, soc_end double precision,
        peak_kw double precision, at_home boolean, latitude double precision, longitude double precision,
        odometer_km double precision, cost_per_kwh double precision, currency text)
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
FIND_HOME: LiteralString = "select latitude, longitude, radius_m from home_places where user_id = %s"
LIST_RATES: LiteralString = (
    "select valid_from, cost_per_kwh, currency from electricity_rates where user_id = %s order by valid_from"
)
MERGE_HISTORIES: LiteralString = """
with theirs as (delete from vehicle_energy where vehicle_id = %(doubled)s returning *),
samples as (delete from charging_samples where vehicle_id = %(doubled)s returning *),
moved as (
    insert into charging_samples
    select %(holder)s::uuid, at, charging, plugged_in, soc, power_kw, capacity_kwh, version, latitude, longitude,
           odometer_km, place_version
    from samples on conflict do nothing
),
told as (update charging_sessions set vehicle_id = %(holder)s, changed_at = now() where vehicle_id = %(doubled)s)
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
select %(holder)s, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh from theirs
on conflict (vehicle_id) do update
set (counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
    = (e.counted_kwh + excluded.counted_kwh, e.counted_home_kwh + excluded.counted_home_kwh,
       greatest(e.lifetime_kwh, e.counted_kwh + excluded.counted_kwh),
       case when coalesce(e.home_kwh, excluded.home_kwh) is not null
            then greatest(e.home_kwh, e.counted_home_kwh + excluded.counted_home_kwh) end)
"""
DELETE_ARCHIVED_SAMPLES: LiteralString = """
with forgotten as (delete from charging_samples where vehicle_id = %s and at <= %s)
update vehicle_energy set base = %s where vehicle_id = %s
"""
EARLIEST_TIME = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingHistory:
    """All that may still be amended: samples after `base`, the sessions that follow from them, the counters now."""

    base: DerivationState
    samples: dict[datetime, ChargingSample]
    sessions: list[ChargingSession]
    counters: EnergyCounters


def parse_ledger(stored: Json | None) -> ChargingLedger:
    """The ledger in a row of `vehicle_energy` as JSON."""
    if stored is None:
        return ChargingLedger()
    return ChargingLedger(
        state=STATE_ADAPTER.validate_python(stored["tail"]["tail"]),
        session=SESSION_ADAPTER.validate_python(stored["tail"]["session"]),
        counters=_parse_counters(stored),
    )


async def find_sample(connection: Connection, vehicle_id: UUID, at: datetime) -> ChargingSample | None:
    """What is kept of this moment."""
    return next((_parse_sample(row) for row in await _fetch_rows(connection, FIND_SAMPLE, vehicle_id, at)), None)


async def get_history(connection: Connection, vehicle_id: UUID) -> ChargingHistory:
    """What late news of a car may change."""
    energy = next(iter(await _fetch_rows(connection, FIND_ENERGY, vehicle_id)), None)
    base = STATE_ADAPTER.validate_python(energy["base"]) if energy and energy["base"] else DerivationState()
    since = base.last.at if base.last else EARLIEST_TIME
    first = base.period.started_at if base.period else since
    samples = [_parse_sample(row) for row in await _fetch_rows(connection, LIST_SAMPLES, vehicle_id, since)]
    return ChargingHistory(
        base=base,
        samples={it.at: it for it in samples},
        sessions=[_parse_session(row) for row in await _fetch_rows(connection, LIST_SESSIONS, vehicle_id, first)],
        counters=_parse_counters(energy) if energy else EnergyCounters(),
    )


async def get_home_and_rates(connection: Connection, user_id: UUID) -> HomeAndRates:
    """What the user says of home and price."""
    homes, rates = await _fetch_rows(connection, FIND_HOME, user_id), await _fetch_rows(connection, LIST_RATES, user_id)
    return HomeAndRates(
        home=next((HomeLocation(**row) for row in homes), None), rates=[ElectricityRate(**row) for row in rates]
    )


async def save_sample(
    connection: Connection, user_id: UUID, vehicle_id: UUID, sample: ChargingSample, amendment: LedgerAmendment
) -> None:
    """Write a sample and everything that follows from it."""
    ledger = amendment.ledger
    tail = {
        "tail": STATE_ADAPTER.dump_python(ledger.state, mode="json", by_alias=True),
        "session": SESSION_ADAPTER.dump_python(ledger.session, mode="json", by_alias=True),
    }
    await connection.execute(
        SAVE_SAMPLE,
        {
            "user_id": user_id,
            "vehicle_id": vehicle_id,
            "at": sample.at,
            **_to_columns(sample.reading),
            **_to_columns(sample.place),
            "version": sample.version,
            "place_version": sample.place_version,
            "removed": list(amendment.removed_ids),
            "sessions": Jsonb([_to_session_row(vehicle_id, session) for session in amendment.sessions]),
            "tail": Jsonb(tail),
            **_to_columns(ledger.counters),
        },
    )


async def merge_histories(connection: Connection, duplicate_id: UUID, kept_id: UUID) -> None:
    """Make everything of one car another's, before it is derived anew."""
    await connection.execute(MERGE_HISTORIES, {"doubled": duplicate_id, "holder": kept_id})


async def delete_archived_samples(connection: Connection, vehicle_id: UUID, base: DerivationState) -> None:
    """Delete the samples up to the last one of `base`, which stands for them from now on."""
    assert base.last is not None  # noqa: S101 - folded from those samples
    kept = Jsonb(STATE_ADAPTER.dump_python(base, mode="json", by_alias=True))
    await connection.execute(DELETE_ARCHIVED_SAMPLES, [vehicle_id, base.last.at, kept, vehicle_id])


async def _fetch_rows(connection: Connection, statement: LiteralString, *parameters: object) -> list[DictRow]:
    return await fetch_all(connection, statement, parameters, dict_row)


def _to_columns(record: ChargeReading | VehiclePlace | EnergyCounters) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _parse_counters(row: Json) -> EnergyCounters:
    return EnergyCounters(**{name: row[name] for name in EnergyCounters.__dataclass_fields__})


def _parse_sample(row: DictRow) -> ChargingSample:
    return ChargingSample(
        at=row["at"],
        reading=ChargeReading(**{name: row[name] for name in ChargeReading.__dataclass_fields__}),
        version=row["version"],
        place=VehiclePlace(**{name: row[name] for name in VehiclePlace.__dataclass_fields__}),
        place_version=row["place_version"],
    )


def _to_session_row(vehicle_id: UUID, session: ChargingSession) -> dict[str, Any]:
    spell, rate = session.period, session.rate
    return {
        "id": str(session.id),
        "vehicle_id": str(vehicle_id),
        "started_at": spell.started_at.isoformat(),
        "ended_at": spell.ended_at.isoformat(),
        "open": spell.open,
        "energy_kwh": spell.energy_kwh,
        "energy_source": spell.energy_source,
        "soc_start": spell.soc_start,
        "soc_end": spell.soc_end,
        "peak_kw": spell.peak_kw,
        "at_home": session.at_home,
        **_to_columns(spell.place),
        "cost_per_kwh": rate and rate.cost_per_kwh,
        "currency": rate and rate.currency,
    }


def _parse_session(row: DictRow) -> ChargingSession:
    """A recorded session: of its spell only what amending it asks for."""
    place = VehiclePlace(**{name: row[name] for name in VehiclePlace.__dataclass_fields__})
    priced = row["currency"] is not None
    return ChargingSession(
        id=row["id"],
        period=ChargingPeriod(
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            open=row["open"],
            power_kwh=row["energy_kwh"],
            place=place,
        ),
        at_home=row["at_home"],
        rate=ElectricityRate(valid_from=row["started_at"], cost_per_kwh=row["cost_per_kwh"], currency=row["currency"])
        if priced
        else None,
    )
