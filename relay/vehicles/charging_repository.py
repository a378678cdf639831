"""Samples, sessions and counters in the database. Whoever writes holds the lock on the user's feed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from relay.kit.database import Connection
from relay.vehicles.charging_samples import Place, Reading, Sample
from relay.vehicles.charging_sessions import Spell, Tail
from relay.vehicles.energy import Amendment, Counters, Home, Ledger, Rate, Session, Terms
from relay.vehicles.models import Json

TAIL: TypeAdapter[Tail] = TypeAdapter(Tail)
SESSION: TypeAdapter[Session | None] = TypeAdapter(Session | None)

# ruff: disable[S608] - joined from literals of ours only (LiteralString holds us to it)

_TOLD: LiteralString = """
vehicle_id, started_at, ended_at, open, energy_kwh, energy_source, soc_start, soc_end, peak_kw, at_home, latitude,
longitude, odometer_km, cost_per_kwh, currency
"""
_IS_TOLD: LiteralString = """
excluded.vehicle_id, excluded.started_at, excluded.ended_at, excluded.open, excluded.energy_kwh, excluded.energy_source,
excluded.soc_start, excluded.soc_end, excluded.peak_kw, excluded.at_home, excluded.latitude, excluded.longitude,
excluded.odometer_km, excluded.cost_per_kwh, excluded.currency
"""
_WAS_TOLD: LiteralString = """
s.vehicle_id, s.started_at, s.ended_at, s.open, s.energy_kwh, s.energy_source, s.soc_start, s.soc_end, s.peak_kw,
s.at_home, s.latitude, s.longitude, s.odometer_km, s.cost_per_kwh, s.currency
"""
# Everything that follows from a sample: one round trip. A session that is told as it was is not touched.
SAVE: LiteralString = f"""
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
    insert into charging_sessions as s (id, {_TOLD})
    select id, {_TOLD} from jsonb_to_recordset(%(sessions)s) as it (
        id uuid, vehicle_id uuid, started_at timestamptz, ended_at timestamptz, open boolean,
        energy_kwh double precision, energy_source text, soc_start double precision, soc_end double precision,
        peak_kw double precision, at_home boolean, latitude double precision, longitude double precision,
        odometer_km double precision, cost_per_kwh double precision, currency text)
    on conflict (id) do update
    set ({_TOLD}, changed_at, amended_at)
        = ({_IS_TOLD}, now(), case when s.open then s.amended_at else now() end)
    where ({_WAS_TOLD}) is distinct from ({_IS_TOLD})
)
insert into vehicle_energy as e (vehicle_id, tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
values (%(vehicle_id)s, %(tail)s, %(counted_kwh)s, %(counted_home_kwh)s, %(lifetime_kwh)s,
        coalesce(%(home_kwh)s, (select 0 from home_places where user_id = %(user_id)s)))
on conflict (vehicle_id) do update
set (tail, counted_kwh, counted_home_kwh, lifetime_kwh, home_kwh)
    = (excluded.tail, excluded.counted_kwh, excluded.counted_home_kwh, excluded.lifetime_kwh, excluded.home_kwh)
"""

# ruff: enable[S608]

ENERGY: LiteralString = "select * from vehicle_energy where vehicle_id = %s"
SAMPLE: LiteralString = "select * from charging_samples where vehicle_id = %s and at = %s"
SAMPLES: LiteralString = "select * from charging_samples where vehicle_id = %s and at > %s order by at"
SESSIONS: LiteralString = (
    "select * from charging_sessions where vehicle_id = %s and started_at >= %s order by started_at, id"
)
HOME: LiteralString = "select latitude, longitude, radius_m from home_places where user_id = %s"
RATES: LiteralString = (
    "select valid_from, cost_per_kwh, currency from electricity_rates where user_id = %s order by valid_from"
)
ABSORB: LiteralString = """
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
FORGET: LiteralString = """
with forgotten as (delete from charging_samples where vehicle_id = %s and at <= %s)
update vehicle_energy set base = %s where vehicle_id = %s
"""
SINCE_EVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """All that may still be amended: samples after `base`, the sessions that follow from them, the counters now."""

    base: Tail
    samples: dict[datetime, Sample]
    sessions: list[Session]
    counters: Counters


def read_ledger(stored: Json | None) -> Ledger:
    """The ledger in a row of `vehicle_energy` as JSON."""
    if stored is None:
        return Ledger()
    return Ledger(
        tail=TAIL.validate_python(stored["tail"]["tail"]),
        session=SESSION.validate_python(stored["tail"]["session"]),
        counters=_counters(stored),
    )


async def find_sample(connection: Connection, vehicle_id: UUID, at: datetime) -> Sample | None:
    """What is kept of this moment."""
    return next((_sample(row) for row in await _fetch(connection, SAMPLE, vehicle_id, at)), None)


async def read_history(connection: Connection, vehicle_id: UUID) -> History:
    """What late news of a car may change."""
    energy = next(iter(await _fetch(connection, ENERGY, vehicle_id)), None)
    base = TAIL.validate_python(energy["base"]) if energy and energy["base"] else Tail()
    since = base.last.at if base.last else SINCE_EVER
    first = base.spell.started_at if base.spell else since
    samples = [_sample(row) for row in await _fetch(connection, SAMPLES, vehicle_id, since)]
    return History(
        base=base,
        samples={it.at: it for it in samples},
        sessions=[_session(row) for row in await _fetch(connection, SESSIONS, vehicle_id, first)],
        counters=_counters(energy) if energy else Counters(),
    )


async def read_terms(connection: Connection, user_id: UUID) -> Terms:
    """What the user says of home and price."""
    homes, rates = await _fetch(connection, HOME, user_id), await _fetch(connection, RATES, user_id)
    return Terms(home=next((Home(**row) for row in homes), None), rates=[Rate(**row) for row in rates])


async def save(connection: Connection, user_id: UUID, vehicle_id: UUID, sample: Sample, it: Amendment) -> None:
    """Write a sample and everything that follows from it."""
    ledger = it.ledger
    tail = {
        "tail": TAIL.dump_python(ledger.tail, mode="json"),
        "session": SESSION.dump_python(ledger.session, mode="json"),
    }
    await connection.execute(
        SAVE,
        {
            "user_id": user_id,
            "vehicle_id": vehicle_id,
            "at": sample.at,
            **_columns(sample.reading),
            **_columns(sample.place),
            "version": sample.version,
            "place_version": sample.place_version,
            "removed": list(it.removed),
            "sessions": Jsonb([_told(vehicle_id, session) for session in it.sessions]),
            "tail": Jsonb(tail),
            **_columns(ledger.counters),
        },
    )


async def absorb(connection: Connection, doubled: UUID, holder: UUID) -> None:
    """Make everything of one car another's, before it is derived anew."""
    await connection.execute(ABSORB, {"doubled": doubled, "holder": holder})


async def forget(connection: Connection, vehicle_id: UUID, base: Tail) -> None:
    """Delete the samples up to the last one of `base`, which stands for them from now on."""
    assert base.last is not None  # noqa: S101 - folded from those samples
    kept = Jsonb(TAIL.dump_python(base, mode="json"))
    await connection.execute(FORGET, [vehicle_id, base.last.at, kept, vehicle_id])


async def _fetch(connection: Connection, statement: LiteralString, *parameters: object) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()


def _columns(it: Reading | Place | Counters) -> dict[str, Any]:
    return {name: getattr(it, name) for name in it.__dataclass_fields__}


def _counters(row: Json) -> Counters:
    return Counters(**{name: row[name] for name in Counters.__dataclass_fields__})


def _sample(row: DictRow) -> Sample:
    return Sample(
        at=row["at"],
        reading=Reading(**{name: row[name] for name in Reading.__dataclass_fields__}),
        version=row["version"],
        place=Place(**{name: row[name] for name in Place.__dataclass_fields__}),
        place_version=row["place_version"],
    )


def _told(vehicle_id: UUID, session: Session) -> dict[str, Any]:
    spell, rate = session.spell, session.rate
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
        **_columns(spell.place),
        "cost_per_kwh": rate and rate.cost_per_kwh,
        "currency": rate and rate.currency,
    }


def _session(row: DictRow) -> Session:
    """A recorded session: of its spell only what amending it asks for."""
    place = Place(**{name: row[name] for name in Place.__dataclass_fields__})
    priced = row["currency"] is not None
    return Session(
        id=row["id"],
        spell=Spell(
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            open=row["open"],
            power_kwh=row["energy_kwh"],
            place=place,
        ),
        at_home=row["at_home"],
        rate=Rate(valid_from=row["started_at"], cost_per_kwh=row["cost_per_kwh"], currency=row["currency"])
        if priced
        else None,
    )
